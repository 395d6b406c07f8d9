import numpy as np
import pytest
from dfo_prompt_structured.gauss_newton import GaussNewton
from dfo_prompt_structured.linear import interpolate
from dfo_prompt_structured.points import Points
from dfo_prompt_structured.subproblem import minimise, quadratic_in_ball
from scipy.optimize import NonlinearConstraint
from scipy.optimize import minimize as scipy_minimize

import dfo_prompt as dp
from dfo_prompt.objectives.composite import Composed
from dfo_prompt.testing.driving import SquaresAndRest

RNG = np.random.default_rng


def cross_entropy(rng, examples=9, classes=3):
    return dp.CrossEntropy(labels=rng.integers(classes, size=examples), classes=classes)


@pytest.mark.parametrize("radius", [0.01, 0.5, 3.0, 1e6])
@pytest.mark.parametrize("rank", [0, 3, 5])
def test_the_quadratic_is_minimised_in_the_ball(radius, rank):
    rng = RNG(rank)
    root, gradient = rng.standard_normal((rank, 5)), rng.standard_normal(5)
    hessian = root.T @ root
    found = quadratic_in_ball(gradient, hessian, radius)
    assert np.linalg.norm(found) <= radius * (1 + 1e-6)
    # Karush, Kuhn and Tucker: (H + m I) t = -g, m >= 0, and m > 0 only on the border.
    residual = -(hessian @ found + gradient)
    multiplier = residual @ found / (found @ found)
    assert multiplier >= -1e-9
    np.testing.assert_allclose(residual, multiplier * found, atol=1e-6)
    assert multiplier < 1e-6 or np.linalg.norm(found) == pytest.approx(radius)


def test_a_slope_whose_square_is_hardly_a_number_is_followed():
    found = quadratic_in_ball(np.array([3e-162, 0.0]), 4 * np.eye(2), 0.5)
    np.testing.assert_allclose(found, [-7.5e-163, 0.0])


@pytest.mark.parametrize("radius", [0.3, 5.0])
def test_the_subproblem_of_the_cross_entropy_is_solved_as_by_scipy(radius):
    rng = RNG(3)
    outer, outputs, slopes = cross_entropy(rng), rng.standard_normal(27), rng.standard_normal((4, 27))
    found, gain = minimise(outer, outputs, slopes, radius)

    def loss(t):
        return outer.losses((outputs + t @ slopes)[None])[0]

    ball = NonlinearConstraint(lambda t: t @ t, 0, radius**2)
    expected = scipy_minimize(loss, np.zeros(4), constraints=ball, method="SLSQP", options={"ftol": 1e-12, "maxiter": 500})
    assert np.linalg.norm(found) <= radius * (1 + 1e-6)
    assert loss(found) == pytest.approx(expected.fun, abs=1e-6)
    assert gain == pytest.approx(loss(np.zeros(4)) - loss(found))


def test_a_linear_map_is_interpolated_from_as_many_points_as_it_has_dimensions():
    rng = RNG(0)
    matrix, away = rng.standard_normal((6, 4)), rng.standard_normal((9, 6))
    model = interpolate(away, away @ matrix, ridge=0.0)
    assert model.basis.shape == (6, 6)
    np.testing.assert_allclose(model.basis.T @ model.slopes, matrix, atol=1e-9)


