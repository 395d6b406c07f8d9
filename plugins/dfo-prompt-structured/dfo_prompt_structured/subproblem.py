"""Minimises h(F + t J) over a ball, where h is convex and known, without queries."""

import numpy as np
from scipy.optimize import brentq

import dfo_prompt as dp

STEPS = 30
"""The most Newton steps; a least-squares problem needs two."""
HALVINGS = 20
ENOUGH = 1e-9
"""The relative decrease of the loss below which the method has converged."""
SINGULAR = 1e-14
"""The curvature, relative to the largest, that counts as zero."""


def minimise(outer: dp.Outer, outputs: dp.Vector, slopes: dp.Matrix, radius: float) -> tuple[dp.Vector, float]:
    """Return t (k,) with |t| <= `radius` that minimises h(F + t J), and the decrease from h(F).

    Newton's method on the ball: each step minimises the second-order model exactly, and is halved until the loss falls.

    Args:
        outer: h.
        outputs: F, (M,).
        slopes: J, (k, M), the change of the outputs along each of k orthonormal directions.
        radius: the radius of the ball.
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
            if (trial := _loss(outer, outputs + (t + share * step) @ slopes)) < value:
                break
            share /= 2
        else:
            break
        t, gain, value = t + share * step, value - trial, trial
        if gain <= ENOUGH * abs(value):
            break
    return t, start - value


def quadratic_in_ball(gradient: dp.Vector, hessian: dp.Matrix, radius: float) -> dp.Vector:
    """Return t (k,), |t| <= radius, that minimises g t + t H t / 2, H positive semidefinite (Moré and Sorensen, 1983)."""
    widths, axes = np.linalg.eigh((hessian + hessian.T) / 2)
    pull = -gradient @ axes
    most = float(np.linalg.norm(pull)) / radius  # an upper bound of the multiplier
    if not most:
        return np.zeros(len(gradient))
    # The solution is zero along directions with neither curvature nor slope.
    least = max(SINGULAR * float(widths[-1]), float(np.finfo(np.float64).tiny))
    widths = np.maximum(widths, least)
    pull[np.abs(pull) < SINGULAR * np.abs(pull).max()] = 0

    def slack(multiplier: float) -> float:
        length = float(np.linalg.norm(pull / (widths + multiplier)))
        return 1 / length - 1 / radius if length else np.inf  # squares of tiny numbers underflow

    with np.errstate(over="ignore"):
        multiplier = 0.0 if slack(0.0) >= 0 else float(brentq(slack, 0.0, 2 * most, xtol=1e-16 * most))
    t: dp.Vector = axes @ (pull / (widths + multiplier))
    return t


def _loss(outer: dp.Outer, outputs: dp.Vector) -> float:
    return float(outer.losses(outputs[None])[0])
