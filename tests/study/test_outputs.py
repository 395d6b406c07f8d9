import numpy as np
import pytest
from fakes import Bowl, Steps, study

import dfo_prompt as dp
from dfo_prompt.errors import InputError, PluginError, StudyError
from dfo_prompt.study.candidates import candidate_hash, read_rows
from dfo_prompt.study.records import read_records

COMPARED = ("journal.jsonl", "candidates.f64", "outputs.f64")


class Residuals(Bowl):
    """The sphere with its coordinates and a zero as residuals; fails as it is told to."""

    outer = dp.LeastSquares(size=4)

    def __init__(self, *, stop_after=None, fail=(), holes=False):
        super().__init__()
        self.stop_after, self.fail, self.holes, self.calls = stop_after, fail, holes, 0

    def evaluate_outputs(self, candidates):
        self.calls += 1
        if self.calls == self.stop_after:
            raise KeyboardInterrupt
        if self.calls in self.fail:
            raise TimeoutError("away")
        outputs = np.column_stack([candidates, np.zeros(len(candidates))])
        losses = self.outer.losses(outputs)
        if self.holes:
            losses[candidates[:, 0] > 1.2] = np.nan
            outputs[candidates[:, 1] > 1.2, 2] = np.inf
        self.queries += len(candidates)
        return dp.Evaluation(losses=losses, outputs=outputs)


