import pytest

from dfo_prompt.commands.settings import parse_settings, with_settings
from dfo_prompt.errors import InputError

SPHERE = ("--objective", "sphere", "--dim", "2")


def test_keys_of_flags_and_settings_are_merged():
    assert with_settings({"budget": 5, "prompt": {"tokens": 3}}, {"budget": 5, "prompt": {"start": "zero"}}) == {
        "budget": 5,
        "prompt": {"tokens": 3, "start": "zero"},
    }
    with pytest.raises(InputError, match=r"prompt.tokens is 3 by its flag and 4 by --set; leave one out"):
        with_settings({"prompt": {"tokens": 3}}, {"prompt": {"tokens": 4}})


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--optimizer", "cma", "--set", "optimizer=random"), "optimizer is 'cma' by its flag and 'random' by --set"),
        (("--set", "stop.patience=5", "--patience", "6"), "stop.patience is 6 by its flag and 5 by --set"),
        (("--limit", "rows=50", "--set", "limits.rows=20"), "limits.rows is 50 by its flag and 20 by --set"),
    ],
)
def test_a_key_that_is_given_twice_is_not_ignored(program, tmp_path, flags, said):
    code, _, err = program("run", *SPHERE, *flags, "--out", "study")
    assert code == 2
    assert said in err
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("task=sst2", "--set task: write --set problem.task=VALUE, or --set optimizer.task=VALUE for an option"),
        ("preset=bbt", r"--set preset: write --preset VALUE, or preset in \[study\] of a suite file, or"),
    ],
)
def test_keys_of_tables_are_not_taken_for_options_of_the_optimizer(setting, said):
    with pytest.raises(InputError, match=said):
        parse_settings([setting])
    assert parse_settings([f"optimizer.{setting}"])["optimizer_options"]


@pytest.mark.parametrize(("key", "meant"), [("limit.rows", "limits"), ("price.input", "prices"), ("tracker.a", "trackers")])
def test_every_table_is_among_the_first_parts_of_a_key(key, meant):
    with pytest.raises(InputError, match=f"did you mean '{meant}'"):
        parse_settings([f"{key}=3"])
    assert parse_settings([key.replace(".", "s.") + "=3"])


def test_a_limit_without_an_amount_is_named_by_its_flag(program):
    assert program("run", *SPHERE, "--limit", "rows") == (2, "", "error: --limit rows: write KEY=VALUE\n")
