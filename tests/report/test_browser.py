"""The report in Chromium: what it shows, on hover and on click."""

import os
import re
import shutil
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
INK = {"dark": "rgb(255, 255, 255)", "light": "rgb(0, 0, 0)"}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def visit(browser, finished):
    """Open the page; afterwards, nothing was asked for and nothing complained of."""
    opened, requests, complaints = [], [], []

    def open_page(width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened.append(page)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((finished / "report/index.html").as_uri())
        page.wait_for_selector("html[data-drawn=yes]")
        return page

    yield open_page
    for page in opened:
        page.close()
    assert complaints == []
    assert {Path(url).name for url in requests if not url.startswith("data:")} == {"index.html"}


@pytest.mark.parametrize("width", [420, 1280])
@pytest.mark.parametrize("scheme", INK)
def test_the_page_is_whole_on_phone_and_desk_by_day_and_night(visit, finished, width, scheme):
    page = visit(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == INK[scheme]
    label = page.locator(".picture svg text").first
    assert label.evaluate("one => getComputedStyle(one).fill") == INK[scheme]
    drawn = page.locator(".picture svg")
    assert drawn.count() == len([*(finished / "report").glob("*.svg")])
    for number in range(drawn.count()):
        box = drawn.nth(number).bounding_box()
        assert 300 < box["width"] <= width
        assert box["height"] > 50
        inside = "one => { const a = one.getBoundingClientRect(); return [...one.querySelectorAll('text')]"
        inside += ".every(t => { const b = t.getBoundingClientRect(); "
        inside += "return b.width === 0 || (b.left >= a.left - 1 && b.right <= a.right + 1)})}"
        assert drawn.nth(number).evaluate(inside), number


def test_the_verdict_stands_on_top_and_the_contents_lead_to_every_section(visit):
    page = visit()
    assert page.locator(".verdict").bounding_box()["y"] < 200
    targets = page.eval_on_selector_all("nav a", "links => links.map(link => link.getAttribute('href').slice(1))")
    assert targets == page.eval_on_selector_all("h2", "heads => heads.map(head => head.id)")


def test_pointing_at_a_curve_tells_its_values(visit):
    page = visit()
    picture = page.locator("[data-picture=convergence-1] svg")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2 + 5, box["y"] + box["height"] / 2)
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    text = tooltip.inner_text()
    assert "undefined" not in text
    assert re.search("^entry *(cma|random|far)$", text.replace("\t", " "), re.MULTILINE)
    for word in ("queries", "best training loss so far", "95 % interval from"):
        assert word in text


def curves(page, name):
    paths = f"[data-picture={name}] .mark-line path"
    return page.eval_on_selector_all(paths, "lines => lines.filter(line => line.getAttribute('d')).length")


def test_a_name_is_hidden_and_shown_in_every_picture(visit):
    page = visit()
    button = page.locator(".legend button[value=random]").first
    before = {name: curves(page, name) for name in ("convergence-1", "targets")}
    button.click()
    for name, number in before.items():
        page.wait_for_function(
            f"document.querySelectorAll('[data-picture={name}] .mark-line path[d]:not([d=\"\"])').length == {number - 1}"
        )
    assert page.locator(".legend button[value=random][aria-pressed=true]").count() == 0
    button.click()
    page.wait_for_function(
        f"document.querySelectorAll('[data-picture=targets] .mark-line path[d]:not([d=\"\"])').length == {before['targets']}"
    )


def test_dragging_moves_and_the_wheel_zooms(visit):
    page = visit()
    picture = page.locator("[data-picture=targets] svg")
    picture.scroll_into_view_if_needed()
    ticks = (
        "() => [...document.querySelectorAll('[data-picture=targets] .role-axis-label text')].map(t => t.textContent).join()"
    )
    before, box = page.evaluate(ticks), picture.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    assert page.evaluate(ticks) == before  # the wheel alone scrolls the page
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_function(f"({ticks})() !== {before!r}")


def column(page, table, number):
    cells = f"section:has(#{table}) tbody tr:not([hidden]) td:nth-child({number})"
    return page.eval_on_selector_all(cells, "cells => cells.map(cell => cell.textContent)")


def test_tables_are_sorted_by_numbers_and_filtered(visit):
    page = visit()
    before = column(page, "leaderboard", 1)
    head = page.locator("section:has(#leaderboard) th button").nth(2)
    head.click()
    assert column(page, "leaderboard", 1) == before[::-1]
    assert page.locator("section:has(#leaderboard) th").nth(2).get_attribute("aria-sort") == "ascending"
    head.click()
    assert column(page, "leaderboard", 1) == before
    page.locator("section:has(#leaderboard) input").fill("RAN")
    assert column(page, "leaderboard", 1) == ["random"]


def test_the_choice_of_a_problem_holds_for_pictures_and_tables(visit):
    page = visit()
    points = "() => document.querySelectorAll('[data-picture=gap] .mark-symbol path').length"
    before = page.evaluate(points)
    page.select_option("#problem", "ellipsoid")
    assert page.locator("section[data-problem]:visible").count() == 1
    assert page.locator("#convergence-2").is_visible()
    heads = page.locator("section:has(#problems) th:visible").all_inner_texts()
    assert [head.split()[0] for head in heads] == ["optimizer", "ellipsoid"]
    page.wait_for_function(f"({points})() < {before}")
    page.select_option("#problem", "")
    assert page.locator("section[data-problem]:visible").count() == 3


def test_every_table_has_its_source_beside_it(visit, finished):
    page = visit()
    source = page.locator("section:has(#pairs) details.source")
    source.nth(0).locator("summary").click()
    assert source.nth(0).locator("pre").inner_text().strip() == (finished / "report/pairs.csv").read_text().strip()
    source.nth(1).locator("summary").click()
    assert source.nth(1).locator("pre").inner_text().strip() == (finished / "report/pairs.tex").read_text().strip()


def test_on_paper_no_table_is_cut_off(visit):
    page = visit(700)  # the width of a sheet
    page.emulate_media(media="print")
    cut = "() => [...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert page.evaluate(cut) == 0
    assert page.locator("nav:visible, details:visible, input:visible").count() == 0
