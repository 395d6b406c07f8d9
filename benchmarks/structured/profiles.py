"""Compares optimizers on nonlinear least squares by data profiles (Moré and Wild, 2009).

    python benchmarks/structured/profiles.py --out benchmarks/results/structured

A problem is solved at precision tau once f(z) <= f* + tau (f(z0) - f*), where f* is the best loss that any found; the cost
is in simplex gradients, d + 1 queries each. Candidates are asked for one by one where an optimizer can; CMA-ES runs
with its default population. DFO-LS joins where it is installed (GPL, so no dependency).
"""

import json
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np

import dfo_prompt as dp
from dfo_prompt.objectives.composite import PROBLEMS, Composed
from dfo_prompt.run.manifest import describe_run

DIMS = {"rosenbrock": (2, 6, 10, 12), "powell": (4, 8, 12), "linear": (5, 12)}
OTHER_DIMS = (3, 6, 10, 12)
POPSIZES = {
    "structured:gauss-newton": 1,
    "structured:cma": None,
    "cma": None,
    "scipy:Nelder-Mead": 1,
}
PRECISIONS = (1e-1, 1e-3, 1e-5, 1e-7)
GRADIENTS = (2, 5, 10, 20, 50)
SEEDS = (1, 2, 3, 4, 5)


class Watched:
    """An objective that records the best loss after each query, without the final evaluation of the recommendation."""

    def __init__(self, inner: Composed) -> None:
        self.inner, self.dim, self.outer = inner, inner.dim, inner.outer
        self.losses: list[float] = []

    def evaluate(self, candidates: dp.Matrix) -> dp.Evaluation:
        """Evaluate candidates (B, d)."""
        return self._keep(self.inner.evaluate(candidates))

    def evaluate_outputs(self, candidates: dp.Matrix) -> dp.Evaluation:
        """Evaluate candidates (B, d), with their outputs."""
        return self._keep(self.inner.evaluate_outputs(candidates))

    def _keep(self, found: dp.Evaluation) -> dp.Evaluation:
        self.losses += np.nan_to_num(found.losses, nan=np.inf).tolist()
        return found


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write figures and manifest to.")
def main(out: Path | None) -> None:
    """Print the share of problems that each optimizer solves within given numbers of simplex gradients."""
    solvers: dict[str, Callable[[Watched, int, float, int], None]] = {name: _study(name) for name in POPSIZES}
    if find_spec("dfols"):
        solvers["DFO-LS"] = _dfols
    curves = {name: [] for name in solvers}
    for problem in PROBLEMS:
        for dim in DIMS.get(problem, OTHER_DIMS):
            for seed in SEEDS:
                for name, solve in solvers.items():
                    curves[name].append(_curve(problem, dim, seed, solve))
    figures = _profiles(curves, _dims())
    for precision, rows in figures.items():
        click.echo(f"tau = {precision}: solved within {', '.join(map(str, GRADIENTS))} simplex gradients (%)")
        for name, shares in rows.items():
            click.echo(f"  {name:<26}" + "".join(f"{share:>7.0%}" for share in shares))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        about = {"runs": len(_dims()), "seeds": SEEDS, "simplex_gradients": GRADIENTS, "solved": figures}
        (out / "profiles.json").write_text(json.dumps(about, indent=2) + "\n")
        (out / "manifest.json").write_text(json.dumps(describe_run({}, {}, {}), indent=2) + "\n")


def _dims() -> list[int]:
    return [dim for problem in PROBLEMS for dim in DIMS.get(problem, OTHER_DIMS) for _ in SEEDS]


def _curve(problem: str, dim: int, seed: int, solve: Callable[[Watched, int, float, int], None]) -> np.ndarray:
    """Return the best loss after 0, 1, ... queries, that of the start first."""
    objective = Watched(dp.create_objective(f"least-squares:{problem}", dim=dim))  # type: ignore[arg-type]
    budget = GRADIENTS[-1] * (dim + 1)
    solve(objective, budget, 0.1 * max(1.0, float(np.abs(objective.inner.start).max())), seed)
    start = objective.inner.evaluate(np.zeros((1, dim))).losses[0]
    found = np.minimum.accumulate([start, *objective.losses[:budget]])
    return np.pad(found, (0, budget + 1 - len(found)), mode="edge")


def _study(name: str) -> Callable[[Watched, int, float, int], None]:
    def solve(objective: Watched, budget: int, sigma: float, seed: int) -> None:
        dp.minimize(objective, optimizer=name, budget=budget, popsize=POPSIZES[name], sigma=sigma, seed=seed)

    return solve


def _dfols(objective: Watched, budget: int, sigma: float, seed: int) -> None:
    import dfols  # noqa: PLC0415 - perhaps not installed

    np.random.seed(seed)  # noqa: NPY002 - it draws from the global generator

    def residuals(z: np.ndarray) -> np.ndarray:
        return objective.evaluate_outputs(z[None]).outputs[0]  # type: ignore[index]

    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        dfols.solve(residuals, np.zeros(objective.dim), rhobeg=sigma, rhoend=1e-12, maxfun=budget)


def _profiles(curves: dict[str, list[np.ndarray]], dims: list[int]) -> dict[str, dict[str, list[float]]]:
    best = [min(curve[i][-1] for curve in curves.values()) for i in range(len(dims))]
    return {
        f"{precision:.0e}": {
            name: [
                round(
                    float(np.mean([_is_solved(c, b, d, precision, k) for c, b, d in zip(found, best, dims, strict=True)])), 3
                )
                for k in GRADIENTS
            ]
            for name, found in curves.items()
        }
        for precision in PRECISIONS
    }


def _is_solved(curve: np.ndarray, best: float, dim: int, precision: float, gradients: int) -> bool:
    return bool(curve[gradients * (dim + 1)] <= best + precision * (curve[0] - best))


if __name__ == "__main__":
    main()
