"""Parsed dataclasses become the tables of `dataclasses.asdict`, whatever text and values they hold."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from dfo_prompt._util.parsing import parse, plain_copy, tables
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import UnknownNameError
from dfo_prompt.suite.config import SuiteConfig, SuiteSettings
from dfo_prompt.suite.plan import Plan, Suite

CONFIGS = [
    StudyConfig(),
    StudyConfig(dim=2, bounds=[float("-inf"), [1.0, 2.0]], x0=[0.0, 1.0], limits={"tokens": 3}, plugin=Path("a.py")),
    StudyConfig(optimizer="caf\udce9", objective_options={"\udce9": Path("\udce9"), "a": [1, {"b": (2, 3)}], "c": None}),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["defaults", "box", "surrogates"])
def test_a_configuration_becomes_tables(config):
    assert repr(tables(config)) == repr(asdict(config))
    plan = Plan(optimizer="a", problem="b", seed=1, config=config, queries=3)
    suite = Suite(settings=SuiteSettings(name="s"), plans=(plan,))
    assert repr(tables(suite)) == repr(asdict(suite))


def test_its_tables_can_be_changed_and_arrays_pass():
    config = StudyConfig(objective_options={"a": {"b": 1}, "z": np.arange(3)})
    data = tables(config)
    data["objective_options"]["a"]["b"] = 2
    assert config.objective_options["a"] == {"b": 1}
    assert data["objective_options"]["z"].tolist() == [0, 1, 2]


def test_a_plain_copy_is_what_json_reads_back_and_no_part_of_the_original():
    given = {"a": (1, [2.5]), "z": np.arange(3), "p": Path("q")}
    copy = plain_copy(given)
    assert copy == {"a": [1, [2.5]], "z": [0, 1, 2], "p": "file:q"}
    assert copy["a"][1] is not given["a"][1]
    with pytest.raises(TypeError, match="is no plain data"):
        plain_copy({"a": {1}})


def test_a_misspelt_key_of_a_list_of_tables_is_named_with_its_place():
    said = "unknown key of exclude.1 in s.toml: 'problm'; did you mean 'problem'? known: optimizer, problem"
    with pytest.raises(UnknownNameError) as failed:
        parse(SuiteConfig, {"name": "s", "exclude": [{"problem": "p"}, {"problm": "q"}]}, where="s.toml")
    assert str(failed.value) == said
