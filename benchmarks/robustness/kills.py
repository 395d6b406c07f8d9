"""Kills studies and suites at random moments, continues them, and compares the results with uninterrupted runs.

python benchmarks/robustness/kills.py --kills 1000

Single studies are killed in forked processes that have imported everything, at a random file operation or a random time, one
to six times each, and then run to the end. One kill in twenty is one of a whole suite, or of one of its workers.
"""

import argparse
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from time import monotonic

import numpy as np
from broken import (
    OPTIMIZERS,
    STUDY,
    differences,
    ended,
    fork,
    phase_of,
    random_phase,
    run_here,
    seconds_of,
    study_of,
    wait_at_most,
    workshop,
)

from dfo_prompt.suite.plan import Suite
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import run_suite

EVENTS = 120
"""The approximate number of file operations of a study."""
SUITE = """
name = "killed"
seeds = [1]
threads = 1
optimizers = ["cma", "random"]
[study]
plugin = "held_out_plugin.py"
"""


def kill_studies(folder: Path, kills: int, rng: np.random.Generator, counts: Counter[str]) -> list[str]:
    """Kill single studies `kills` times in all; return the differences from uninterrupted runs."""
    found, number = [], 0
    configs = {name: study_of(folder, name) for name in OPTIMIZERS}
    seconds = {}
    for name in OPTIMIZERS:
        run_here(configs[name], folder / f"here-{name}")  # forked processes import nothing any more
        seconds[name] = seconds_of(lambda: run_here(configs[name], folder / f"whole-{name}"))  # noqa: B023
    while kills > 0:
        name = str(rng.choice(OPTIMIZERS))
        number += 1
        broken = folder / f"broken-{number}"
        for _ in range(min(kills, int(rng.integers(1, 7)))):
            kills -= _kill_one(lambda: run_here(configs[name], broken), broken, rng, seconds[name], counts)  # noqa: B023
        if status := ended(fork(lambda: run_here(configs[name], broken))):  # noqa: B023
            found.append(f"{broken.name} ({name}) does not go on: status {status}")
        else:
            found += [
                f"{broken.name} ({name}): {difference}" for difference in differences(broken, folder / f"whole-{name}")
            ]
    counts["studies"] += number
    return found


def _kill_one(work, broken: Path, rng: np.random.Generator, seconds: float, counts: Counter[str]) -> int:
    """Kill the study once, unless it ends before; return how often it was killed."""
    if rng.random() < 0.7:
        watch = random_phase(rng, events=EVENTS)
        pid = fork(lambda: (watch(), work()))
    else:
        pid = fork(work)
        wait_at_most(pid, rng.uniform(0, seconds))
        os.kill(pid, signal.SIGKILL)
    if ended(pid) != -signal.SIGKILL:
        return 0
    counts[f"killed at {phase_of(broken)}" if broken.exists() else "killed at start-up"] += 1
    return 1


def kill_suites(folder: Path, kills: int, rng: np.random.Generator, counts: Counter[str]) -> list[str]:
    """Kill suites or their workers `kills` times in all; return the differences from an uninterrupted suite."""
    keys = "\n".join(f"{key} = {value!r}" for key, value in STUDY.items())
    (folder / "suite.toml").write_text(SUITE + keys.replace("'", '"'))
    suite, found, number = read_suite_file(folder / "suite.toml"), [], 0
    seconds = seconds_of(lambda: run_suite(suite, folder / "whole-suite", jobs=2)) if kills else 0.0
    while kills > 0:
        number += 1
        broken = folder / f"broken-suite-{number}"
        for _ in range(min(kills, int(rng.integers(1, 5)))):
            kills -= _kill_suite(suite, broken, rng, seconds, counts)
        if status := ended(fork(lambda: _whole(suite, broken))):  # noqa: B023
            found.append(f"{broken.name} does not go on: status {status}")
            continue
        for plan in suite.plans:
            pair = (broken / "studies" / plan.id, folder / "whole-suite" / "studies" / plan.id)
            found += [f"{broken.name}/{plan.id}: {difference}" for difference in differences(*pair)]
    counts["suites"] += number
    return found


def _kill_suite(suite: Suite, broken: Path, rng: np.random.Generator, seconds: float, counts: Counter[str]) -> int:
    pid = fork(lambda: run_suite(suite, broken, jobs=2))
    wait_at_most(pid, rng.uniform(0.2, 1.0) * seconds)
    workers = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    victim, name = (int(rng.choice(workers)), "worker") if workers and rng.random() < 0.3 else (pid, "suite")
    os.kill(victim, signal.SIGKILL)
    status = ended(pid)
    if victim == pid and status != -signal.SIGKILL:
        return 0
    counts[f"killed a {name}"] += 1
    return 1


def _whole(suite: Suite, folder: Path) -> None:
    if errors := run_suite(suite, folder, jobs=2):
        raise RuntimeError(errors)


def main() -> None:
    """Kill, compare and print the counts; exit with 1 on any difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng, counts, began = np.random.default_rng(asked.seed), Counter[str](), monotonic()
    suites = asked.kills // 20
    with workshop() as folder:
        found = kill_studies(folder, asked.kills - suites, rng, counts) + kill_suites(folder, suites, rng, counts)
    for name, count in sorted(counts.items()):
        print(f"{count:6,}  {name}")  # noqa: T201
    print(f"{len(found):6,}  differences from unbroken runs, in {monotonic() - began:.0f} seconds")  # noqa: T201
    sys.exit("\n".join(found[:20]) if found else 0)


if __name__ == "__main__":
    main()
