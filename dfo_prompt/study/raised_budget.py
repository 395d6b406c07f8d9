"""Continuation of a study with a raised budget: the check of its folder, and the changes to it.

The journal is kept. The final evaluations of the answer on train, dev and test are dropped and repeated at the new end; the
second account counts them as repeated.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfo_prompt._util.durable import replacing, writing
from dfo_prompt._util.json_files import write_json
from dfo_prompt._util.parsing import plain_copy
from dfo_prompt.config.paths import portable
from dfo_prompt.errors import InputError
from dfo_prompt.study.identity import MANIFEST, check_parts, is_study, read_manifest
from dfo_prompt.study.journal import encode, read_lines
from dfo_prompt.study.records import FILES, Account
from dfo_prompt.study.saved import discard_result

BUDGETS = "budgets"
"""The manifest key for all budgets of a study, the current one last; absent if the budget never changed."""


def earlier_budgets(manifest: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the budgets that a study had before its current one."""
    budgets = manifest.get(BUDGETS)
    return tuple(item for item in budgets[:-1] if isinstance(item, int)) if isinstance(budgets, list) else ()


def raises_budget(path: Path, manifest: Mapping[str, Any]) -> bool:
    """Tell whether `manifest` only raises the budget of the study in `path`, with nothing else changed."""
    if not is_study(path):
        return False
    stored, budget = read_manifest(path), manifest["config"]["budget"]
    old = stored["config"].get("budget")
    if not isinstance(old, int) or old >= budget:
        return False
    try:
        check_parts(path, {**stored, "config": {**stored["config"], "budget": budget}}, manifest)
    except InputError:
        return False  # another study; opening the folder reports the difference
    return True


def write_raised_budget(path: Path, manifest: Mapping[str, Any], *, cut: bool) -> None:
    """Prepare the study in `path`, finished or not, to continue with the budget of `manifest`.

    With `cut`, the smaller budget cut the last batch, so the evaluations on dev after it are repeated after the whole batch.

    Raises:
        StudyError: a file cannot be written, or is damaged.
    """
    stored, budget = read_manifest(path), manifest["config"]["budget"]
    discard_result(path)
    with writing(path):
        _forget_the_end(path / FILES[Account.VALIDATION], cut_at=stored["config"]["budget"] if cut else None)
        config = portable(plain_copy(manifest["config"]), path)
        budgets = [*earlier_budgets(stored), stored["config"]["budget"], budget]
        write_json(path / MANIFEST, {**stored, "config": config, BUDGETS: budgets})


def _forget_the_end(journal: Path, *, cut_at: int | None) -> None:
    """Drop the final evaluations, which start with the only one on train, and those after a batch that was cut."""
    lines = read_lines(journal)
    ends = (i for i, line in enumerate(lines) if line.get("split") == "train" or line.get("query", 0) == cut_at)
    kept = next(ends, len(lines))
    if kept < len(lines):
        with replacing(journal) as file:
            file.write(encode(lines[:kept]))
