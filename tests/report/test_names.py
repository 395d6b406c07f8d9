"""Names with special characters for spreadsheets, Markdown, HTML, plots and file systems are shown safely."""

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pandas as pd
import pytest

import dfo_prompt as dp
from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.convergence import plot_convergence
from dfo_prompt.report.ioh import _folders
from dfo_prompt.report.latex import latex_table, latex_text
from dfo_prompt.report.markdown import markdown_table
from dfo_prompt.report.page import _bundle
from dfo_prompt.report.pictures.drawing import draw_all
from dfo_prompt.report.pictures.labels import LONGEST, labels_of, note_on
from dfo_prompt.report.pictures.render import svg_of
from dfo_prompt.report.spreadsheet import write_csv
from dfo_prompt.report.terminal import outcome
from dfo_prompt.report.texts import markdown_text, printable, truncated
from dfo_prompt.report.write import write_report
from dfo_prompt.suite.plan import slug

LONG = "x" * 300
TEXTS = re.compile("<text[^>]*>([^<]*)</text>")
NAMES = (
    "=1+1",
    '=HYPERLINK("http://a.example")|</script><script>alert(1)</script>',
    "$\\frac{$ and $x^2$",
    "[click](javascript:alert(1)) <img src=x onerror=alert(1)> `a` *b* _c_",
    "line\nbreak \u202egnp.exe \x1b[31m \x00",
    "_hidden \N{GRINNING FACE} \u4e2d\u6587 --> &amp;",
)


@pytest.fixture
def renamed(copy):
    """A finished suite whose names are hostile, as a foreign folder may have them."""
    plan = json.loads((copy / "suite.json").read_text())
    names = dict(zip(("cma", "random", "far", "sphere", "ellipsoid", "rastrigin"), NAMES, strict=True))
    plan["settings"]["name"] = f"{NAMES[1]} {NAMES[4]}"
    moved = []
    for study in plan["plans"]:
        place = f"{study['problem']}/{study['optimizer']}/{study['seed']}"
        study |= {key: names[study[key]] for key in ("optimizer", "problem")}
        moved.append(f"{slug(study['problem'])}/{slug(study['optimizer'])}/{study['seed']}")
        (copy / "studies" / moved[-1]).parent.mkdir(parents=True, exist_ok=True)
        (copy / "studies" / place).rename(copy / "studies" / moved[-1])
    (copy / "suite.json").write_text(json.dumps(plan))
    (copy / "errors.json").write_text(json.dumps({moved[0]: "=cmd()|\ud800<b>"}))
    return copy


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.targets, self.scripts = set(), [], set(), 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.scripts += tag == "script"
        self.ids += [value for name, value in attrs if name == "id"]
        self.targets |= {value for name, value in attrs if name in ("href", "xlink:href", "src")}
        assert not [name for name, _ in attrs if name.startswith("on")]


@pytest.mark.slow
def test_hostile_names_are_shown_and_never_obeyed(renamed):
    before = {path.relative_to(renamed.parent) for path in renamed.parent.rglob("*")}
    report = write_report(renamed).parent
    page = (report / "index.html").read_text(encoding="utf-8")
    seen = Tags(page)
    assert not {"img", "b", "iframe"} & seen.tags
    assert seen.scripts == 3  # the pictures, the library that draws them, and the page's own
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page
    assert all(target.startswith("#") or re.fullmatch(r"[a-z0-9-]+\.(csv|svg|png)", target) for target in seen.targets)
    assert len(seen.ids) == len({*seen.ids})
    for text in (page, (report / "report.md").read_text(encoding="utf-8")):
        assert not re.search("[\u202e\x1b\x00\ud800]", text)
        assert "line\\" in text
        assert not re.search(r"<(script(?! type=|>)|img|b)\b", text.replace(_bundle(), ""))
    added = {path.relative_to(renamed.parent) for path in renamed.parent.rglob("*")} - before
    assert all(path.parts[1] == "report" for path in added)
    assert all(re.fullmatch(r"[\w.+=-]+", path.name) and len(path.name.encode()) < 100 for path in added)


@pytest.mark.slow
def test_hostile_names_break_no_table_of_markdown(renamed):
    text = (write_report(renamed).parent / "report.md").read_text(encoding="utf-8")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1, table
    assert "](javascript" not in text


@pytest.mark.slow
def test_hostile_names_begin_no_cell_of_a_spreadsheet(renamed):
    report = write_report(renamed).parent
    for file in report.glob("*.csv"):
        table = pd.read_csv(file)
        for cell in [*table.columns, *table.to_numpy().ravel()]:
            assert not isinstance(cell, str) or cell == "-" or cell[0] not in "=+-@", (file, cell)
    assert "'=1+1" in set(pd.read_csv(report / "leaderboard.csv")["optimizer"])


@pytest.mark.slow
def test_the_json_of_a_report_keeps_names_as_they_are(renamed):
    found = json.loads((write_report(renamed).parent / "report.json").read_text(encoding="utf-8"))
    assert {row["optimizer"] for row in found["leaderboard"]} == {*NAMES[:3]}
    assert list(found["manifest"]["entries"]) == [*NAMES[:3]]


@pytest.mark.slow
def test_hostile_names_are_drawn_literally(renamed):
    drawn = {
        unescape(text) for path in (write_report(renamed).parent).glob("*.svg") for text in TEXTS.findall(path.read_text())
    }
    assert {"=1+1", "$\\frac{$ and $x^2$"} <= drawn
    assert not any(re.search("[\u202e\x1b\x00]", text) for text in drawn)


