"""A dry run tells the budgets of a method, and limits that a method would not keep are refused."""

import re

import pytest

import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.run.budgets import budgets_spent, check_limits


@pytest.mark.parametrize(
    ("method", "flags", "said"),
    [
        ("label-scores-decoder", "--limit tokens=10", "does not search, so limits would do nothing; leave limits out"),
        ("manual", "--patience 1", "does not search, so [stop] would do nothing; leave [stop] out"),
        ("tuned-decoder", "--limit rows=40", "also queries outside its search, which limits cannot bind; leave limits out"),
    ],
)
def test_limits_and_rules_to_stop_that_bind_nothing_are_refused(program, method, flags, said):
    for more in ([], ["--dry-run"]):
        status, _, err = program("run", "--method", method, *flags.split(), *more, "--out", "s")
        assert (status, err.splitlines()[-1]) == (2, f"error: method {method!r} {said}")
    key, keys = ("stop", {"patience": 1}) if "patience" in flags else ("limits", {"rows": 1})
    with pytest.raises(dp.InputError, match=re.escape(said)):
        dp.tune(["a", "b"] * 6, ["bad", "good"] * 6, method=method, settings={key: keys})


@pytest.mark.parametrize("method", ["study", "ensemble", "projections", "pretrained"])
def test_searches_keep_limits_and_rules_to_stop(method):
    check_limits(parse_config({"method": method, "limits": {"rows": 40}, "stop": {"patience": 1}}))
    check_limits(parse_config({"method": "tuned-decoder", "stop": {"patience": 1}}))


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (
            "pretrained",
            "search          at most 1,000 queries\nrest            unknown: this gives no estimate of anything but",
        ),
        ("ensemble", "search          at most 200 queries\n"),
        ("tuned-decoder", "costs           unknown: this gives no estimate\n"),
        ("decoder", "costs           unknown: this gives no estimate\n"),
    ],
)
def test_a_dry_run_promises_no_fewer_queries_than_a_method_makes(program, method, said):
    status, out, err = program("run", "--method", method, "--task", "sst2", "--budget", "200", "--dry-run")
    assert (status, out[: len(said)]) == (0, said), err


def test_the_budgets_of_a_method_are_those_of_its_searches():
    names = ("study", "ensemble", "pretrained", "manual")
    found = [budgets_spent(parse_config({"method": name, "problem": {"task": "sst2"}})) for name in names]
    assert found == [1, 1, 1 + 2 * 2, 0]
