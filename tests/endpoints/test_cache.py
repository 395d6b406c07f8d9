"""The cache of an endpoint pays for each row once, across outages and processes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dfo_prompt as dp
from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.contracts.endpoint import Capabilities, EndpointOutageError, Form, Label, Scores
from dfo_prompt.endpoints.cache import CachedEndpoint
from dfo_prompt.endpoints.opening import open_endpoint
from dfo_prompt.plugin.catalogue import plugin_files

LABELS = [Label(text=" a", token=1), Label(text=" b", token=2)]


def kept(inner, file, **more):
    endpoint = CachedEndpoint(inner, file, **more)
    endpoint.probe(LABELS)
    return endpoint


class Counting:
    """Scores a row by its length; fails at rows called "down"."""

    def __init__(self, name="one", sample=(), spread=0.0):
        self.name, self.sample, self.spread, self.asked = name, sample, spread, []

    def probe(self, labels):
        return Capabilities(forms=frozenset(Form), exact=True, sample=self.sample, spread=self.spread)

    def score(self, rows, labels):
        self.asked += rows
        logs = np.array([[-len(row) - 0.1 * label.token for label in labels] for row in rows])
        bounds = np.array([[label.token == 2 for label in labels] for _ in rows])
        usage = dp.Usage(requests=1, billed_tokens=sum(map(len, rows)))
        if "down" in [row for row in rows if isinstance(row, str)]:
            answered = {i: (logs[i], bounds[i]) for i, row in enumerate(rows) if row != "down"}
            raise EndpointOutageError("down", usage=usage, answered=answered)
        return Scores(logs=logs, bounds=bounds, usage=usage)

    def estimate(self, rows):
        return dp.Usage(requests=1)

    def describe(self):
        return {"name": self.name}


def test_rows_are_asked_once(tmp_path):
    inner = Counting()
    endpoint = kept(inner, tmp_path / "a.sqlite")
    first = endpoint.score(["x", "yy", "x"], LABELS)
    assert inner.asked == ["x", "yy"]
    assert first.usage.billed_tokens == 3
    again = endpoint.score(["yy", "zzz"], LABELS)
    assert inner.asked == ["x", "yy", "zzz"]
    assert again.usage.billed_tokens == 3
    assert again.logs.tolist() == [[-2.1, -2.2], [-3.1, -3.2]]
    assert again.bounds.tolist() == [[False, True]] * 2
    free = kept(inner, tmp_path / "a.sqlite").score(["zzz", "x"], LABELS)  # another process, as it were
    assert free.usage == dp.Usage()
    assert free.logs.tolist() == [[-3.1, -3.2], [-1.1, -1.2]]


def test_what_differs_is_asked_again(tmp_path):
    inner, file = Counting(), tmp_path / "a.sqlite"
    kept(inner, file).score(["x"], LABELS)
    kept(inner, file).score(["x"], LABELS[::-1])
    kept(inner, file).score([(120,)], LABELS)
    kept(inner, file).score([np.zeros((1, 2), dtype=np.float32)], LABELS)
    kept(inner, file).score([np.zeros((2, 1), dtype=np.float32)], LABELS)
    assert len(inner.asked) == 5
    for other in (Counting("two"), Counting(sample=(0.5,))):
        kept(other, file).score(["x"], LABELS)
        assert len(other.asked) == 1


def test_answers_of_a_noisy_endpoint_are_kept_between_processes(tmp_path):
    for sample, asked in (((0.5012,), 1), ((0.5017,), 0)):
        inner = Counting(sample=sample, spread=1e-3)
        kept(inner, tmp_path / "a.sqlite", always=True).score(["x"], LABELS)
        assert len(inner.asked) == asked


def test_answers_that_are_not_finite_are_asked_again(tmp_path):
    class Sick(Counting):
        def score(self, rows, labels):
            return replace(super().score(rows, labels), logs=np.full((len(rows), 2), np.nan))

    assert np.isnan(kept(Sick(), tmp_path / "a.sqlite").score(["x"], LABELS).logs).all()
    assert kept(Counting(), tmp_path / "a.sqlite").score(["x"], LABELS).logs.tolist() == [[-1.1, -1.2]]


def test_what_was_answered_before_an_outage_is_kept(tmp_path):
    inner = Counting()
    endpoint = kept(inner, tmp_path / "a.sqlite")
    with pytest.raises(EndpointOutageError) as raised:
        endpoint.score(["x", "down", "yy"], LABELS)
    assert raised.value.usage.billed_tokens == 7
    assert endpoint.score(["yy", "x"], LABELS).usage == dp.Usage()


def test_a_file_that_is_none_of_ours_is_refused(tmp_path):
    (tmp_path / "a.sqlite").write_text("no database at all, but long enough to be looked at as one\n" * 20)
    with pytest.raises(dp.InputError, match=r"cannot keep answers in .*a.sqlite: .*endpoint.cache to off"):
        CachedEndpoint(Counting(), tmp_path / "a.sqlite")


@pytest.mark.parametrize("rows", [["x", "yy"], ["x", "down", "yy"]])
def test_a_file_that_cannot_be_written_is_an_outage_with_what_was_consumed(tmp_path, rows):
    inner = Counting()
    endpoint = kept(inner, tmp_path / "a.sqlite")
    endpoint._file.execute("PRAGMA query_only = ON")  # as on a full disk, answers are read and none is written
    with pytest.raises(EndpointOutageError, match=r"cannot keep answers in .*a.sqlite: .*endpoint.cache to off") as raised:
        endpoint.score(rows, LABELS)
    assert raised.value.usage.billed_tokens == sum(map(len, rows))
    endpoint._file.close()
    with pytest.raises(EndpointOutageError, match="cannot keep answers") as raised:
        endpoint.score(rows, LABELS)
    assert (raised.value.usage, len(inner.asked)) == (dp.Usage(), len(rows))


STRANGER = """
import re
from pathlib import Path

