"""Runs a suite from Python, as `dfo-prompt suite run` does, and returns its comparison."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

from dfo_prompt.api.paths import path_of
from dfo_prompt.api.progress import suite_progress
from dfo_prompt.api.suites import SuiteResult, require_report, result_of
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.suite.executor import PROCESSES
from dfo_prompt.suite.plan import slug
from dfo_prompt.suite.reading import read_suite_file, suite_of
from dfo_prompt.suite.run import run_suite as run


def run_suite(
    suite: Path | str | Mapping[str, Any],
    *,
    out: Path | str | None = None,
    jobs: int | None = None,
    plugins: Sequence[Path | str] = (),
    model: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    executor: str = PROCESSES,
    progress: bool | None = None,
) -> SuiteResult:
    """Run or continue the studies of a suite in separate processes, and compare them.

    Args:
        suite: path of a SUITE.toml, or a table with its keys, whose paths are relative to the working directory.
        out: suite folder, below runs/ by default; the same call continues it.
        jobs: number of parallel studies, one by default.
        plugins: Python files with plugins that the suite uses.
        model: model of all studies, in place of the suite's; also applies [variants.MODEL].
        overrides: keys of a study that win over those of the suite.
        executor: a name that `dfo-prompt list executors` shows.
        progress: True to show progress, False to hide it; by default shown on a terminal and in a notebook.

    Raises:
        InputError: the suite is invalid, `out` holds something else, or the report extra is missing.
        StudyError: no study has a result, or the folder cannot be written.
    """
    if not isinstance(suite, str | PathLike | Mapping):
        raise InputError(f"run_suite(): the suite must be the path of a file or a dict with its keys, not {suite!r:.40}")
    if jobs is not None and (not isinstance(jobs, Integral) or jobs < 1):
        raise InputError(f"run_suite(): jobs must be an integer of at least 1, not {jobs!r:.40}")
    if isinstance(plugins, str | PathLike) or not isinstance(plugins, Iterable):
        raise InputError(f"run_suite(): plugins must be a list of files, not {plugins!r:.40}")
    place = path_of(out, "out", where="run_suite()")
    require_report()
    with plugin_files(*map(Path, plugins)), suite_progress(progress) as watch:
        if isinstance(suite, Mapping):
            crossed = suite_of(suite, where="run_suite()", base=Path.cwd(), overrides=overrides, model=model)
        else:
            crossed = read_suite_file(Path(suite), overrides, model=model)
        folder = place or Path("runs") / slug(crossed.settings.name)
        errors = run(crossed, folder, jobs=jobs, executor=executor, watch=watch)
        return result_of(folder, errors)
