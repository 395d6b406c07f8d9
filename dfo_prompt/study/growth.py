"""A study goes on with a larger budget: which studies may, and what gives way in their folder.

The journal stays as it is. What the study scored when it ended, its answer on train, dev and test, is scored again at the
new end; the second account shows those evaluations as repeated.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfo_prompt._util.durable import replacing, writing
from dfo_prompt._util.json_files import write_json
from dfo_prompt.config.paths import portable
from dfo_prompt.contracts.spec import TEXT_FILE
from dfo_prompt.errors import InputError
from dfo_prompt.study.folder import check_parts, read_manifest
from dfo_prompt.study.journal import encode, read_lines
from dfo_prompt.study.records import FILES, Account

BUDGETS = "budgets"
"""Part of a manifest: the budgets that a study had, the last one's included. A study with a single one has none."""


def budgets_of(manifest: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the budgets that a study had before its present one."""
    found = manifest.get(BUDGETS)
    return tuple(item for item in found[:-1] if isinstance(item, int)) if isinstance(found, list) else ()


def has_grown(path: Path, manifest: Mapping[str, Any]) -> bool:
    """Tell whether the study in `path` is that of `manifest` but for a smaller budget."""
    if not (path / "manifest.json").exists():
        return False
    there, budget = read_manifest(path), manifest["config"]["budget"]
    old = there["config"].get("budget")
    if not isinstance(old, int) or old >= budget:
        return False
    try:
        check_parts(path, {**there, "config": {**there["config"], "budget": budget}}, manifest)
    except InputError:
        return False  # another study: said when the folder is opened
    return True


def enlarge(path: Path, manifest: Mapping[str, Any]) -> None:
    """Let the study in `path`, finished or not, go on with the budget of `manifest`.

    Raises:
        StudyError: a file cannot be written, or is damaged.
    """
    there, budget = read_manifest(path), manifest["config"]["budget"]
    with writing(path):
        for name in ("result.json", "candidates.npz", TEXT_FILE):
            (path / name).unlink(missing_ok=True)
        _forget_the_end(path / FILES[Account.VALIDATION])
        config = portable(json.loads(json.dumps(manifest["config"])), path)
        budgets = [*budgets_of(there), there["config"]["budget"], budget]
        write_json(path / "manifest.json", {**there, "config": config, BUDGETS: budgets})


def _forget_the_end(journal: Path) -> None:
    """Drop what was scored at the end: from the first evaluation on train on, which there is at no other time."""
    lines = read_lines(journal)
    kept = next((i for i, line in enumerate(lines) if line.get("split") == "train"), len(lines))
    if kept < len(lines):
        with replacing(journal) as file:
            file.write(encode(lines[:kept]))
