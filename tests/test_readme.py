"""What the README promises runs."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

from dfo_prompt.config.reading import read_config
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.testing import OptimizerConformance

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.S)


def test_exactly_two_set_up_commands():
    section = README.split("## Set up")[1].split("\n## ")[0]
    commands = re.findall(r"<!-- (\w+) -->\n```\n(.*?)\n```", section)
    assert [name for name, _ in commands] == ["quickstart", "test"]
    assert all(command.startswith("pip install -c constraints.txt ") for _, command in commands)
    assert section.count("```") == 4


def test_ci_runs_the_test_command_of_the_readme():
    script = "grep -A 2 '^<!-- test -->$' README.md | tail -n 1"
    found = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert script in (ROOT / ".ci" / "run").read_text()
    assert found == 'pip install -c constraints.txt -e ".[test]" -r plugins/requirements.txt && python -m pytest\n'


def test_the_suite_is_one(tmp_path):
    study, suite = re.findall(r"```toml\n(.*?)```", README, flags=re.S)
    (tmp_path / "study.toml").write_text(study)
    config = read_config(tmp_path / "study.toml", {})
    assert (config.problem.task, config.prompt.tokens) == ("tweets", 10)
    (tmp_path / "suite.toml").write_text(suite)
    suite = read_suite_file(tmp_path / "suite.toml")
    assert {(plan.optimizer, plan.problem) for plan in suite.plans} >= {
        ("cma, small steps", "tweets"),
        ("random", "bbc-headlines"),
    }


def test_the_python_example_runs():
    space: dict[str, object] = {}
    exec(BLOCKS[0].replace("8000", "200"), space)
    assert space["result"].best_loss < 10  # type: ignore[attr-defined]
    assert space["candidates"].shape[1] == 10  # type: ignore[attr-defined]


def test_the_plugin_example_runs_as_a_file(tmp_path):
    (tmp_path / "halving.py").write_text(BLOCKS[1])
    line = re.search(r"^dfo-prompt (--plugin halving.py .*)$", README, flags=re.M)
    assert line
    command = [sys.executable, "-m", "dfo_prompt", *line[1].split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1000 of 1000" in done.stdout


def test_the_plugin_example_passes_the_conformance_suite(tmp_path):
    (tmp_path / "halving.py").write_text(BLOCKS[1])
    checks = [(name, check) for name, check in vars(OptimizerConformance).items() if name.startswith("test_")]
    assert len(checks) > 10
    with plugin_files(tmp_path / "halving.py"):
        for name, check in checks:  # a process of its own does not know the file
            if list(inspect.signature(check).parameters) == ["self", "name"] and name != "test_lets_the_process_end":
                check(OptimizerConformance(), "halving")