def test_points_that_span_nothing_new_are_skipped():
    away = np.array([[1.0, 0, 0], [2.0, 0.01, 0], [0, 3.0, 0]])
    model = interpolate(away, np.array([[1.0], [9.0], [6.0]]), ridge=0.0)
    np.testing.assert_allclose(np.abs(model.basis), [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(model.basis.T @ model.slopes, [[1], [2], [0]])
    assert model.reach == 3


def spend(name, objective, budget, **settings):
    return dp.minimize(objective, optimizer=name, budget=budget, **settings)


@pytest.mark.parametrize("popsize", [1, 4, 25])
def test_gauss_newton_solves_a_linear_problem_by_its_second_step(popsize):
    objective = dp.create_objective("least-squares:linear", dim=10)
    budget = 13 if popsize == 1 else 2 * popsize + 10
    result = spend("structured:gauss-newton", objective, budget, popsize=popsize, sigma=10.0)
    assert result.best_loss == pytest.approx(10.0)  # m - n


@pytest.mark.parametrize("name", ["rosenbrock", "powell", "tridiagonal", "brown"])
def test_gauss_newton_solves_least_squares_to_high_accuracy(name):
    objective = dp.create_objective(f"least-squares:{name}", dim=8)
    result = spend("structured:gauss-newton", objective, 300, popsize=1, sigma=0.1)
    assert result.best_loss < 1e-10 * objective.evaluate(np.zeros((1, 8))).losses[0]


@pytest.mark.parametrize("name", ["structured:gauss-newton", "structured:cma"])
def test_the_outputs_pay(name):
    objective = dp.create_objective("logistic", dim=60, seed=1)
    losses = [spend(optimizer, objective, 200, popsize=10, sigma=0.5, seed=1).best_loss for optimizer in (name, "cma")]
    assert losses[0] < 0.7 * losses[1]


def test_failed_candidates_are_in_no_model():
    points = Points(5)
    outputs = np.array([[1.0, 2.0], [np.nan, np.nan], [3.0, 4.0]])
    points.add(np.eye(3), np.array([5.0, 1.0, 4.0]), outputs)
    assert points.best is not None
    assert points.best.loss == 4
    assert points.around(points.best)[1].tolist() == [[-2, -2]]


def test_a_start_that_fails_is_not_asked_again():
    optimizer = GaussNewton(
        outer=dp.LeastSquares(size=2), dim=3, seed=1, budget=50, popsize=1, sigma=1.0, x0=np.ones(3), bounds=(0.0, 2.0)
    )
    asked = []
    for _ in range(5):
        asked.append(optimizer.ask())
        optimizer.tell(asked[-1], np.ones(1))
    assert len(np.unique(np.concatenate(asked), axis=0)) == 5


@pytest.mark.parametrize(
    ("name", "objective"), [("structured:gauss-newton", "sphere"), ("rembo:structured:cma", "logistic")]
)
def test_without_outputs_it_is_refused(name, objective):
    with pytest.raises(
        dp.InputError, match="'structured:.*' learns from outputs, which the objective, or a wrapper ahead of it,"
    ):
        dp.minimize(dp.create_objective(objective, dim=3), optimizer=name, budget=9)


def far_away():
    """A linear problem whose minimiser is further away than any step."""
    matrix = RNG(0).standard_normal((40, 60))
    return Composed(inner=lambda z: z @ matrix - 1e4, outer=dp.LeastSquares(size=60), start=np.zeros(40))


def batches(count, **options):
    objective = far_away()
    optimizer = dp.create_optimizer(
        "structured:gauss-newton", dim=40, budget=200, popsize=10, sigma=1.0, outer=objective.outer, **options
    )
    best, best_loss = np.zeros(40), np.inf
    for _ in range(count):
        candidates = optimizer.ask()
        yield np.linalg.norm(candidates - best, axis=1) / optimizer.describe()["first_radius"]
        found = objective.evaluate_outputs(candidates)
        optimizer.tell_outputs(candidates, found.losses, found.outputs)
        if found.losses.min() < best_loss:
            best, best_loss = candidates[found.losses.argmin()], found.losses.min()


def test_the_first_step_is_as_long_as_the_first_radius_however_many_directions_were_asked_for_before():
    *_, third = batches(3, steps=1)
    np.testing.assert_allclose(third, 1)


def test_a_batch_holds_minimisers_in_balls_of_several_radii_and_the_best_sets_the_next():
    *_, third, fourth = batches(4)
    np.testing.assert_allclose(third, [1, 0.5, 2, *[1] * 7])
    np.testing.assert_allclose(fourth[:3], [2, 1, 4])


def test_a_minimiser_inside_all_balls_is_asked_for_once():
    objective = dp.create_objective("least-squares:linear", dim=10)
    result = dp.minimize(objective, optimizer="structured:gauss-newton", budget=40, popsize=10, sigma=100.0)
    assert result.best_loss == pytest.approx(10.0)
    assert result.spent.queries == 40


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *[("structured:gauss-newton", {"length": value}) for value in (0.0, -1.0, float("inf"))],
        *[("structured:gauss-newton", {"least_step": value}) for value in (0.0, 2.0)],
        *[("structured:gauss-newton", {name: 0}) for name in ("fresh", "steps", "memory")],
        ("structured:gauss-newton", {"memory": -300}),
        *[(name, {"ridge": -1.0}) for name in ("structured:gauss-newton", "structured:cma")],
        *[("structured:cma", {name: value}) for name, value in (("length", 0.0), ("memory", 0))],
    ],
)
def test_options_outside_their_bounds_are_one_line(name, options):
    with pytest.raises(dp.InputError, match=f"^optimizer '{name}': {next(iter(options))}: Input should be .*, not .*$"):
        dp.create_optimizer(name, dim=4, budget=20, seed=0, popsize=4, outer=dp.LeastSquares(size=2), **options)


def test_a_huge_population_has_some_steps_and_otherwise_fresh_directions():
    optimizer = dp.create_optimizer(
        "structured:gauss-newton", dim=2, budget=10_000, popsize=2500, seed=1, outer=dp.LeastSquares(size=2)
    )
    for _ in range(3):
        candidates = optimizer.ask()
        assert candidates.shape == (2500, 2)
        assert np.abs(candidates).max() < 1e4
        outputs = candidates - 1
        optimizer.tell_outputs(candidates, optimizer.outer.losses(outputs), outputs)


@pytest.mark.parametrize("name", ["structured:gauss-newton", "structured:cma"])
def test_a_loss_that_falls_without_end_ends_no_study(name):
    optimizer = dp.create_optimizer(name, dim=3, budget=10_000, popsize=10, seed=1, outer=SquaresAndRest(size=1))
    for _ in range(1000):
        candidates = optimizer.ask()
        assert np.isfinite(candidates).all()
        losses = -candidates.sum(axis=1)
        optimizer.tell_outputs(candidates, losses, losses[:, None])
