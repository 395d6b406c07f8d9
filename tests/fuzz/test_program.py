"""For any arguments, TOML file or change to a folder, the program succeeds or prints one line."""

import shutil
from contextlib import suppress

import pytest
from fuzz.outcome import bitten, check, empty_folder, odd, texts, toml, values
from hypothesis import given
from hypothesis import strategies as st

from dfo_prompt.cli import main
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import DfoPromptError
from dfo_prompt.suite.config import SuiteConfig
from dfo_prompt.suite.reading import read_suite_file

pytestmark = [pytest.mark.timeout(6 * 3600), pytest.mark.slow]  # of the nightly lane

SMALL = ("--objective", "sphere", "--dim", "3", "--budget", "8")
KEYS, SUITE_KEYS = (sorted(kind.__dataclass_fields__) for kind in (StudyConfig, SuiteConfig))
WORDS = st.one_of(texts, odd, st.sampled_from(["-1", "0", "3", "0.5", "cma", "random", "s", "file.toml", "sphere", "true"]))
FLAGS = (
    "--optimizer",
    "--seed",
    "--popsize",
    "--sigma",
    "--bounds",
    "--validate-every",
    "--preset",
    "--out",
    "--json",
    "--shots",
)
COMMANDS = (("show",), ("predict",), ("export",), ("list",), ("suite", "status"), ("suite", "report"), ("suite", "run"))
SETTINGS = st.builds(
    lambda key, value: f"{key}={value}",
    st.one_of(st.sampled_from([key for key in KEYS if key not in ("budget", "dim", "objective", "method")]), texts, odd),
    st.one_of(values.map(toml), texts, odd),
)
STUDY = 'objective = "sphere"\ndim = 3\nbudget = 8\npopsize = 4\noptimizer = "cma"\nsigma = 0.5\nbounds = [-5, 5]\n'
SUITE = (
    'name = "s"\nseeds = [1, 2]\noptimizers = ["cma", { name = "r", optimizer = "random" }]\n'
    '[study]\nobjective = "sphere"\ndim = 3\nbudget = 8\n[cross]\n"objective_options.noise" = [0.0, 0.5]\n'
)


@given(st.lists(st.one_of(WORDS, st.sampled_from(FLAGS)), max_size=6), st.sampled_from(COMMANDS))
def test_command_lines(words, command):
    with empty_folder():
        check(*command, *words)


@given(st.lists(st.tuples(st.sampled_from(FLAGS), WORDS), max_size=3), st.lists(SETTINGS, max_size=3))
def test_flags_and_settings_of_a_study(flags, settings):
    with empty_folder():
        given_flags = [word for pair in flags for word in pair]
        check("run", *given_flags, *(word for setting in settings for word in ("--set", setting)), *SMALL)


@given(st.dictionaries(st.one_of(st.sampled_from(KEYS), texts), values, max_size=4))
def test_values_in_a_study_file(study):
    with empty_folder() as folder:
        (folder / "study.toml").write_bytes(_lines(study).encode(errors="surrogateescape"))
        check("run", "study.toml", *SMALL)


@given(st.data())
def test_bytes_of_a_study_file(data):
    with empty_folder() as folder:
        (folder / "study.toml").write_bytes(bitten(data, STUDY.encode()))
        check("run", "study.toml", *SMALL)


@given(
    st.dictionaries(st.one_of(st.sampled_from(sorted(SuiteConfig.__dataclass_fields__)), texts), values, max_size=3),
    st.data(),
)
def test_suite_files(suite, data):
    with empty_folder() as folder:
        text = data.draw(st.sampled_from([_lines(suite).encode(errors="surrogateescape"), bitten(data, SUITE.encode())]))
        (folder / "suite.toml").write_bytes(text)
        with suppress(DfoPromptError):
            read_suite_file(folder / "suite.toml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished study and a finished suite."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(["run", *SMALL, "--out", "s"])
        (folder / "suite.toml").write_text(SUITE)
        main(["suite", "run", "suite.toml", "--out", "all"])
    return folder


@given(data=st.data())
def test_damaged_study_folders(finished, data):
    with empty_folder() as folder:
        shutil.copytree(finished / "s", folder / "s")
        files = sorted(file for file in (folder / "s").iterdir() if file.name != ".lock")
        file = data.draw(st.sampled_from(files), label="file")
        file.write_bytes(bitten(data, file.read_bytes()))
        if data.draw(st.booleans(), label="without a result"):
            (folder / "s/result.json").unlink()
        for command in (("show", "s", "--json"), ("show", "s"), ("predict", "s", "text"), ("run", *SMALL, "--out", "s")):
            check(*command)


@given(data=st.data())
def test_damaged_suite_folders(finished, data):
    with empty_folder() as folder:
        shutil.copytree(finished / "all", folder / "all")
        file = folder / "all" / data.draw(st.sampled_from(["suite.json", "errors.json"]))
        file.write_bytes(bitten(data, file.read_bytes() if file.exists() else b"{}\n"))
        check("suite", "status", "all")


def _lines(table: dict[str, object]) -> str:
    return "\n".join(f"{toml(key) if not key.isidentifier() else key} = {toml(value)}" for key, value in table.items())
