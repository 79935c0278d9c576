"""Importance from the weights alone.

Units are compared between layers, and layers have weights of different size, so scores of units
are divided by the mean of their group (Fang et al., DepGraph, 2023). LAMP needs none.
"""

from __future__ import annotations

import zlib

import numpy as np

from gatesmith.ir import Reals


def lamp(squares: Reals) -> Reals:
    """Each square over the sum of itself and all larger ones, over one layer.

    Ranked over all layers it removes what distorts the layer's output least, and the largest weight
    of a layer has the score 1: no layer is emptied while another has more. Among equal ones an
    earlier one counts as smaller. Source: Lee et al., 2021, "Layer-adaptive sparsity for the
    magnitude-based pruning".

    >>> lamp(np.array([3.0, 1.0, 0.0]))
    array([1.  , 0.25, 0.  ])
    """
    flat = squares.reshape(-1)
    order = np.argsort(flat, kind="stable")
    rising = flat[order]
    larger = np.cumsum(rising[::-1])[::-1]
    scores = np.empty_like(flat)
    scores[order] = np.divide(rising, larger, out=np.zeros_like(rising), where=larger > 0)
    return scores.reshape(squares.shape)


def geometric_median(vectors: Reals) -> Reals:
    """Sum of the distances of each vector from all others.

    The vector with the least sum is nearest to the geometric median, so the others can stand in for
    it. Source: He et al., 2019, "Filter pruning via geometric median".

    Args:
        vectors: (units, elements).

    >>> geometric_median(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]))
    array([15., 10., 15.])
    """
    total = np.zeros(len(vectors))
    for at, vector in enumerate(vectors):
        total[at] = np.sqrt(np.square(vectors - vector).sum(axis=1)).sum()
    return total


def over_mean(scores: Reals) -> Reals:
    """Scores divided by their mean, so that those of several groups can be compared."""
    mean = scores.mean() if scores.size else 0.0
    return scores / mean if mean > 0 else scores


def random_scores(name: str, shape: tuple[int, ...], seed: int) -> Reals:
    """Uniform in [0, 1): of this layer or group, whatever else the network has."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())]).random(shape)
