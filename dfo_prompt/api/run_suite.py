"""Runs a suite from Python: what `dfo-prompt suite run` does, and what its report says."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dfo_prompt.api.progress import suite_progress
from dfo_prompt.api.suites import SuiteResult, require_report, result_of
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
    """Run, or continue, the studies of a suite, in processes of their own, and compare them.

    Args:
        suite: a SUITE.toml, or a table with its keys, whose paths are relative to the working directory.
        out: suite folder, below runs/ by default; the same call on it continues it.
        jobs: studies at a time, by default one.
        plugins: Python files whose plugins the suite uses.
        model: of all studies, instead of the suite's; takes its [variants.MODEL] with it.
        overrides: keys of a study that win over all that the suite says.
        executor: what runs the studies; see `dfo-prompt list executors`.
        progress: True shows it, False does not; by default on a terminal and in a notebook.

    Raises:
        InputError: something in the suite is wrong, `out` holds something else, or the extra of reports is missing.
        StudyError: no study has a result, or the folder cannot be written.
    """
    require_report()
    with plugin_files(*map(Path, plugins)), suite_progress(progress) as watch:
        if isinstance(suite, Mapping):
            crossed = suite_of(suite, where="run_suite()", base=Path.cwd(), overrides=overrides, model=model)
        else:
            crossed = read_suite_file(Path(suite), overrides, model=model)
        folder = Path(out) if out else Path("runs") / slug(crossed.settings.name)
        errors = run(crossed, folder, jobs=jobs, executor=executor, watch=watch)
        return result_of(folder, errors)
