"""The pytest plugin: its imports, its fast lane, and an optimizer that cannot be imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(folder, *command):
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_it_imports_nothing_of_the_package_but_itself(tmp_path):
    code = (
        "import sys, dfo_prompt.testing.pytest_plugin; print(sorted(m for m in sys.modules if m.startswith('dfo_prompt')))"
    )
    assert run(tmp_path, "-c", code)[1].strip() == "['dfo_prompt', 'dfo_prompt.testing', 'dfo_prompt.testing.pytest_plugin']"
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_few(): assert len([m for m in sys.modules if m.startswith('dfo_prompt.')]) <= 2\n"
    )
    status, said = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert status == 0, said


def test_the_quick_lane_runs_and_prints_what_takes_longest(tmp_path):
    arguments = ("--dfo-prompt-optimizer", "random", "--dfo-prompt-quick", "-k", "dimension or popsize")
    status, said = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    assert status == 0, said
    assert "slowest 5 durations" in said


@pytest.mark.parametrize("name", ["absent", "nothing"])
def test_an_optimizer_that_cannot_be_had_is_one_error(tmp_path, name):
    package = tmp_path / "offers-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: offers\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[dfo_prompt]\noffers = offers\n")
    (tmp_path / "offers.py").write_text(
        "import dfo_prompt as dp\n@dp.hookimpl\ndef dfo_prompt_optimizers():\n"
        "    return [dp.OptimizerSpec(name='absent', target='no_such_module:It', summary='')]\n"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import pytest; "
    code += f"sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '--dfo-prompt-optimizer', {name!r}]))"
    status, said = run(tmp_path, "-c", code)
    assert status == 2
    assert said.count("ERROR collecting") == 1
    wanted = "ModuleNotFoundError: No module named 'no_such_module'" if name == "absent" else "unknown optimizer 'nothing'"
    assert wanted in said
    assert "1 error" in said
