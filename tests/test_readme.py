"""The code of the README runs; its commands are checked with those of the documentation."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
LONGEST = 130
"""Lines: everything else is in the documentation."""


def test_it_is_short():
    assert README.count("\n") <= LONGEST


def test_exactly_two_set_up_commands():
    section = README.split("## Set up")[1].split("\n## ")[0]
    commands = re.findall(r"<!-- (\w+) -->\n```\n(.*?)\n```", section)
    assert [name for name, _ in commands] == ["quickstart", "test"]
    assert all(command.startswith("pip install -c constraints.txt ") for _, command in commands)


def test_ci_runs_the_test_command_of_the_readme():
    script = "grep -A 2 '^<!-- test -->$' README.md | tail -n 1"
    found = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert script in (ROOT / ".ci" / "run").read_text()
    assert found == 'pip install -c constraints.txt -e ".[test]" -r plugins/requirements.txt && python -m pytest\n'


@pytest.mark.slow
def test_the_python_example_runs():
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    space: dict[str, object] = {}
    exec(block.replace("8000", "200"), space)
    assert space["result"].best_loss < 10  # type: ignore[attr-defined]
    assert space["found"].verdict.startswith("On this problem (10 seeds), cma is better than ")  # type: ignore[attr-defined]


def test_what_it_links_is_there():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
