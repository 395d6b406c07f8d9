"""Minimises h(F + t J), for a known convex h, over a ball without queries."""

import numpy as np
from scipy.optimize import brentq

import dfo_prompt as dp

Length = dp.Positive
"""A radius, in units of sigma sqrt(d)."""
MAX_RADIUS = 1e6
"""The largest radius, relative to the first, where the loss falls without end."""
MAX_STEPS = 30
"""The largest number of Newton steps; a least-squares problem needs two."""
MAX_HALVINGS = 20
"""The largest number of halvings of a step."""
CONVERGED = 1e-9
"""The relative decrease of the loss below which the method has converged."""
SINGULAR = 1e-14
"""The curvature, relative to the largest, that counts as zero."""


def minimise(outer: dp.Outer, outputs: dp.Vector, slopes: dp.Matrix, radius: float) -> tuple[dp.Vector, float]:
    """Return t (k,) with |t| <= `radius` that minimises h(F + t J), and the decrease from h(F).

    Newton's method on the ball: each step minimises the second-order model exactly, and is halved until the loss falls.

    Args:
        outer: h.
        outputs: F (M,).
        slopes: J (k, M), the slopes of the outputs along k orthonormal directions.
        radius: the radius of the ball.
    """
    t = np.zeros(len(slopes))
    start = value = _loss(outer, outputs)
    for _ in range(MAX_STEPS):
        current = (outputs + t @ slopes)[None]
        gradient = slopes @ outer.gradient(current)[0]  # (k,)
        hessian = slopes @ outer.curvature(current, slopes).T  # (k, k)
        if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
            break
        step = quadratic_in_ball(gradient - hessian @ t, hessian, radius) - t
        share = 1.0
        for _ in range(MAX_HALVINGS):
            if (trial := _loss(outer, outputs + (t + share * step) @ slopes)) < value:
                break
            share /= 2
        else:
            break
        t, gain, value = t + share * step, value - trial, trial
        if gain <= CONVERGED * abs(value):
            break
    return t, start - value


def quadratic_in_ball(gradient: dp.Vector, hessian: dp.Matrix, radius: float) -> dp.Vector:
    """Return t (k,) that minimises g t + t H t / 2 for |t| <= radius and semidefinite H (Moré and Sorensen, 1983)."""
    curvatures, axes = np.linalg.eigh((hessian + hessian.T) / 2)
    pull = -gradient @ axes
    bound = float(np.linalg.norm(pull)) / radius  # of the multiplier
    if not bound:
        return np.zeros(len(gradient))
    # The solution is zero in directions with neither curvature nor slope.
    floor = max(SINGULAR * float(curvatures[-1]), float(np.finfo(np.float64).tiny))
    curvatures = np.maximum(curvatures, floor)
    pull[np.abs(pull) < SINGULAR * np.abs(pull).max()] = 0

    def slack(multiplier: float) -> float:
        length = float(np.linalg.norm(pull / (curvatures + multiplier)))
        return 1 / length - 1 / radius if length else np.inf  # squares of tiny numbers underflow

    with np.errstate(over="ignore"):
        multiplier = 0.0 if slack(0.0) >= 0 else float(brentq(slack, 0.0, 2 * bound, xtol=1e-16 * bound))
    t: dp.Vector = axes @ (pull / (curvatures + multiplier))
    return t


def _loss(outer: dp.Outer, outputs: dp.Vector) -> float:
    return float(outer.losses(outputs[None])[0])
