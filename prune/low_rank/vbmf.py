"""Rank of a matrix that is of low rank but for noise, by empirical variational Bayes.

Source: Nakajima, Sugiyama, Babacan and Tomioka, "Global analytic solution of fully-observed
variational Bayesian matrix factorization", JMLR 2013: theorem 2 (the threshold) and 4 (the noise).
For a matrix L x M, L <= M, of singular values g and noise of variance v, with a = L / M:

    rank = number of g with g^2 > M v x_,   x_ = (1 + t_)(1 + a / t_),   t_ = 2.5129 sqrt(a)

v is what minimizes  sum of psi(g^2 / (M v))  in its bounds, with

    psi(x) = x - log x + [x > x_] (log(t + 1) + a log(t / a + 1) - t)
    t(x)   = (x - 1 - a + sqrt((x - 1 - a)^2 - 4 a)) / 2

Kim et al. (ICLR 2016) choose Tucker-2 ranks so.
"""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np

from gatesmith.ir import Reals

POINTS = 512
ROUNDS = 4
"""The minimum is looked for on a grid of so many variances, and so often on a finer one."""


def noise_rank(spectrum: Reals, shape: tuple[int, int]) -> int:
    """Rank, 0 or more.

    Args:
        spectrum: Singular values of the matrix, from the largest on.
        shape: Of the matrix.
    """
    small, large = min(shape), max(shape)
    a = small / large
    t = 2.5129 * sqrt(a)
    least = (1 + t) * (1 + a / t)
    energy = np.maximum(spectrum**2 / large, np.finfo(np.float64).tiny)
    start = max(ceil(small / (1 + a)) - 1, 0)
    low = float(max(energy[start:].mean(), energy[start] / least))
    high = float(energy.sum() / small)
    low = max(low, high * 1e-14)  # no noise at all has no logarithm
    variance = _minimum(energy, a, least, (min(low, high), high))
    return int((energy > variance * least).sum())


def _minimum(energy: Reals, a: float, least: float, bounds: tuple[float, float]) -> float:
    """The variance of the least free energy; it may have several minima, so a grid first."""
    low, high = bounds
    best = low
    for _ in range(ROUNDS):
        grid = np.geomspace(low, high, POINTS)
        at = int(np.argmin(_free_energy(energy / grid[:, None], a, least)))
        best = float(grid[at])
        low, high = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, POINTS - 1)])
    return best


def _free_energy(x: Reals, a: float, least: float) -> Reals:
    """Sum of psi over the last axis."""
    above = x > least
    room = np.where(above, x, least + 1) - (1 + a)
    t = (room + np.sqrt(room**2 - 4 * a)) / 2
    more = np.log(t + 1) + a * np.log(t / a + 1) - t
    total: Reals = (x - np.log(x) + np.where(above, more, 0.0)).sum(axis=-1)
    return total
