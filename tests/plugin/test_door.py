"""Faulty installed plugins are named with their errors, and every command still works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfo_prompt.plugin.installed import installed_points

GOOD = """
import dfo_prompt as dp

@dp.hookimpl
def dfo_prompt_optimizers():
    return [dp.OptimizerSpec(name="NAME:good", target="dfo_prompt.optimizers.random_search:RandomSearch", summary="Works.")]
"""
HOOK = """
import dfo_prompt as dp

class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no text")

@dp.hookimpl
def dfo_prompt_KIND():
    BODY
"""
WORKS = {
    "print": ("print('[1, 2]')\n" + GOOD, "prints at import"),
    "raw_print": ("import os\nos.write(1, b'[1, 2]')\n" + GOOD, ""),
    "child_print": ("import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(3)'])\n" + GOOD, ""),
    "chdir": ("import os\nos.chdir('/')\n" + GOOD, "changes the working directory at import"),
    "both": (
        "import os\nos.chdir('/')\nprint('x')\n" + GOOD,
        "prints at import and changes the working directory at import",
    ),
    "stdout": ("import io, sys\nsys.stdout = io.StringIO()\n" + GOOD, ""),
    "empty": ("", ""),
}
"""What a plugin does, and the remark on it."""


def hook(body, kind="optimizers"):
    return HOOK.replace("KIND", kind).replace("BODY", body)


def spec(**changes):
    arguments = {"name": "'odd'", "target": "'fakes:Steps'", "summary": "'Odd.'"} | changes
    return f"dp.OptimizerSpec({', '.join(f'{key}={value}' for key, value in arguments.items())})"


FAILS = {
    "exit": ("import sys\nsys.exit(0)", "SystemExit: 0"),
    "exit_in_hook": (hook("raise SystemExit(0)"), "dfo_prompt_optimizers() failed: SystemExit: 0"),
    "base": ("raise BaseException('odd')", "BaseException: odd"),
    "silent": (hook("raise Silent"), "dfo_prompt_optimizers() failed: Silent: its message cannot be had"),
    "silent_at_import": (hook("pass") + "raise Silent", "Silent: its message cannot be had"),
    "surrogate": ("raise ValueError('gr\\udcfcn')", "ValueError: gr\\udcfcn"),
    "huge_error": ("raise ValueError('x' * 10_000_000)", f"ValueError: {'x' * 300}"),
    "unmarked": (GOOD.replace("@dp.hookimpl\n", ""), "dfo_prompt_optimizers() lacks its mark; write @dfo_prompt.hookimpl"),
    "misspelt": (
        GOOD.replace("_optimizers", "_optimizer"),
        "no hook dfo_prompt_optimizer(); did you mean dfo_prompt_optimizers",
    ),
    "argument": (GOOD.replace("optimizers()", "optimizers(kind)"), "Argument(s) {'kind'} are declared in the hookimpl"),
    "none": (hook("pass"), "dfo_prompt_optimizers() returns NoneType, not a list of OptimizerSpec"),
    "text": (hook("return 'cma'"), "dfo_prompt_optimizers() returns str, not a list of OptimizerSpec"),
    "texts": (hook("return ['cma']"), "dfo_prompt_optimizers() gives str, not OptimizerSpec"),
    "midway": (hook(f"yield {spec()}; 1 / 0"), "dfo_prompt_optimizers() failed: ZeroDivisionError: division by zero"),
    "endless": (
        hook(f"import itertools; return ({spec(name='str(i)')} for i in itertools.count())"),
        "more than 10,000 specs",
    ),
    "wrong_spec": (hook("return [dp.Spec(name='odd', target='a:b', summary='Odd.')]"), "gives Spec, not OptimizerSpec"),
    "number": (hook(f"return [{spec(name='7')}]"), "gives a spec named 7; a name is at most 100 letters"),
    "bytes": (hook(f"return [{spec(name=repr(b'odd'))}]"), "gives a spec named b'odd'; a name is"),
    "huge": (hook(f"return [{spec(name='chr(97) * 10_000')}]"), "gives a spec named 'aaaaa"),
    "control": (hook(f"return [{spec(name=repr(chr(27) + '[2J'))}]"), "gives a spec named '\\x1b[2J'; a name is"),
    "lone": (hook(f"return [{spec(name=repr(chr(0xDCFC)))}]"), "gives a spec named '\\udcfc'; a name is"),
    "path": (hook(f"return [{spec(name=repr('../../up'))}]"), "gives a spec named '../../up'; a name is"),
    "option": (hook(f"return [{spec(name=repr('--out'))}]"), "gives a spec named '--out'; a name is"),
    "twice": (hook(f"return [{spec()}, {spec()}]"), "dfo_prompt_optimizers() gives 'odd' twice"),
    "no_target": (
        hook(f"return [{spec(target=repr('fakes'))}]"),
        "gives 'odd' the target 'fakes'; write 'package.module:attr",
    ),
    "no_summary": (
        hook("return [dp.Spec(name='odd', target='a:b', summary=None)]", "commands"),
        "dfo_prompt_commands() gives 'odd' with summary None, which is no str",
    ),
    "no_table": (hook(f"return [{spec(options=3)}]"), "gives 'odd' with options 3, which is no Mapping"),
    "two_lines": (hook(f"return [{spec(summary=repr('a' + chr(10) + 'b'))}]"), "which is no line of at most 500 characters"),
    "ignores": (hook(f"return [{spec(ignores=repr('sigma'))}]"), "gives 'odd' with ignores 'sigma', which is no tuple"),
    "ignored": (hook(f"return [{spec(ignores=repr((3,)))}]"), "gives 'odd' with ignores 3, which is none of x0,"),
    "setting": (
        hook(f"return [{spec(ignores=repr(('popsiz',)))}]"),
        "gives 'odd' with ignores 'popsiz', which is none of x0, sigma, bounds, popsize",
    ),
    "adapted": (hook(f"return [{spec(adapts=repr({'sigm': 'x'}))}]"), "gives 'odd' with adapts 'sigm', which is none of x0"),
    "no_text": (hook(f"return [{spec(adapts=repr({'sigma': None}))}]"), "gives 'odd' with adapts None, which is no line of"),
    "classes": (
        hook("return [dp.MetricSpec(name='odd', target='a:b', summary='Odd.', classes='two')]", "metrics"),
        "gives 'odd' with classes 'two', which is no int | None",
    ),
    "missing": (None, "ModuleNotFoundError: No module named 'attack_missing'"),
}
"""What a plugin does, and what is said of it."""
METADATA = {
    "nameless": ("Version: 1\n", "its distribution has no name; install it again"),
    "versionless": ("Name: versionless\n", "its distribution has no version; install it again"),
    "bare": ("", "its distribution has no name and version; install it again"),
    "binary": (b"Name: \xff\xfe\nVersion: 1\n", "its distribution has no name and version; install it again"),
}


def install(site: Path, name: str, code: str | None, metadata: str | bytes | None = None) -> None:
    if code is not None:
        (site / f"attack_{name}.py").write_text(code.replace("NAME", name), encoding="utf-8")
    info = site / f"attack_{name}-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(f"[dfo_prompt]\n{name} = attack_{name}\n")
    said = f"Metadata-Version: 2.1\nName: attack-{name}\nVersion: 1.0\n" if metadata is None else metadata
    (info / "METADATA").write_bytes(said.encode() if isinstance(said, str) else said)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """Calls `dfo-prompt` where all attacks are installed at once."""
    site, here = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("here")
    for name, (code, _) in {**WORKS, **FAILS}.items():
        install(site, name, code)
    for name, (metadata, _) in METADATA.items():
        install(site, name, GOOD, metadata)
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(site)])}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dfo_prompt", *arguments]
        return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)

    return call


@pytest.fixture(scope="module")
def plugins(attacked):
    done = attacked("list", "plugins", "--json")
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAILS)
def test_a_plugin_that_fails_is_named_with_its_error(plugins, name):
    assert FAILS[name][1] in plugins[name]["state"]
    assert len(plugins[name]["state"]) < 600
    assert plugins[name]["gives"] == "nothing"


@pytest.mark.slow
@pytest.mark.parametrize("name", METADATA)
def test_a_plugin_with_bad_metadata_is_named(plugins, name):
    assert plugins[name]["state"] == METADATA[name][1]


def test_entry_points_that_cannot_be_read_are_told(tmp_path, monkeypatch):
    install(tmp_path, "unread", GOOD)
    (tmp_path / "attack_unread-1.0.dist-info" / "entry_points.txt").write_bytes(b"[dfo_prompt]\nx = \xff")
    monkeypatch.syspath_prepend(tmp_path)
    errors = {point.name: point.error for point in installed_points()}
    assert errors["attack-unread"].startswith("entry points: UnicodeDecodeError")


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_what_an_import_does_besides_is_told_and_undone(plugins, name):
    assert plugins[name]["state"] == "works"
    assert plugins[name].get("note", "") == WORKS[name][1]
    assert plugins[name]["gives"] == ("nothing" if name == "empty" else ["1 optimizer"])


@pytest.mark.slow
def test_the_rest_goes_on(attacked):
    done = attacked("list", "optimizers", "--json")
    names = {row["name"] for row in json.loads(done.stdout)}
    assert {"cma", *(f"{name}:good" for name in WORKS if name != "empty")} <= names
    assert not {"odd", "unmarked:good"} & names
    done = attacked("--help")
    assert (done.returncode, "quickstart" in done.stdout) == (0, True)
    done = attacked("run", "--objective", "sphere", "--optimizer", "chdir:good", "--dim", "3", "--budget", "9", "--out", "s")
    assert done.returncode == 0, done.stderr
    assert json.loads(attacked("show", "s", "--json").stdout)["spent"]["queries"] == 9


@pytest.mark.slow
def test_suites_go_on_beside_them(attacked, tmp_path):
    suite = 'name = "s"\nseeds = [1]\noptimizers = ["print:good", "chdir:good"]\n'
    suite += '[study]\nobjective = "sphere"\ndim = 2\nbudget = 6\n'
    (tmp_path / "suite.toml").write_text(suite)
    done = attacked("suite", "run", str(tmp_path / "suite.toml"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "2 studies; 2 finished" in attacked("suite", "status", str(tmp_path / "out")).stdout
