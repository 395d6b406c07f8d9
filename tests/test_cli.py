import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dfo_prompt.cli import main
from dfo_prompt.commands import quickstart
from dfo_prompt.commands.list import LISTED
from dfo_prompt.commands.quickstart import SETTINGS
from dfo_prompt.config.reading import parse_config

SPHERE = ("run", "--objective", "sphere", "--dim", "5", "--budget", "203", "--out", "s")


def test_run_show_and_run_again(program, tmp_path):
    status, out, err = program(*SPHERE)
    assert (status, "203 of 203" in out) == (0, True)
    assert "203/203 queries" in err
    status, out, _ = program("show", "s", "--json")
    shown = json.loads(out)
    assert (shown["spent"]["queries"], shown["budget"]) == (203, 203)
    assert (shown["optimizer"], shown["stop_reason"]) == ("cma", "budget")
    journal = (tmp_path / "s" / "journal.jsonl").read_bytes()
    assert journal.count(b"\n") == 203
    assert program(*SPHERE)[0] == 0
    assert (tmp_path / "s" / "journal.jsonl").read_bytes() == journal


def test_two_runs_with_one_seed_give_the_same_journal(program, tmp_path):
    program(*SPHERE[:-1], "a")
    program(*SPHERE[:-1], "b")
    program(*SPHERE[:-1], "c", "--seed", "1")
    a, b, c = ((tmp_path / name / "journal.jsonl").read_bytes() for name in "abc")
    assert a == b != c


def test_a_study_file_and_settings(program, tmp_path):
    (tmp_path / "study.toml").write_text('objective = "sphere"\ndim = 4\nbudget = 30\nseed = 7\n')
    status, _, _ = program("run", "study.toml", "--budget", "40", "--set", "popsize=8", "--out", "t")
    config = json.loads((tmp_path / "t" / "manifest.json").read_text())["config"]
    assert status == 0
    assert (config["budget"], config["seed"], config["popsize"]) == (40, 7, 8)


def test_an_unfinished_study_is_shown(program, tmp_path):
    program(*SPHERE)
    (tmp_path / "s" / "result.json").unlink()
    status, out, _ = program("show", "s")
    assert (status, "unfinished" in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--objective", "sphere", "--optimizer", "cna"), "did you mean 'cma'?"),
        (("run", "--objective", "spere"), "did you mean 'sphere'?"),
        (("run", "--objective", "sphere", "--budget", "0"), "budget: "),
        (("run", "--objective", "sphere", "--budget", "-3"), "budget: "),
        (("run", "--objective", "sphere", "--budget", "many"), "'many' is not a valid integer"),
        (("run", "--objective", "sphere", "--bugdet", "3"), "No such option"),
        (("run", "--objective", "sphere", "--set", "novalue"), "write KEY=VALUE"),
        (("run", "--objective", "sphere", "--set", "objective.nothing=1"), "unknown option of objective 'sphere'"),
        (("run", "missing.toml"), "cannot read missing.toml"),
        (("run", "--task", "bbc-headline"), "did you mean 'bbc-headlines'?"),
        (("run", "--objective", "sphere", "--model", "m"), "objective 'sphere' has no problem"),
        (("show", "nowhere"), "is not a study folder"),
        (("predict", "nowhere", "text"), "is not a study folder"),
        (("lst",), "did you mean 'list'?"),
        (("--plugin", "missing.py", "list", "tasks"), "no such Python file"),
    ],
)
def test_bad_input_is_one_line_and_status_2(program, arguments, message):
    status, _, err = program(*arguments)
    assert status == 2
    assert message in err
    *before, error = err.splitlines()
    assert error.startswith("error: ")
    assert len(before) <= 1  # a study whose settings are well-formed says first what it is about to do
    assert not any("rror" in line for line in before)


@pytest.mark.parametrize("kind", [kind for kind in LISTED if kind != "observers"])  # of these there may be none
def test_lists_are_text_and_json(program, kind):
    status, text, _ = program("list", kind)
    rows = json.loads(program("list", kind, "--json")[1])
    assert status == 0
    assert rows
    names = [row["name"] for row in rows]
    first = [line.split("  ")[0] for line in text.splitlines() if line and not line.startswith(" ")]
    assert sorted(name for name in first if name in names) == sorted(names)  # the others are headings of families
    assert all(re.fullmatch(r"others|[\w.-]+ \(\d+\)", name) for name in first if name not in names)


def test_a_command_of_a_plugin_file_runs_and_ends_with_its_own_status(program, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import click\nimport dfo_prompt as dp\nfrom dfo_prompt.contracts.spec import Spec\n"
        "@click.command()\n@click.pass_context\n"
        "def check(ctx):\n    click.echo('checked')\n    ctx.exit(3)\n"
        "@dp.hookimpl\ndef dfo_prompt_commands():\n"
        "    return [Spec(name='check', target='mine:check', summary='Checks.')]\n"
    )
    status, said, _ = program("--plugin", str(tmp_path / "mine.py"), "check")
    assert (status, said) == (3, "checked\n")


