"""The documentation builds without warnings, and its code and commands run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dfo_prompt.commands.group import program as dfo_prompt
from dfo_prompt.config.reading import read_config
from dfo_prompt.plugin.catalogue import KINDS, catalogue
from dfo_prompt.suite.reading import read_suite_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "pages"
WRITTEN = [
    path for path in sorted(PAGES.rglob("*.md")) if "results" not in path.parts and path.stem not in {"cli", "results"}
]
PROSE = [ROOT / "README.md", *WRITTEN]
COMMAND = re.compile(r"^(?:pip install [^&]* && )?dfo-prompt ((?:[^\\\n]|\\\n)*)$", flags=re.M)


def commands(page: Path) -> list[str]:
    """Return the arguments of every command line of a page."""
    blocks = re.findall(r"```(?:|sh|console)\n(.*?)```", page.read_text(), flags=re.S)
    lines = [line for block in blocks for line in COMMAND.findall(block)]
    return [re.split(r" {3,}(?!-)", line.replace("\\\n", " "))[0] for line in lines]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("zensical")
    root = tmp_path_factory.mktemp("site")
    for part in ("docs", "dfo_prompt", "benchmarks"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("site", "__pycache__"))
    build = ("-m", "zensical", "build", "--strict", "-f", "docs/mkdocs.yml")
    for command in (("docs/generate.py",), build):
        done = subprocess.run([sys.executable, *command], cwd=root, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "griffe" not in done.stderr, done.stderr  # a docstring that names no parameter
    return root / "docs" / "site"


def test_the_reference_has_every_public_name_command_and_key(site):
    import dfo_prompt as dp

    python = (site / "reference" / "python.html").read_text()
    assert [name for name in dp.__all__ if f'.{name}"' not in python] == []
    line = (site / "reference" / "cli.html").read_text()
    assert [name for name in dfo_prompt.list_commands(click.Context(dfo_prompt)) if f"dfo-prompt {name}" not in line] == []
    listed = (site / "reference" / "catalogue.html").read_text()
    assert [spec.name for kind in KINDS for spec in getattr(catalogue(), kind) if spec.name not in listed] == []
    assert "prompt.tokens" in (site / "reference" / "configuration.html").read_text()


def test_every_shipped_report_is_a_page(site):
    reports = {path.parent.name for path in (ROOT / "benchmarks" / "results").glob("*/report.md")}
    assert reports
    assert reports == {path.parent.name for path in (site / "results").glob("*/report.html")}


def test_every_measurement_is_listed_with_its_command(site):
    results = ROOT / "benchmarks" / "results"
    folders = {path.parent for path in results.rglob("manifest.json") if not (path.parent / "report.md").is_file()}
    measured = {folder.relative_to(results).as_posix() for folder in folders}
    page = (site / "results.html").read_text()
    assert measured
    assert [name for name in measured if f"--out benchmarks/results/{name}" not in page] == []
    assert 'href="results/catalogue/index.html"' in page


def test_pages_ask_nothing_of_others(site):
    page = (site / "index.html").read_text()
    assert re.findall(r'(?:src|href)="(https?://[^"]*\.(?:js|css|woff2?))"', page) == []


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.stem)
def test_the_command_lines_of_a_page_are_understood(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in commands(page):
        arguments = shlex.split(line)
        if "--plugin" in arguments:  # those of the tutorial run in its own test
            continue
        command: click.Command = dfo_prompt
        context: click.Context | None = None
        while isinstance(command, click.Group):
            context = click.Context(command, parent=context)
            found = command.get_command(context, arguments.pop(0))
            assert found, line
            command = found
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        asked = {word.split("=")[0] for word in arguments if word.startswith("--") and word != "--"}
        assert asked <= known, line


def test_the_files_of_the_pages_are_read(tmp_path):
    (study,) = re.findall(r"```toml\n(.*?)```", (PAGES / "start.md").read_text(), flags=re.S)
    (tmp_path / "study.toml").write_text(study)
    config = read_config(tmp_path / "study.toml", {})
    assert (config.problem.task, config.prompt.tokens) == ("tweets", 10)
    (suite,) = re.findall(r"```toml\n(.*?)```", (PAGES / "tutorials" / "suite.md").read_text(), flags=re.S)
    (tmp_path / "suite.toml").write_text(suite)
    plans = read_suite_file(tmp_path / "suite.toml").plans
    assert {(plan.optimizer, plan.problem) for plan in plans} >= {
        ("cma, small steps", "tweets"),
        ("random", "bbc-headlines"),
    }


def test_the_python_of_the_first_page_runs():
    (block,) = re.findall(r"```python\n(.*?)```", (PAGES / "start.md").read_text(), flags=re.S)
    space: dict[str, object] = {}
    exec(block.replace("8000", "200"), space)
    assert space["result"].best_loss < 10  # type: ignore[attr-defined]
    assert space["candidates"].shape[1] == 10  # type: ignore[attr-defined]
