"""The subproblem: minimise h(F + t J) over a ball, where h is convex and known. No query is needed for it."""

import numpy as np
from scipy.optimize import brentq

import dfo_prompt as dp

STEPS = 30
"""Newton steps at most; a least-squares problem needs two."""
HALVINGS = 20
ENOUGH = 1e-9
"""Decrease, relative to the loss, below which the minimum is found."""
SINGULAR = 1e-14
"""Curvature, relative to the largest, that counts as none."""


def minimise(outer: dp.Outer, outputs: dp.Vector, slopes: dp.Matrix, radius: float) -> tuple[dp.Vector, float]:
    """Return t (k,) of at most the length `radius` that minimises h(F + t J), and how much smaller than h(F) that is.

    Newton's method on the ball: each step minimises the second-order model exactly, and is halved until the loss falls.

    Args:
        outer: h.
        outputs: F, (M,).
        slopes: J, (k, M), the change of the outputs along each of k orthonormal directions.
        radius: of the ball.
    """
    t = np.zeros(len(slopes))
    start = value = _loss(outer, outputs)
    for _ in range(STEPS):
        now = (outputs + t @ slopes)[None]
        gradient = slopes @ outer.gradient(now)[0]  # (k,)
        hessian = slopes @ outer.curvature(now, slopes).T  # (k, k)
        if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
            break
        step = quadratic_in_ball(gradient - hessian @ t, hessian, radius) - t
        share = 1.0
        for _ in range(HALVINGS):
            if (found := _loss(outer, outputs + (t + share * step) @ slopes)) < value:
                break
            share /= 2
        else:
            break
        t, gain, value = t + share * step, value - found, found
        if gain <= ENOUGH * abs(value):
            break
    return t, start - value


def quadratic_in_ball(gradient: dp.Vector, hessian: dp.Matrix, radius: float) -> dp.Vector:
    """Return t (k,), |t| <= radius, that minimises g t + t H t / 2, H positive semidefinite (Moré and Sorensen, 1983)."""
    widths, axes = np.linalg.eigh((hessian + hessian.T) / 2)
    pull = -gradient @ axes
    most = float(np.linalg.norm(pull)) / radius  # of the multiplier: the solution is shorter than the radius there
    if not most:
        return np.zeros(len(gradient))
    # Directions with neither curvature nor slope stay where they are.
    least = max(SINGULAR * float(widths[-1]), float(np.finfo(np.float64).tiny))
    widths = np.maximum(widths, least)
    pull[np.abs(pull) < SINGULAR * np.abs(pull).max()] = 0

    def slack(multiplier: float) -> float:
        length = float(np.linalg.norm(pull / (widths + multiplier)))
        return 1 / length - 1 / radius if length else np.inf  # squares of the smallest numbers are zero

    with np.errstate(over="ignore"):
        multiplier = 0.0 if slack(0.0) >= 0 else float(brentq(slack, 0.0, 2 * most, xtol=1e-16 * most))
    t: dp.Vector = axes @ (pull / (widths + multiplier))
    return t


def _loss(outer: dp.Outer, outputs: dp.Vector) -> float:
    return float(outer.losses(outputs[None])[0])
