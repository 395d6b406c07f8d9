"""Results show as one line of text, and in a notebook as a table and a picture."""

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import dfo_prompt as dp


def bowl(z):
    return (z**2).sum()


def parts(html):
    """Return cells and pictures of HTML."""
    pictures = re.findall(r"<svg.*?</svg>", html, flags=re.S)
    return re.findall(r"<td>(.*?)</td>", html), [ElementTree.fromstring(picture) for picture in pictures]


def ids(html):
    return re.findall(r' id="([^"]+)"', html)


@pytest.fixture(scope="module")
def found():
    return dp.minimize(bowl, dim=3, budget=40, popsize=5, x0=np.ones(3))


def test_a_result_is_one_line(found):
    assert repr(found) == f"<MinimizeResult: best loss {found.best_loss:.6g}, 40 queries, d = 3, ended by budget>"
    assert isinstance(found, dp.StudyResult)


def test_a_result_has_the_losses_of_its_queries(found, tmp_path):
    assert len(found.losses) == 40
    assert found.losses.min() == found.best_loss
    first = dp.minimize(bowl, dim=3, budget=40, popsize=5, x0=np.ones(3), out=tmp_path / "s")
    assert first.losses.tolist() == found.losses.tolist() == dp.read_journal(tmp_path / "s")["loss"].tolist()
    again = dp.minimize(bowl, dim=3, budget=40, popsize=5, x0=np.ones(3), out=tmp_path / "s")
    assert again.losses.tolist() == found.losses.tolist()


def test_a_notebook_shows_figures_and_convergence(found):
    cells, (picture,) = parts(found._repr_html_())
    figures = dict(zip(cells[::2], cells[1::2], strict=True))
    assert figures["optimizer"] == "cma"
    assert float(figures["best loss"]) == pytest.approx(found.best_loss, rel=1e-5)
    assert "best training loss so far" in "".join(picture.itertext())


def test_failed_queries_leave_a_gap_and_are_counted():
    def often_fails(z):
        return np.nan if z[0] > 0 else bowl(z)

    found = dp.minimize(often_fails, dim=3, budget=20, popsize=5)
    assert 0 < np.isnan(found.losses).sum() == found.failures
    cells, pictures = parts(found._repr_html_())
    assert cells[cells.index("failed queries") + 1] == str(found.failures)
    assert len(pictures) == 1


def test_a_comparison_shows_verdict_leaderboard_and_convergence():
    found = dp.compare(["cma", "random"], bowl, dim=3, budget=40, seeds=2, popsize=5)
    html = found._repr_html_()
    cells, (picture,) = parts(html)
    assert found.verdict in html
    assert "cma" in cells
    assert "random" in "".join(picture.itertext())
    assert "seconds" not in html  # the same comparison is shown the same
    assert "\n" not in repr(found)
    assert found.verdict in repr(found)


def test_pictures_on_one_page_share_no_ids(found):
    other = dp.minimize(bowl, dim=3, budget=30, popsize=5, x0=np.ones(3))
    one, two = ids(found._repr_html_()), ids(other._repr_html_())
    assert one
    assert not {*one} & {*two}
    used = re.findall(r"url\(#([^)]+)\)", found._repr_html_())
    assert {*used} <= {*one}


def test_names_are_no_html():
    def bowl_of(z):
        return bowl(z)

    bowl_of.__name__ = "<script>bowl</script>"
    entry = {"name": "<b>cma</b>", "optimizer": "cma"}
    html = dp.compare([entry, "random"], bowl_of, dim=3, budget=20, seeds=1, popsize=5)._repr_html_()
    assert "<script>" not in html
    assert "<b>cma" not in html


def test_without_the_extra_the_line_stands_in(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    for name in sorted((name for name in sys.modules if name.startswith("dfo_prompt.report.")), reverse=True):
        package, _, module = name.rpartition(".")
        monkeypatch.delattr(sys.modules[package], module)  # restored with its module: later tests patch it by its name
        monkeypatch.delitem(sys.modules, name)
    assert found._repr_html_() is None
