"""The statements of the page on security about source and folders hold."""

import ast
import json
from pathlib import Path

import pytest

import dfo_prompt

SOURCE = sorted(Path(dfo_prompt.__file__).parent.rglob("*.py"))
UNSAFE = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml"}
PLUGIN = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"


def test_nothing_in_the_source_runs_data():
    found = []
    for file in SOURCE:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [(file.name, name) for name in names if name.partition(".")[0] in UNSAFE]
            if isinstance(node, ast.Call):
                called, keywords = (
                    ast.unparse(node.func),
                    {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords},
                )
                unsafe = called in ("eval", "exec", "torch.load", "os.system", "os.popen", "np.loadtxt")
                unsafe |= called == "np.load" and keywords.get("allow_pickle") != "False"
                unsafe |= keywords.get("shell", "False") != "False" or keywords.get("trust_remote_code", "False") != "False"
                found += [(file.name, called)] * unsafe
    assert found == []
    assert len(SOURCE) > 100


@pytest.mark.parametrize("command", [("show", "s"), ("suite", "status", "s")])
def test_commands_that_read_a_folder_run_nothing_in_it(program, tmp_path, command):
    program("run", "--objective", "sphere", "--dim", "3", "--budget", "8", "--out", "s")
    (tmp_path / "s/mine.py").write_text(PLUGIN)
    manifest = json.loads((tmp_path / "s/manifest.json").read_text())
    manifest["config"]["plugin"] = str(tmp_path / "s/mine.py")
    (tmp_path / "s/manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "s/suite.json").write_text(json.dumps({"studies": {"a": {"config": manifest["config"]}}}))
    program(*command)
    assert not (tmp_path / "s/ran").exists()


def test_a_study_file_runs_the_plugin_that_it_names(program, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "study.toml").write_text('plugin = "mine.py"\nobjective = "sphere"\ndim = 3\nbudget = 8\n')
    assert program("run", "study.toml", "--out", "s")[0] == 0
    assert (tmp_path / "ran").exists()


def test_a_task_file_is_no_code(program, tmp_path):
    (tmp_path / "task.toml").write_text(PLUGIN)
    assert program("run", "--task", "task.toml", "--out", "s")[0] == 2
    assert not (tmp_path / "ran").exists()
