import json
import os
from dataclasses import asdict

import pytest

from dfo_prompt.commands import registry_probe as trials
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue, plugin_files

REGISTRY = """
import os, time
import dfo_prompt as dp
from dfo_prompt.optimizers.random_search import RandomSearch

class Odd(RandomSearch):
    def __init__(self, *, variant, **study):
        super().__init__(**study)
        if variant == "raises":
            raise RuntimeError("no luck")
        if variant == "lacks":
            import a_package_nobody_has
        self.variant = variant

    def ask(self):
        if self.variant == "hangs":
            time.sleep(600)
        if self.variant == "dies":
            os._exit(3)
        return super().ask()

    def describe(self):
        return {"resolved": "random search"}

def variants():
    return ["dies", "good", "hangs", "lacks", "raises"]

@dp.hookimpl
def dfo_prompt_optimizers():
    return [dp.OptimizerSpec(name="odd:*", target="odd:Odd", variants="odd:variants", summary="Odd.")]
"""


@pytest.fixture
def registry(tmp_path, monkeypatch):
    (tmp_path / "odd.py").write_text(REGISTRY)
    monkeypatch.setenv("DFO_PROMPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trials, "SECONDS", 3)
    with plugin_files(tmp_path / "odd.py"):
        yield catalogue().optimizers.find("odd:*")


@pytest.mark.slow
def test_every_name_is_tried_and_the_rest_goes_on(registry):
    found = {trial.name: (trial.state, trial.note) for trial in trials.try_registry(registry)}
    assert found == {
        "odd:dies": ("fails", "ends the process"),
        "odd:good": ("works", "random search"),
        "odd:hangs": ("slow", "no end within 3 seconds"),
        "odd:lacks": ("missing", "ModuleNotFoundError: No module named 'a_package_nobody_has'"),
        "odd:raises": ("fails", "RuntimeError: no luck"),
    }


@pytest.mark.slow
def test_what_was_found_is_remembered(registry, monkeypatch):
    first = list(trials.try_registry(registry))
    monkeypatch.setattr(trials, "_try_each", lambda names: pytest.fail("tried again"))
    assert list(trials.try_registry(registry)) == first


def test_what_was_found_is_forgotten_when_the_file_changes(registry, monkeypatch, tmp_path):
    before = trials._fingerprint()
    (tmp_path / "odd.py").write_text(REGISTRY + "# and more\n")
    assert trials._fingerprint() != before


def test_a_process_that_ends_at_once_is_one_line(registry, monkeypatch):
    monkeypatch.setattr(trials, "_work", os._exit)
    monkeypatch.setattr(trials, "given_files", lambda: ())
    with pytest.raises(InputError, match="a process to try optimizers in does not start"):
        list(trials._try_each(["odd:good"]))


def test_a_name_alone_is_no_registry():
    with pytest.raises(InputError, match="'cma' has no registry"):
        trials.names_of(catalogue().optimizers.find("cma"))


def test_only_optimizers_have_registries(program):
    assert program("list", "tasks", "--registry", "nevergrad")[0] == 2


@pytest.mark.slow
def test_the_program_lists_them(registry, program, tmp_path):
    plugin = str(tmp_path / "odd.py")
    status, said, noted = program("--plugin", plugin, "list", "optimizers", "--registry", "odd", "--json")
    assert status == 0
    assert json.loads(said) == [asdict(trial) for trial in trials.try_registry(registry)]
    assert "2 fails, 1 works, 1 slow, 1 missing" in noted
