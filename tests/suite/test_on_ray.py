"""Settings of the executor for Ray that are refused before a cluster is joined."""

import pytest

from dfo_prompt.errors import InputError
from dfo_prompt.suite.executor import open_executor

pytest.importorskip("ray", exc_type=ImportError)


@pytest.fixture
def joined(monkeypatch):
    """Stand in for a cluster that is away."""
    from dfo_prompt.suite import on_ray

    def away(address):
        raise InputError(f"joined {address}")

    monkeypatch.setattr(on_ray, "_join", away)


@pytest.mark.parametrize(
    ("options", "jobs", "said"),
    [
        ({"cpus": 0.0}, None, "studies without CPUs and GPUs fit everywhere in any number; give --jobs"),
        ({"cpus": -1.0}, None, "cpus must be a number from 0 on, not -1"),
        ({"cpus": -1.0}, 2, "cpus must be a number from 0 on, not -1"),
        ({"gpus": -0.5}, 2, "gpus must be a number from 0 on, not -0.5"),
        ({"gpus": float("nan")}, 2, "gpus must be a number from 0 on, not nan"),
        ({"cpus": 0.0}, 2, "joined auto"),
        ({"cpus": 0.0, "gpus": 0.5}, None, "joined auto"),
        ({}, None, "joined auto"),
    ],
)
@pytest.mark.usefixtures("joined")
def test_what_a_study_reserves_is_checked(options, jobs, said):
    with pytest.raises(InputError, match=said) as caught:
        open_executor("ray", options, jobs=jobs, threads=None, folder=None)
    assert "\n" not in str(caught.value)
