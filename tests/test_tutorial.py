"""The examples of the page on plugins run and conform, and the packaged example is what `new-plugin` writes."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dfo_prompt.commands.new_plugin import scaffold
from dfo_prompt.plugin import hookspecs
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.testing import OptimizerConformance

pytestmark = pytest.mark.slow

PLUGINS = Path(__file__).parent.parent / "plugins"
PAGE = (PLUGINS.parent / "docs" / "pages" / "tutorials" / "plugins.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)


def test_every_hook_is_documented_with_its_signature():
    hooks = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("dfo_prompt_")}
    rows = dict(re.findall(r"^\| `(dfo_prompt_.*?)` \| (.*?) \|$", PAGE, flags=re.M))
    said = {}
    for name, hook in hooks.items():
        signature = re.sub(r"(?:[a-z_]+\.)+([A-Z])", r"\1", f"{name}{inspect.signature(hook)}")
        said[signature] = inspect.getdoc(hook).splitlines()[0]
    assert rows == said


@pytest.mark.parametrize(("block", "name"), [(0, "hello"), (1, "shrinking"), (2, "lines")])
def test_the_plugins_of_the_page_run_as_files(program, tmp_path, block, name):
    (tmp_path / f"{name}.py").write_text(BLOCKS[block])
    assert name in program("--plugin", f"{name}.py", "list", "optimizers")[1]
    arguments = ("run", "--optimizer", name, "--objective", "sphere", "--dim", "10", "--budget", "500")
    status, out, err = program("--plugin", f"{name}.py", *arguments)
    assert status == 0, err
    assert "500 of 500" in out


@pytest.mark.parametrize(("block", "name"), [(1, "shrinking"), (2, "lines")])
def test_the_optimizers_of_the_page_work_with_the_settings_of_the_study(tmp_path, block, name):
    (tmp_path / f"{name}.py").write_text(BLOCKS[block])
    suite = OptimizerConformance()
    with plugin_files(tmp_path / f"{name}.py"):
        suite.test_starts_at_x0(name)
        suite.test_steps_by_sigma(name)
        suite.test_asks_for_popsize(name)
        suite.test_repeats_itself(name)
        suite.test_threads_do_not_meet(name)


def test_an_optimizer_of_the_page_passes_the_conformance_suite(tmp_path):
    (tmp_path / "shrinking.py").write_text(BLOCKS[1])
    checks = [(name, check) for name, check in vars(OptimizerConformance).items() if name.startswith("test_")]
    assert len(checks) > 10
    with plugin_files(tmp_path / "shrinking.py"):
        for name, check in checks:  # a process of its own does not know the file
            if list(inspect.signature(check).parameters) == ["self", "name"] and name != "test_lets_the_process_end":
                check(OptimizerConformance(), "shrinking")


def test_the_test_of_the_page_passes():
    space = {}
    exec(next(block for block in BLOCKS if "tiny_lm" in block), space)
    space["test_a_prompt_is_found"]()


def test_the_method_of_the_page_runs_as_a_file(program, tmp_path, tiny_folder, tiny_task):
    (tmp_path / "nearest.py").write_text(next(block for block in BLOCKS if "def nearest" in block))
    where = ("--model", str(tiny_folder), "--task", str(tiny_task), "--shots", "4", "--out", "out")
    status, out, err = program("--plugin", "nearest.py", "run", "--method", "nearest", *where)
    assert status == 0, err
    assert "test accuracy" in out


def test_the_parts_of_the_page_run_as_a_file(program, tmp_path, tiny_folder, tiny_task):
    (tmp_path / "parts.py").write_text(next(block for block in BLOCKS if "def brier" in block))
    where = ("--model", str(tiny_folder), "--task", str(tiny_task), "--shots", "4", "--prompt-tokens", "2")
    what = ("--preset", "small", "--loss", "brier", "--set", "prompt.calibration=empty")
    status, out, err = program("--plugin", "parts.py", "run", *where, *what, "--budget", "30", "--out", "study")
    assert status == 0, err
    assert "30 of 30" in out
    assert program("--plugin", "parts.py", "export", "study", "--format", "numbers")[:2] == (0, "study/prompt.txt\n")
    listed = [program("--plugin", "parts.py", "list", kind)[1] for kind in ("metrics", "sections")]
    assert all(name in text for name, text in zip(("errors", "entries"), listed, strict=True))


def test_a_suite_may_name_the_plugin_of_a_method(program, tmp_path, tiny_folder, tiny_task):
    (tmp_path / "nearest.py").write_text(next(block for block in BLOCKS if "def nearest" in block))
    options = f'problem = {{ model = "{tiny_folder}", task = "{tiny_task}", shots = 4 }}'
    suite = f'name = "s"\nseeds = [1]\nthreads = 1\nmethods = ["nearest"]\n[study]\nplugin = "nearest.py"\n{options}\n'
    (tmp_path / "suite.toml").write_text(suite)
    status, _, err = program("suite", "run", "suite.toml", "--out", "out")
    assert status == 0, err
    assert "1 study; 1 finished" in program("suite", "status", "out")[1]


def test_the_suite_of_the_page_runs_the_optimizer_of_the_page(program, tmp_path, tiny_folder, tiny_task):
    suite = next(block for block in re.findall(r"```toml\n(.*?)```", PAGE, flags=re.S) if 'name = "mine"' in block)
    for real, tiny in (("smollm2-135m", str(tiny_folder)), ("bbc-headlines", str(tiny_task)), ("budget = 20", "budget = 4")):
        assert real in suite
        suite = suite.replace(real, tiny)
    (tmp_path / "shrinking.py").write_text(BLOCKS[1])
    (tmp_path / "mine.toml").write_text(suite)
    lines = [line for line in re.findall(r"^dfo-prompt (.*)$", PAGE, flags=re.M) if "mine" in line and "suite" in line]
    assert len(lines) == 3
    for line in lines:
        status, out, err = program(*line.replace("--jobs 2", "--jobs 1").split())
        assert status == 0, err
    assert "shrinking" in out
    assert (tmp_path / "runs" / "mine" / "report" / "index.html").is_file()


def test_a_study_file_may_name_its_plugin(program, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "shrinking.py").write_text(BLOCKS[1])
    study = 'plugin = "shrinking.py"\noptimizer = "shrinking"\nobjective = "sphere"\ndim = 3\nbudget = 20\n'
    (tmp_path / "sub" / "study.toml").write_text(study)
    status, out, err = program("run", "sub/study.toml", "--out", "s")
    assert status == 0, err
    assert "20 of 20" in out
    status, out, err = program("run", "sub/study.toml", "--out", "s")
    assert status == 0, err


INSIDE = ("dfo-prompt-baselines", "dfo-prompt-scipy")
"""They work inside the engine, and on global generators."""


@pytest.mark.parametrize("folder", sorted(path.name for path in PLUGINS.glob("dfo-prompt-*") if path.name not in INSIDE))
def test_a_plugin_needs_no_more_than_public_names(folder):
    import dfo_prompt as dp

    for file in PLUGINS.glob(f"{folder}/dfo_prompt_*/*.py"):
        text = file.read_text()
        assert not re.findall(r"^(?:from|import) dfo_prompt\..*", text, flags=re.M), file
        assert set(re.findall(r"\bdp\.(\w+)", text)) <= set(dp.__all__), file


def test_the_example_is_what_new_plugin_writes():
    example = PLUGINS / "dfo-prompt-example"
    written = {Path(path): content for path, content in scaffold("example").items()}
    assert {path: (example / path).read_text() for path in written} == written


@pytest.mark.parametrize("name", ["Upper", "two words", "-x", "a--b", "../up"])
def test_a_name_that_names_no_package_is_one_line(program, name):
    status, _, err = program("new-plugin", "--", name)
    assert (status, "cannot name a plugin" in err) == (2, True)


def test_a_folder_in_use_is_left_alone(program, tmp_path):
    (tmp_path / "dfo-prompt-mine").mkdir()
    (tmp_path / "dfo-prompt-mine" / "thesis.tex").touch()
    status, _, err = program("new-plugin", "mine")
    assert (status, "is not empty" in err) == (2, True)


def test_a_plugin_cut_off_by_a_kill_is_written_by_the_same_command(program, tmp_path):
    folder, contents = tmp_path / "dfo-prompt-mine", scaffold("mine")
    for count in range(len(contents)):
        for path, text in [*contents.items()][:count]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        if count:
            (folder / "pyproject.toml.part").write_text("[proj")
        status, _, err = program("new-plugin", "mine")
        assert (status, err) == (0, "")
        assert {path: (folder / path).read_text() for path in contents} == dict(contents)
        assert {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()} == contents.keys()
        assert program("new-plugin", "mine")[0] == 2  # it is whole now
        shutil.rmtree(folder)
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[project]\nname = 'my own'\n")
    assert program("new-plugin", "mine")[0] == 2
    assert "my own" in (folder / "pyproject.toml").read_text()


@pytest.mark.real
def test_a_new_plugin_installs_lists_and_conforms(program, tmp_path):
    status, out, err = program("new-plugin", "step-halving")
    assert (status, "pip install -e dfo-prompt-step-halving" in out) == (0, True), err
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    subprocess.run([*install, str(tmp_path / "dfo-prompt-step-halving")], check=True, timeout=300)
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*command):
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    listed = run("dfo_prompt", "list", "optimizers").stdout
    assert "step-halving" in listed
    assert "dfo-prompt-step-halving 0.1.0" in run("dfo_prompt", "list", "plugins").stdout
    conformance = run("pytest", "-q", "-p", "no:cacheprovider", "--dfo-prompt-optimizer", "step-halving")
    assert conformance.returncode == 0, conformance.stdout
