"""The files for contributors: citation, hooks, public CI and the list of what tests need."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import dfo_prompt

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOLS = {"ruff check", "ruff format", "mypy", "lint-imports"}


def read(file: str) -> dict:
    return yaml.safe_load((ROOT / file).read_text())


def steps(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_citation_names_this_version_and_both_papers():
    citation = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["title"], citation["version"]) == (PROJECT["project"]["name"], dfo_prompt.__version__)
    assert citation["license"] == PROJECT["project"]["license"]
    assert citation["authors"] == [{"name": "The dfo-prompt developers"}]
    papers = citation["references"]
    assert [(paper["year"], paper["identifiers"][0]["value"]) for paper in papers] == [
        (2022, "arXiv:2201.03514"),
        (2022, "arXiv:2205.11200"),
    ]
    assert all({"type", "title", "authors", "collection-title"} <= set(paper) for paper in papers)


def test_hooks_and_ci_run_the_same_tools():
    (local,) = read(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    assert {hook["entry"] for hook in local["hooks"]} == TOOLS
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    script = (ROOT / ".ci/run").read_text()
    assert all(re.search(rf"^{tool}\b", script, flags=re.M) for tool in TOOLS)


def test_public_ci_runs_everything_on_linux_and_the_fast_lane_elsewhere():
    jobs = read(".github/workflows/ci.yml")["jobs"]
    assert steps(jobs["whole"]) == ["bash .ci/run"]
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert all(jobs[name]["strategy"]["matrix"]["python"][0] == oldest for name in ("whole", "fast"))
    assert set(jobs["fast"]["strategy"]["matrix"]["os"]) == {"macos-latest", "windows-latest"}
    assert "--hypothesis-profile nightly" in steps(jobs["nightly"])[-1]
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(action.startswith("actions/") for action in used)


def test_one_command_is_the_fast_lane():
    lane = 'python -m pytest -m "not slow" -n 2'
    jobs = read(".github/workflows/ci.yml")["jobs"]
    assert all(steps(jobs[name])[-1].startswith(lane) for name in ("fast", "coverage"))
    assert lane in (ROOT / "docs/pages/contributing.md").read_text()


def test_coverage_has_a_floor_that_ci_applies():
    assert PROJECT["tool"]["coverage"]["report"]["fail_under"] >= 80
    command = steps(read(".github/workflows/ci.yml")["jobs"]["coverage"])[-1]
    assert " --cov " in command
    assert "--cov-fail-under" not in command  # which would replace it


@pytest.mark.parametrize("named", PROJECT["project"]["optional-dependencies"]["test"][1:])
def test_what_tests_need_is_pinned(named):
    name = re.match(r"[\w-]+", named)[0]
    pins = (ROOT / "constraints.txt").read_text()
    assert re.search(rf"^{re.sub('[-_]', '[-_.]', name)}==", pins, flags=re.M | re.I)