import numpy as np
import dfo_prompt as dp
from dfo_prompt.contracts.endpoint import Capabilities, Form, Scores

class Length:
    asked = 0

    def __init__(self, *, url, model, spread: float = 0.0, forms: list[str] | None = None):
        self.url, self.spread, self.forms = url, spread, frozenset(map(Form, forms or ["text"]))

    def probe(self, labels):
        return Capabilities(forms=self.forms, exact=True, spread=self.spread)

    def score(self, rows, labels):
        Length.asked += len(rows)
        logs = -np.array([[len(row) + len(label.text) for label in labels] for row in rows], dtype=float)
        return Scores(logs=logs, bounds=logs > 0, usage=dp.Usage(requests=1, attempts=1))

    def estimate(self, rows):
        return dp.Usage(requests=1, attempts=1)

    def describe(self):
        return {"kind": "length", "url": self.url}

def nothing(*, url):
    return 3

@dp.hookimpl
def dfo_prompt_endpoints():
    yield dp.Spec(name="length", target="stranger:Length", summary="By length.")
    yield dp.Spec(name="noisy", target="stranger:Length", summary="The same, noisy.", options={"spread": 0.5})
    yield dp.Spec(name="nothing", target="stranger:nothing", summary="None at all.")
"""


@pytest.fixture
def stranger(tmp_path):
    file = tmp_path / "stranger.py"
    file.write_text(STRANGER)
    with plugin_files(file):
        yield file


def opened(kind, **changes):
    return open_endpoint(EndpointConfig(kind=kind, url="http://x", **changes), LABELS, needs=Form.TEXT, by="a test")


@pytest.mark.parametrize(
    ("kind", "cache", "kept"),
    [("length", "auto", True), ("length", "off", False), ("noisy", "auto", False), ("noisy", "on", True)],
)
def test_a_strangers_endpoint_is_cached_unless_it_is_noisy(stranger, kind, cache, kept):
    found = opened(kind, cache=cache)
    one, again = (found.endpoint.score(["text"], LABELS) for _ in range(2))
    assert one.logs.tolist() == again.logs.tolist() == [[-6.0, -6.0]]
    assert (again.usage.requests == 0) == kept
    assert found.can.measured()["spread"] == (0.5 if kind == "noisy" else 0.0)


def test_a_strangers_endpoint_is_listed_and_checked(stranger, program):
    status, out, _ = program("--plugin", str(stranger), "list", "endpoints")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == [
        "length",
        "llama.cpp",
        "noisy",
        "nothing",
        "openai",
        "sglang",
        "systemone",
        "vllm",
    ]
    with pytest.raises(dp.PluginError, match="endpoint 'nothing' is a int without probe, score, estimate and describe"):
        opened("nothing")
    with pytest.raises(dp.InputError, match="a test needs an endpoint that takes text; endpoint 'length' takes tokens only"):
        opened("length", options={"forms": ["tokens"]})
    with pytest.raises(dp.InputError, match="'noisy' fixes spread to 0.5"):
        opened("noisy", options={"spread": 0.1})


def test_a_key_for_an_endpoint_that_takes_none_is_refused(stranger, monkeypatch):
    monkeypatch.setenv("A_KEY", "abc")
    with pytest.raises(dp.InputError, match="endpoint 'length' takes no key"):
        opened("length", key_env="A_KEY")


@pytest.mark.parametrize("key", ["a\nb", "ключ"])
def test_a_key_that_no_header_can_hold_is_not_shown(monkeypatch, key):
    monkeypatch.setenv("A_KEY", key)
    with pytest.raises(dp.InputError, match="characters that a header cannot hold") as raised:
        open_endpoint(EndpointConfig(kind="vllm", url="http://x", key_env="A_KEY"), LABELS, needs=Form.TEXT, by="a test")
    assert key not in str(raised.value)


def test_the_endpoint_of_the_page_works(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "pages" / "tutorials" / "endpoints.md").read_text()
    (tmp_path / "lengths.py").write_text(re.search(r"```python\n(.*?)```", page, flags=re.DOTALL)[1])
    with plugin_files(tmp_path / "lengths.py"):
        found = opened("lengths", options={"slope": 2.0})
    assert found.endpoint.score(["text"], LABELS).logs.tolist() == [[-12.0, -12.0]]
    assert found.about["slope"] == 2.0