@pytest.mark.parametrize(("where", "status"), [("objective", 2), ("command", 0)])
def test_an_exit_in_code_of_a_plugin_is_no_success_but_of_its_own_command(program, tmp_path, where, status):
    (tmp_path / "mine.py").write_text(
        "import sys\nimport click\nimport dfo_prompt as dp\n"
        "class Bowl:\n    dim = 3\n    def evaluate(self, candidates):\n        sys.exit(0)\n"
        "@click.command()\ndef command():\n    sys.exit(0)\n"
        "@dp.hookimpl\ndef dfo_prompt_objectives():\n"
        "    return [dp.Spec(name='objective', target='mine:build', summary='Exits.')]\n"
        "def build(*, dim, seed):\n    return Bowl()\n"
        "@dp.hookimpl\ndef dfo_prompt_commands():\n"
        "    return [dp.Spec(name='command', target='mine:command', summary='Exits.')]\n"
    )
    arguments = ("run", "--objective", "objective", "--dim", "3", "--out", "s") if where == "objective" else ("command",)
    found, _, err = program("--plugin", "mine.py", *arguments)
    assert found == status
    assert ("sys.exit(0)" in err) == bool(status)


@pytest.mark.parametrize("kind", ["optimizers", "plugins"])
def test_listing_imports_nothing_heavy(kind):
    code = (
        "import sys; from dfo_prompt.cli import main\n"
        f"try: main(['list', '{kind}'])\n"
        "except SystemExit: pass\n"
        "names = 'numpy pydantic torch transformers cma nevergrad pymoo matplotlib scipy pandas rich'\n"
        "heavy = set(names.split()) & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


INTERRUPT = "import os, signal, sys\nos.kill(os.getpid(), signal.SIGINT)\n"
REAL = "sys.path.remove({folder!r}); del sys.modules[{name!r}]; import {name}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("click", REAL),  # before anything of the program has begun
        ("pluggy", REAL),
        ("numpy", "raise ImportError('multiarray')"),
        ("numpy", "raise SystemError('no result')"),
    ],
)
def test_an_interrupt_while_libraries_are_imported_is_one_line(tmp_path, name, after):
    code = (
        "try:\n    "
        + INTERRUPT.replace("\n", "\n    ")
        + f"pass\nfinally:\n    {after.format(folder=str(tmp_path), name=name)}"
    )
    (tmp_path / f"{name}.py").write_text(code)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "dfo_prompt", "run", "--objective", "sphere"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "interrupted; the same command goes on from here\n")


def test_predict_needs_a_tuned_prompt(program):
    program(*SPHERE)
    status, _, err = program("predict", "s", "some text")
    assert (status, "tunes no prompt" in err) == (2, True)


def test_texts_that_cannot_be_decoded_are_one_line(program, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("gr\xfcn".encode("latin-1")), encoding="utf-8"))
    status, _, err = program("predict", "s")
    assert (status, err) == (2, "error: standard input is not utf-8: invalid start byte\n")


def test_a_text_of_bytes_that_are_no_text_is_one_line(program):
    status, _, err = program("predict", "s", "fine", b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert (status, err) == (2, "error: text 2 holds bytes that are not UTF-8: caf\\udce9\n")


def test_a_text_that_begins_with_a_dash_gets_advice(program):
    status, _, err = program("predict", "s", "-5 degrees")
    assert (status, err) == (2, "error: No such option '-5'. Write -- ahead of an argument that begins with -.\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_labels_on_any_screen(program, monkeypatch, tiny_folder, tiny_task, encoding):
    options = [
        "--model",
        str(tiny_folder),
        "--task",
        str(tiny_task),
        "--shots",
        "2",
        "--prompt-tokens",
        "2",
        "--dtype",
        "float32",
    ]
    status, _, err = program("run", *options, "--dim", "2", "--budget", "6", "--popsize", "3", "--out", "s")
    assert status == 0, err
    rows = json.loads(Path("s/manifest.json").read_text())["objective"]["rows"]["train"]
    assert f"task films: train on {rows['read']} of 60 rows of films.csv" in err.splitlines()[1]
    found = []
    for mark in ("", "\ufeff"):
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{mark}film \u98df \U0001f600\r\n".encode()), "utf-8"))
        main(["predict", "s", "--json"])
        found.append(json.loads(out.buffer.getvalue().decode(encoding)))
    assert found[0] == found[1]
    assert found[0]["text"] == "film \u98df \U0001f600"


def test_what_cannot_be_written_is_one_line(program, tmp_path):
    (tmp_path / "file").touch()
    status, _, err = program("new-plugin", "mine", "--out", "file/below")
    assert status == 2
    assert "Not a directory" in err
    assert err.count("\n") == 1


def test_without_a_command_there_is_help(program):
    status, _, err = program()
    assert status == 2
    assert err.startswith("Usage: ")
    assert err.count("\n") > 5


def test_quickstart_does_not_pass_off_old_figures_as_new(program, tmp_path):
    (tmp_path / "q" / "cma").mkdir(parents=True)
    config = parse_config({**SETTINGS, "optimizer": "cma"}).as_dict()
    (tmp_path / "q" / "cma" / "manifest.json").write_text(json.dumps({"config": config, "objective": {}}))
    status, _, err = program("quickstart", "--out", "q", "--seed", "7")
    assert status == 2
    assert "q/cma holds another study: seed is 1 there and 7 here" in err


def test_quickstart_looks_for_its_extra_before_it_runs(program, monkeypatch):
    monkeypatch.setitem(sys.modules, "dfo_prompt.report.pictures.render", None)
    monkeypatch.setattr(quickstart, "_run_unfinished", lambda *_: pytest.fail("it ran"))
    status, out, err = program("quickstart")
    assert (status, out) == (2, "")
    assert err.startswith("error: quickstart needs an extra: pip install 'dfo-prompt[report]'")


def test_help_names_every_command(program):
    status, out, _ = program("--help")
    assert status == 0
    assert all(name in out for name in ("quickstart", "run", "show", "predict", "list"))
