"""Any result of an objective is accepted, or refused in one line."""

import numpy as np
import pytest
import torch
from fakes import Bowl, steps, study

import dfo_prompt as dp
from dfo_prompt.errors import DfoPromptError, PluginError, StudyError
from dfo_prompt.study.records import read_records

pd = pytest.importorskip("pandas")


def minimized(give, **more):
    objective = Bowl()
    objective.evaluate = lambda z: give(z, (z**2).sum(axis=1))
    return study(objective, **more).run()


TAKEN = {
    "list": lambda x: x.tolist(),
    "series": pd.Series,
    "tensor with gradient": lambda x: torch.tensor(x, requires_grad=True) * 1,
    "float32": lambda x: x.astype(np.float32),
    "extended precision": lambda x: x.astype(np.longdouble),
    "masked array": np.ma.masked_array,
}
REFUSED = {
    "labelled out of order": (
        lambda x: pd.Series(x).iloc[::-1],
        "losses as a Series that is no array of numbers: .*its labels",
    ),
    "ragged": (lambda x: [[1, 2], [3]] * 2, "losses as a list that is no array of numbers"),
    "nothing": (lambda x: None, r"losses of shape \(\)"),
    "sparse tensor": (lambda x: torch.tensor(x).to_sparse(), "losses as a Tensor that is no array"),
    "complex": (lambda x: x + 1j, "losses of type complex128, not numbers"),
    "objects": (lambda x: x.astype(object), "losses of type object, not numbers"),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_arrays_of_other_libraries_are_taken(kind):
    plain = minimized(lambda z, x: dp.Evaluation(losses=x, metrics={"norm": x}))
    found = minimized(lambda z, x: dp.Evaluation(losses=TAKEN[kind](x), metrics={"norm": TAKEN[kind](x)}))
    assert found.best_loss == pytest.approx(plain.best_loss, rel=1e-3)


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("where", ["losses", "norm"])
def test_what_is_no_array_of_numbers_is_named(kind, where):
    spoil, said = REFUSED[kind]
    parts = {"losses": lambda x: {"losses": spoil(x)}, "norm": lambda x: {"losses": x, "metrics": {"norm": spoil(x)}}}
    with pytest.raises(PluginError, match=f"the objective gave {said.replace('losses', where)}") as caught:
        minimized(lambda z, x: dp.Evaluation(**parts[where](x)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"metrics": None}, "metrics of type NoneType, not arrays by name"),
        ({"metrics": [1.0]}, "metrics of type list, not arrays by name"),
        ({"usage": None}, "a NoneType for usage, not a Usage"),
        ({"usage": dp.Usage(rows=-1)}, "-1 for rows, not a whole number"),
        ({"usage": dp.Usage(tokens=1.5)}, "1.5 for tokens, not a whole number"),
    ],
)
def test_other_parts_of_an_evaluation_are_checked(part, said):
    with pytest.raises(PluginError, match=said):
        minimized(lambda z, x: dp.Evaluation(**{"losses": x, **part}))


def test_masked_and_too_large_losses_are_not_finite(tmp_path):
    calls = []
    masked = [True, False, False, False]
    spoilt = [lambda x: np.ma.masked_array(x, mask=masked), lambda x: x * np.longdouble("1e400"), lambda x: x]

    def give(z, x):
        calls.append(1)
        return dp.Evaluation(losses=spoilt[min(len(calls), 3) - 1](x))

    minimized(give, folder=tmp_path, budget=12)
    assert [record.status == "ok" for record in read_records(tmp_path)] == [not bad for bad in masked] + [False] * 4 + [
        True
    ] * 4


def test_a_study_without_a_finite_loss_has_no_result():
    with pytest.raises(StudyError, match="every query of objective 'bowl' failed, at last with 'nonfinite'"):
        minimized(lambda z, x: dp.Evaluation(losses=x * np.nan))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (lambda: 1 / 0, "'Told' failed in describe: ZeroDivisionError"),
        (lambda: {"a": {1}}, r"'Told' failed in describe: TypeError: \{1\} is no plain data"),
        (lambda: [1], "'Told' describes itself by a list"),
    ],
)
def test_what_cannot_be_written_is_no_description(said, message):
    class Told(Bowl):
        def describe(self):
            return said()

    with pytest.raises(PluginError, match=message):
        dp.minimize(Told(), budget=20)


class Odd(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(("error", "kept"), [(ValueError("x" * 1_000_000), 300), (Odd(), 50)])
def test_an_error_text_is_cut_in_the_journal(tmp_path, error, kept):
    def fail(z, x):
        raise error

    with pytest.raises(DfoPromptError) as caught:
        minimized(fail, folder=tmp_path)
    assert len(str(caught.value)) < 500
    assert all(0 < len(record.status) <= kept for record in read_records(tmp_path))


def test_a_batch_that_raises_is_charged_what_its_error_says():
    class Away(Exception):
        usage = dp.Usage(rows=3, requests=1)

    calls = []

    def fail(z, x):
        calls.append(1)
        if len(calls) == 2:
            raise Away
        return dp.Evaluation(losses=x, usage=dp.Usage(rows=4))

    spent = minimized(fail, budget=12).spent
    assert (spent.rows, spent.requests) == (4 + 3 + 4, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"dim": 2}, "its dim from 3 to 2"), ({"bounds": (-1, 1)}, "its bounds; leave self.bounds as it is")],
)
def test_an_optimizer_that_changes_what_it_was_given_is_named(change, said):
    optimizer = steps(bounds=(-5, 5))
    ask = optimizer.ask

    def changed():
        candidates = ask().clip(-1, 1)
        vars(optimizer).update(change)
        return candidates[:, : optimizer.dim]

    optimizer.ask = changed
    with pytest.raises(PluginError, match=f"optimizer 'steps' changed {said}"):
        study(Bowl(), optimizer=optimizer).run()
