import json
import os

import numpy as np
import pytest
from fakes import Bowl, HeldOutBowl, Steps, study

from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study.best import answer_of, best_so_far
from dfo_prompt.study.candidates import candidate_hash, read_rows
from dfo_prompt.study.folder import study_folder
from dfo_prompt.study.records import Account, read_records
from dfo_prompt.study.saved import save_result

MANIFEST = describe_run({"budget": 50, "dim": 3}, {}, {})


class Stops(Bowl):
    """Ends the process's work in its fourth batch."""

    def evaluate(self, candidates):
        if self.queries == 12:
            raise KeyboardInterrupt
        return super().evaluate(candidates)


def stopped(folder):
    with pytest.raises(KeyboardInterrupt), study_folder(folder, MANIFEST):
        study(Stops(), folder=folder).run()
    return folder


def rows_of(folder):
    return read_rows(folder / "candidates.f64", 3)


def test_every_candidate_is_kept_beside_its_line(tmp_path):
    asked = []

    class Watched(Bowl):
        def evaluate(self, candidates):
            asked.extend(candidates)
            return super().evaluate(candidates)

    with study_folder(tmp_path, MANIFEST):
        study(Watched(), folder=tmp_path).run()
    kept = rows_of(tmp_path)
    np.testing.assert_array_equal(kept, asked[:50])  # the last one is the recommended one, on the second account
    assert [candidate_hash(z) for z in kept] == [record.candidate for record in read_records(tmp_path)]
    assert (tmp_path / "candidates.f64").stat().st_size == 50 * 3 * 8
    assert (tmp_path / "validation.f64").stat().st_size == len(read_records(tmp_path, Account.VALIDATION)) * 3 * 8


def test_the_batch_that_was_cut_off_has_its_candidates(tmp_path):
    stopped(tmp_path)
    assert (len(read_records(tmp_path)), len(rows_of(tmp_path))) == (12, 16)


def test_an_unfinished_study_answers_with_the_best_so_far(tmp_path):
    stopped(tmp_path)
    candidate, record = best_so_far(tmp_path)
    assert record.loss == min(one.loss for one in read_records(tmp_path)) == (candidate**2).sum()
    answer = answer_of(tmp_path)
    assert (answer.finished, answer.query, answer.queries) == (False, record.query, 12)
    with study_folder(tmp_path, MANIFEST):
        save_result(tmp_path, study(HeldOutBowl(), folder=tmp_path).run())
    assert answer_of(tmp_path).finished


def test_a_study_without_a_loss_has_no_answer(tmp_path):
    with study_folder(tmp_path, MANIFEST), pytest.raises(InputError, match="no candidate with a loss yet"):
        best_so_far(tmp_path)


def test_a_damaged_row_is_found_and_the_next_best_stands_in(tmp_path):
    stopped(tmp_path)
    best, record = best_so_far(tmp_path)
    with (tmp_path / "candidates.f64").open("r+b") as file:
        file.seek((record.query - 1) * 3 * 8)
        file.write(os.urandom(8))
    second = sorted(one.loss for one in read_records(tmp_path))[1]
    assert best_so_far(tmp_path)[1].loss == second
    study(Bowl(), folder=tmp_path).run()
    np.testing.assert_array_equal(rows_of(tmp_path)[record.query - 1], best)


def test_the_candidates_of_an_earlier_version_are_written_when_it_goes_on(tmp_path):
    stopped(tmp_path)
    whole = (tmp_path / "candidates.f64").read_bytes()[: 12 * 3 * 8]
    (tmp_path / "candidates.f64").unlink()
    with pytest.raises(KeyboardInterrupt):
        study(Stops(), folder=tmp_path).run()  # its first twelve queries are recalled, the next twelve asked
    assert (tmp_path / "candidates.f64").read_bytes().startswith(whole)
    assert len(rows_of(tmp_path)) == 28


class Elsewhere(Steps):
    """Rounds otherwise, as on another processor."""

    off = 1e-12

    def ask(self):
        return super().ask() * (1 + self.off)

    def recommend(self):
        return super().recommend() * (1 + self.off)


def other_machine(off):
    optimizer = Elsewhere(dim=3, seed=1, budget=50, popsize=4, sigma=0.5, x0=np.ones(3))
    optimizer.off = off
    return optimizer


@pytest.mark.parametrize("objective", [Bowl, HeldOutBowl])
def test_a_study_goes_on_where_numbers_are_rounded_otherwise(tmp_path, objective):
    class Stopping(objective):
        def evaluate(self, candidates):
            if self.queries >= 12:
                raise KeyboardInterrupt
            return super().evaluate(candidates)

    with pytest.raises(KeyboardInterrupt), study_folder(tmp_path, MANIFEST):
        study(Stopping(), folder=tmp_path, validate_every=4).run()
    before = {
        name: (tmp_path / name).read_bytes()
        for name in sorted(os.listdir(tmp_path))
        if name in ("journal.jsonl", "validation.jsonl")
    }
    with pytest.warns(RuntimeWarning, match="'steps' rounds differently here") as caught:
        result = study(objective(), folder=tmp_path, optimizer=other_machine(1e-12), validate_every=4).run()
    assert len(caught) == 1
    assert result.rounded >= 12
    for name, raw in before.items():
        assert (tmp_path / name).read_bytes().startswith(raw)
    assert len(rows_of(tmp_path)) == 50
    again = study(objective(), folder=tmp_path, optimizer=other_machine(1e-12), validate_every=4)
    with pytest.warns(RuntimeWarning, match="rounds differently"):
        np.testing.assert_array_equal(again.run().best, result.best)


def test_what_differs_by_more_is_refused_by_its_query_and_not_lost(tmp_path):
    stopped(tmp_path)
    with pytest.raises(StudyError, match=r"at query 1 .* another candidate.*--start-from .* and another --out"):
        study(Bowl(), folder=tmp_path, optimizer=other_machine(1e-4)).run()
    assert best_so_far(tmp_path)[1].query <= 12


@pytest.mark.parametrize(("key", "other"), [("split", "test"), ("role", "recommended")])
def test_a_journaled_evaluation_of_another_split_or_role_is_not_recalled(tmp_path, key, other):
    study(HeldOutBowl(), folder=tmp_path).run()
    file = tmp_path / "validation.jsonl"
    first, *rest = map(json.loads, file.read_text().splitlines())
    assert (first["split"], first["role"]) == ("dev", "baseline")
    file.write_text("".join(json.dumps(line) + "\n" for line in ({**first, key: other}, *rest)))
    (tmp_path / "ledger.jsonl").unlink()  # whose checksums would tell
    with pytest.raises(StudyError, match="validation.jsonl: at query 0 .* another candidate"):
        study(HeldOutBowl(), folder=tmp_path).run()