def test_hostile_names_are_no_commands_of_latex():
    assert latex_text(r"\input{a}_b & 50 % $x$ #1 ~^") == (
        r"\textbackslash{}input\{a\}\_b \& 50 \% \$x\$ \#1 \textasciitilde{}\textasciicircum{}"
    )
    lines = latex_table(pd.DataFrame({"a_b": ["[x]", "*y"], "n": ["1 \u00b1 2", "<3"]})).splitlines()
    assert lines[2] == r"a\_b & n \\"
    assert lines[4:6] == [r"{}[x] & 1 $\pm$ 2 \\", r"{}*y & \textless{}3 \\"]
    assert latex_table(pd.DataFrame()) == ""


def test_only_text_is_kept_from_being_a_formula(tmp_path):
    table = pd.DataFrame({"@name": ["=1+1", "+a", "-a", "@a", " =a", "\t=a", "-", "-1.5", "plain"], "loss": [-1.5] * 9})
    write_csv(table, tmp_path / "t.csv")
    found = pd.read_csv(tmp_path / "t.csv", dtype=str)
    assert list(found.columns) == ["'@name", "loss"]
    assert list(found["'@name"]) == ["'=1+1", "'+a", "'-a", "'@a", "' =a", "\\t=a", "-", "-1.5", "plain"]
    assert set(found["loss"]) == {"-1.5"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cma:ipop", "cma:ipop"),
        ("recommended_loss of nevergrad:NGOpt (d = 4)", "recommended_loss of nevergrad:NGOpt (d = 4)"),
        ("a|b", r"a\|b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("[a](javascript:b)", r"[a]\(javascript:b)"),
        ("_a_ __b__ c_d", r"\_a\_ \_\_b\_\_ c_d"),
        ("$a$ `b` *c* ~~d~~ \\|", r"\$a\$ \`b\` \*c\* \~\~d\~\~ \\\|"),
        ("a\nb\u202e\ud800", r"a\\nb\\u202e\\ud800"),
    ],
)
def test_text_of_markdown(name, shown):
    assert markdown_text(name) == shown


def test_tables_of_markdown_keep_figures_as_they_are_printed():
    table = markdown_table(pd.DataFrame({"optimizer": ["a|b", "c"], "p": ["1.50", "1e-05"]}))
    assert table.splitlines()[2:] == [r"| a\|b        |  1.50 |", "| c           | 1e-05 |"]
    assert markdown_table(pd.DataFrame()) == ""


def test_printable_text_is_left_alone():
    assert printable("Größe 中文 \N{GRINNING FACE}") == "Größe 中文 \N{GRINNING FACE}"
    assert printable("a\tb\u2028\u200b") == r"a\tb\u2028\u200b"


def test_long_names_are_short_and_different_in_pictures():
    names = [LONG + "a", LONG + "b", "y" * 150 + "1" + "y" * 150, "y" * 150 + "2" + "y" * 150, "short"]
    labels = labels_of(names)
    assert len({*labels.values()}) == len(names)
    assert max(map(len, labels.values())) <= LONGEST
    assert labels["short"] == "short"
    assert labels[names[0]].endswith("xa")
    assert "lose their middle" in note_on(names)
    assert note_on(["short"]) == ""
    assert truncated("x" * 10, 10) == "x" * 10


def test_a_report_with_long_names_has_them_whole_in_its_tables(finished):
    analysis = analyse(finished)
    names = {name: f"{name} {LONG}" for name in analysis.complete}
    studies = analysis.studies.assign(optimizer=analysis.studies["optimizer"].map(names))
    long = replace(
        analysis,
        studies=studies,
        comparison=replace(analysis.comparison, names=tuple(map(names.get, analysis.complete))),
        leaderboard=analysis.leaderboard.assign(optimizer=analysis.leaderboard["optimizer"].map(names)),
        reached={names[name]: values for name, values in analysis.reached.items()},
    )
    for picture in draw_all(long):
        assert set(picture.data["optimizer"]) <= {*names.values()}
        assert max(map(len, picture.columns["entry"])) < 100
        assert "lose their middle" in picture.text
        svg = svg_of(picture.spec, picture.columns, picture.title)
        assert float(re.search(r'<svg[^>]* width="([\d.]+)"', svg)[1]) < 1000


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_leaderboard_of_a_terminal_cuts_names_to_its_width_and_keeps_them_distinct(tmp_path, width):
    entries = [
        {"name": f"CMA-ES with step size {s} and popsize 20", "optimizer": "cma", "sigma": s} for s in (0.5, 0.8, 1.0)
    ]
    found = dp.compare(
        [*entries, "random"], lambda z: float((z**2).sum()), dim=2, budget=20, seeds=2, out=tmp_path / "s", progress=False
    )
    shown = outcome(tmp_path / "s", width=width).partition("\n\n")[0].splitlines()
    assert max(map(len, shown)) <= width
    names = {re.split("  +", line)[0] for line in shown[1:]}
    assert len(names) == 4
    if width >= 100:
        assert names == {*found.analysis.complete}


def test_a_name_without_characters_has_a_label():
    assert labels_of(["_a", ""]) == {"_a": "_a", "": "''"}


def test_folders_of_curves_are_short_and_different():
    names = ["CMA", "cma", LONG + "a", LONG + "b", "../../etc", "\ud800", "中" * 100]
    folders = _folders(names)
    assert len({*folders.values()}) == len(names)
    assert all(re.fullmatch(r"[\w+=-]+", folder) and len(folder.encode()) <= 255 for folder in folders.values())


def test_the_picture_of_a_study_draws_its_name_literally(copy, tmp_path):
    folder = copy / "studies/sphere/cma/1"
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["config"]["optimizer"] = "$\\frac{$" + LONG
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert plot_convergence([folder], tmp_path / "p.svg", title="t").stat().st_size > 1000