class Learns(dp.StructuredOptimizer, Steps):
    """Walks by what it was told of outputs, so that other outputs would give other candidates."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.outputs = []

    def ask(self):
        return super().ask() + 0.01 * np.nansum(self.outputs[-1] if self.outputs else 0.0)

    def tell(self, candidates, losses):
        raise AssertionError("told without outputs")

    def tell_outputs(self, candidates, losses, outputs):
        self.outputs.append(outputs)
        Steps.tell(self, candidates, losses)


SETTINGS = {"dim": 3, "seed": 1, "budget": 50, "popsize": 4, "sigma": 0.5, "x0": np.ones(3)}


def learns():
    return Learns(outer=Residuals.outer, **SETTINGS)


def run(objective, folder=None, optimizer=None, budget=50):
    return study(objective, budget=budget, folder=folder, optimizer=optimizer or learns(), outputs=4).run()


def contents(folder):
    return {name: (folder / name).read_bytes() for name in COMPARED}


def test_outputs_are_told_and_kept_beside_the_journal(tmp_path):
    optimizer = learns()
    run(Residuals(), tmp_path, optimizer)
    kept, asked = read_rows(tmp_path / "outputs.f64", 4), read_rows(tmp_path / "candidates.f64", 3)
    np.testing.assert_array_equal(kept[:, :3], asked)
    told = np.concatenate(optimizer.outputs)
    assert len(told) == 48  # the last two queries are of a batch that the budget cut
    np.testing.assert_array_equal(told, kept[:48])
    assert [record.outputs for record in read_records(tmp_path)] == [candidate_hash(row) for row in kept]


def test_others_see_and_journal_none(tmp_path):
    objective = Residuals()
    study(objective, folder=tmp_path).run()
    assert objective.calls == 0
    assert not (tmp_path / "outputs.f64").exists()
    assert b"outputs" not in (tmp_path / "journal.jsonl").read_bytes()


def test_a_failed_candidate_has_a_penalty_and_no_outputs(tmp_path):
    optimizer = learns()
    run(Residuals(holes=True, fail=(2,)), tmp_path, optimizer)
    candidates, losses = (np.concatenate(parts) for parts in zip(*optimizer.told, strict=True))
    outputs, records = np.concatenate(optimizer.outputs), read_records(tmp_path)[:48]
    bad = (candidates[:, 0] > 1.2) | (candidates[:, 1] > 1.2)
    bad[4:8] = True
    assert 5 < bad.sum() < 40
    assert np.isnan(outputs[bad]).all()
    assert np.isfinite(outputs[~bad]).all()
    assert np.isfinite(losses).all()
    assert [not record.outputs for record in records] == bad.tolist()
    infinite = [i for i, one in enumerate(records) if one.status == "ok" and not one.outputs]
    assert infinite, "no candidate has a loss, and outputs that are not finite"


@pytest.mark.parametrize("stop", [1, 3, 9])
def test_a_study_goes_on_with_the_outputs_that_were_journaled(tmp_path, stop):
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    run(Residuals(holes=True), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(Residuals(holes=True, stop_after=stop), tmp_path / "broken")
    rest = Residuals(holes=True)
    run(rest, tmp_path / "broken")
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    assert rest.calls == 13 - (stop - 1)
    again = Residuals()
    run(again, tmp_path / "broken")
    assert again.calls == 0


@pytest.mark.parametrize("cut", [1, 32, 100, 1000])
def test_queries_whose_outputs_a_power_cut_took_run_again(tmp_path, cut):
    run(Residuals(), tmp_path)
    expected = contents(tmp_path)
    raw = expected["outputs.f64"]
    (tmp_path / "outputs.f64").write_bytes(raw[:-cut] + bytes(cut // 2))
    objective = Residuals()
    run(objective, tmp_path)
    assert contents(tmp_path) == expected
    assert objective.queries == 50 - 4 * ((50 - -(-cut // 32)) // 4)


@pytest.mark.parametrize("harm", ["flip", "remove"])
def test_damaged_outputs_are_refused_in_one_line_and_nothing_is_lost(tmp_path, harm):
    run(Residuals(), tmp_path)
    expected = contents(tmp_path)
    if harm == "remove":
        (tmp_path / "outputs.f64").unlink()
    else:
        raw = bytearray(expected["outputs.f64"])
        raw[5 * 32 + 3] ^= 255
        (tmp_path / "outputs.f64").write_bytes(raw)
    query = {"flip": 6, "remove": 1}[harm]
    with pytest.raises(StudyError, match=rf"outputs.f64 is damaged: it lacks the outputs of query {query};.*--start-from"):
        run(Residuals(), tmp_path)
    assert (tmp_path / "journal.jsonl").read_bytes() == expected["journal.jsonl"]


def test_a_candidate_that_is_asked_again_has_its_outputs_again():
    class Twice(Learns):
        def ask(self):
            return np.ones((4, 3)) * (1 + len(self.told) // 2)

    objective, optimizer = Residuals(), Twice(outer=Residuals.outer, **SETTINGS)
    run(objective, optimizer=optimizer, budget=16)
    assert objective.calls == 2
    told = np.concatenate(optimizer.outputs)
    np.testing.assert_array_equal(told[:, 0], np.repeat([1.0, 2.0], 8))


class Wrong(Residuals):
    """Gives outputs of another shape, or none."""

    def __init__(self, outputs):
        super().__init__()
        self.given = outputs

    def evaluate_outputs(self, candidates):
        return dp.Evaluation(losses=np.ones(len(candidates)), outputs=self.given)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (None, "gave no outputs"),
        (np.zeros((4, 3)), r"outputs of shape \(4, 3\), not \(4, 4\)"),
        (np.zeros((4, 4), dtype=complex), "outputs of type complex128, not numbers"),
    ],
)
def test_outputs_that_break_the_contract_are_named(outputs, message):
    with pytest.raises(PluginError, match=message):
        run(Wrong(outputs))


def test_an_optimizer_that_needs_outputs_is_refused_where_there_are_none():
    objective = Bowl()
    with pytest.raises(InputError, match="optimizer 'steps' learns from outputs, which objective 'bowl' does not give"):
        study(objective, optimizer=learns()).run()
    assert objective.queries == 0
    silent = Residuals()
    silent.outer = None
    with pytest.raises(InputError, match="does not give"):
        study(silent, optimizer=learns())
    with pytest.raises(InputError, match="open the Ledger with outputs=4"):
        study(Residuals(), optimizer=learns())
