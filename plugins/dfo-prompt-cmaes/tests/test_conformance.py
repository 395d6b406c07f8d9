import shutil

import numpy as np
import pytest
from dfo_prompt_cmaes import dfo_prompt_optimizers

import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.run.built import objective_of
from dfo_prompt.run.study import run_study
from dfo_prompt.testing import OptimizerConformance


@pytest.mark.slow
class TestConformance(OptimizerConformance):
    names = tuple(spec.name for spec in dfo_prompt_optimizers())


def test_a_warm_start_begins_where_another_study_was_good(tmp_path):
    rng = np.random.default_rng(0)
    candidates = 3 + rng.standard_normal((200, 4))
    np.savez(tmp_path / "source.npz", candidates=candidates, losses=((candidates - 3) ** 2).sum(axis=1))
    warm = dp.create_optimizer("cmaes", dim=4, budget=100, warm_start=str(tmp_path / "source.npz"))
    assert np.abs(warm.ask().mean(axis=0) - 3).max() < 1


@pytest.mark.parametrize("dim", [3, 5])
def test_a_warm_start_from_another_space_is_one_line(tmp_path, dim):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "source.npz", candidates=rng.standard_normal((200, 4)), losses=rng.standard_normal(200))
    with pytest.raises(dp.InputError, match="its candidates have 4 coordinates"):
        dp.create_optimizer("cmaes", dim=dim, budget=100, warm_start=str(tmp_path / "source.npz"))


@pytest.mark.parametrize(("bounds", "shown"), [((-1.0, 1.0), "-1, 1"), ((np.full(4, -np.inf), np.full(4, 1.0)), "-inf, 1")])
def test_a_warm_start_outside_the_bounds_is_one_line(tmp_path, bounds, shown):
    candidates = 3 + np.random.default_rng(0).standard_normal((200, 4))
    np.savez(tmp_path / "source.npz", candidates=candidates, losses=((candidates - 3) ** 2).sum(axis=1))
    said = (
        rf"cannot start from \S*source\.npz: the mean of its best .* in coordinate 1, outside the bounds \[{shown}\]; widen"
    )
    with pytest.raises(dp.InputError, match=said):
        dp.create_optimizer("cmaes", dim=4, budget=100, bounds=bounds, warm_start=str(tmp_path / "source.npz"))
    assert dp.create_optimizer("cmaes", dim=4, budget=9, bounds=(0.0, 9.0), warm_start=str(tmp_path / "source.npz"))


def test_a_warm_start_from_few_candidates_in_many_coordinates_is_one_line(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "source.npz", candidates=rng.standard_normal((50, 300)), losses=rng.standard_normal(50))
    with pytest.raises(dp.InputError, match="best candidates span too few of 300 coordinates; give more candidates"):
        dp.create_optimizer("cmaes", dim=300, budget=100, warm_start=str(tmp_path / "source.npz"))


def test_one_dimension_in_a_box_away_from_zero():
    optimizer = dp.create_optimizer("cmaes", dim=1, budget=20, x0=[1.5], bounds=(1.0, 2.0))
    assert ((optimizer.ask() - 1.5).__abs__() <= 0.5).all()


def test_a_warm_start_from_nothing_is_one_line(tmp_path):
    with pytest.raises(dp.InputError, match=r"cannot start from .*no\.npz"):
        dp.create_optimizer("cmaes", dim=4, budget=100, warm_start=str(tmp_path / "no.npz"))


@pytest.mark.parametrize("failed", [np.nan, np.inf, -np.inf])
def test_a_warm_start_leaves_out_rows_that_are_not_finite(tmp_path, failed):
    rng = np.random.default_rng(0)
    candidates = 3 + rng.standard_normal((200, 4))
    losses = ((candidates - 3) ** 2).sum(axis=1)
    np.savez(tmp_path / "clean.npz", candidates=candidates, losses=losses)
    places, more = rng.choice(200, 40), -50 + rng.standard_normal((40, 4))
    more[:20, 0] = failed
    mixed = np.insert(losses, places, np.repeat([0.0, failed], 20))
    np.savez(tmp_path / "mixed.npz", candidates=np.insert(candidates, places, more, axis=0), losses=mixed)
    np.savez(tmp_path / "failed.npz", candidates=candidates, losses=np.full(200, failed))
    clean, mixed = (
        dp.create_optimizer("cmaes", dim=4, budget=100, warm_start=str(tmp_path / name))
        for name in ("clean.npz", "mixed.npz")
    )
    np.testing.assert_array_equal(mixed.ask(), clean.ask())
    with pytest.raises(dp.InputError, match=r"cannot start from .*failed\.npz"):
        dp.create_optimizer("cmaes", dim=4, budget=100, warm_start=str(tmp_path / "failed.npz"))


def test_a_restart_does_not_repeat_the_search_of_the_next_seed():
    restarted, neighbour = (dp.create_optimizer("cmaes", dim=3, budget=9000, seed=seed) for seed in (1, 2))
    while not restarted.describe()["restarts"]:
        candidates = restarted.ask()
        restarted.tell(candidates, -np.abs(candidates).sum(axis=1))  # the step grows until it would overflow
    assert not np.array_equal(restarted.ask(), neighbour.ask())


def test_options_of_the_full_covariance_only():
    with pytest.raises(dp.InputError, match="'sep' takes neither"):
        dp.create_optimizer("cmaes:sep", dim=4, budget=100, learning_rate_adaptation=True)


def test_a_warm_start_is_found_beside_its_study_whose_folder_keeps_its_hash(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name, center in (("a", 3.0), ("b", -3.0)):
        (tmp_path / name).mkdir()
        candidates = center + rng.standard_normal((60, 4))
        np.savez(tmp_path / name / "w.npz", candidates=candidates, losses=((candidates - center) ** 2).sum(axis=1))
    study = {"optimizer": "cmaes", "objective": "sphere", "dim": 4, "budget": 12, "popsize": 6}
    data = {**study, "optimizer_options": {"warm_start": "w.npz"}}
    monkeypatch.chdir(tmp_path / "b")
    config = parse_config(data, base=tmp_path / "a")
    best = run_study(config, objective_of(config), out=tmp_path / "out").chosen
    assert (best > 0).all()
    monkeypatch.chdir(tmp_path)
    moved = parse_config(data, base=tmp_path / "b")
    with pytest.raises(dp.InputError, match=r"another study: optimizer\.warm_start is 'sha256 .*"):
        run_study(moved, objective_of(moved), out=tmp_path / "out")
    shutil.copy(tmp_path / "a" / "w.npz", tmp_path / "b")
    assert run_study(moved, objective_of(moved), out=tmp_path / "out").spent.queries == 12
