import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import Bowl

import dfo_prompt
from dfo_prompt.config.reading import parse_config
from dfo_prompt.run.manifest import describe_run, manifest_of

PACKAGE = Path(dfo_prompt.__file__).parent
COMMIT = "from dfo_prompt.run.manifest import describe_run; print(describe_run({}, {}, {})['git_commit'])"
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")


def commit_of(folder, *files):
    """The commit of a new repository in `folder` with these files, and what a study run from there says."""
    subprocess.run([*GIT, "init", "-q"], cwd=folder, check=True)
    subprocess.run([*GIT, "add", *files], cwd=folder, check=True)
    subprocess.run([*GIT, "commit", "-qm", "all"], cwd=folder, check=True)
    head = subprocess.run([*GIT, "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True).stdout
    environment = {**os.environ, "PYTHONPATH": str(folder / "site")}
    command = [sys.executable, "-c", COMMIT]
    said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=environment).stdout
    return head.strip(), said.strip()


class Deep(Bowl):
    """An objective with a prompt in each of three layers, which must not be asked."""

    prompt_layers = 3

    def evaluate(self, candidates):
        raise AssertionError


@pytest.mark.parametrize(
    ("options", "key", "blocks"),
    [
        ({"optimizer": "blockwise:cma"}, "blocks", 2),  # the default
        ({"optimizer": "two-stage:blockwise:cma"}, "first_options.blocks", 2),
        ({"optimizer": "two-stage:blockwise:cma", "first_options": {"blocks": 24}}, "first_options.blocks", 24),
        ({"optimizer": "two-stage:cma", "second": "blockwise:cma"}, "second_options.blocks", 2),
        (
            {
                "optimizer": "two-stage:blockwise:cma",
                "first_options": {"blocks": 3},
                "second": "two-stage:cma",
                "second_options": {"second": "blockwise:cma", "second_options": {"blocks": 4}},
            },
            "second_options.second_options.blocks",
            4,
        ),
    ],
)
def test_blocks_that_do_not_fit_the_layers_are_refused_wherever_they_are_set(options, key, blocks):
    said = f"^optimizer '{options['optimizer']}': {blocks} blocks do not fit 3 layers, .*; set optimizer.{key} to 3, or"
    with pytest.raises(dfo_prompt.InputError, match=said):
        dfo_prompt.minimize(Deep(6), budget=20, **options)


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("two-stage:blockwise:cma", {"first_options": {"blocks": 3}, "second": "rembo:blockwise:cma"}),
        ("two-stage:cma", {"second": "blockwise:cma", "second_options": {"blocks": 1}}),
    ],
)
def test_blocks_that_fit_the_layers_or_split_a_subspace_pass(optimizer, options):
    data = {"objective": "sphere", "dim": 6, "budget": 20, "optimizer": optimizer, "optimizer_options": options}
    assert manifest_of(parse_config(data).resolved(), Deep(6))["config"]["optimizer_options"] == options


@pytest.mark.slow
def test_the_commit_is_that_of_the_repository_with_the_package_in_it(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "mine.txt").touch()
    subprocess.run(["cp", "-r", PACKAGE, tmp_path / "site"], check=True)
    assert commit_of(tmp_path, "mine.txt")[1] == "None"
    head, said = commit_of(tmp_path, "site")
    assert said == head


def test_versions_are_read_once_and_again_after_an_installation(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    before = describe_run({}, {}, {})["versions"]
    with monkeypatch.context() as patched:
        patched.setattr("dfo_prompt.run.manifest.version", lambda package: f"{package} was read")
        assert describe_run({}, {}, {})["versions"] == before
    installed = tmp_path / "late-1.5.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.5\n")
    (installed / "entry_points.txt").write_text("[dfo_prompt]\nlate = late\n")
    assert describe_run({}, {}, {})["versions"] == {**before, "late": "1.5"}
