"""Second moments of what layers read, and matrices split with regard to them.

For inputs x (rows) of a matrix product the error of its results is

    E |x d|^2 = tr(d' M d) = |R d|^2,   M = E x'x = R R, R = R', d the error of the weights,

so the best approximation of w of some rank is R^-1 times the truncated SVD of R w (weighted low
rank approximation: e.g. Zhang et al., TPAMI 2016, section 3, without their nonlinear part).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gatesmith.ir import Graph, Node, Reals
from gatesmith.quant.calibrate.layers import Layer
from gatesmith.quant.calibrate.patches import sample_rows
from gatesmith.quant.calibrate.runner import Frames, Runner, batches

ROWS = 4096
"""Rows of inputs of a layer that its moment is taken from."""

BATCH = 64
"""Frames that are run at a time."""

FLOOR = 1e-4
"""Least eigenvalue of a moment, over the mean one: inputs that never vary could become anything."""


def moments(graph: Graph, layers: Iterable[Node], sample: Frames, run: Runner) -> dict[str, Reals]:
    """Second moment (n, n) of the n inputs of one output of each layer, by its name.

    Args:
        graph: Real.
        layers: Conv without groups, MatMul; weights constant.
        sample: Frames.
        run: Runs the graph.
    """
    found = [Layer(node, node.args[0], node.args[1], None) for node in layers]
    sizes = {one.name: one.weight.type.size // one.weight.type.channels for one in found}
    sums: dict[str, Reals] = {name: np.zeros((n, n)) for name, n in sizes.items()}
    counts = dict.fromkeys(sums, 0)
    rng = np.random.default_rng(0)
    parts = list(batches(sample, BATCH))
    most = -(-ROWS // max(1, len(parts)))
    for frames in parts:
        values = run(graph, tuple(dict.fromkeys(one.source for one in found)), frames)
        for one in found:
            rows = sample_rows(one, values[one.source.name], most, rng)[0].astype(np.float64)
            sums[one.name] += rows.T @ rows
            counts[one.name] += len(rows)
    return {name: total / max(1, counts[name]) for name, total in sums.items()}


def roots(moment: Reals) -> tuple[Reals, Reals]:
    """Symmetric square roots of moments (..., n, n), and their inverses."""
    values, vectors = np.linalg.eigh(moment)
    mean = values.mean(axis=-1, keepdims=True)
    values = np.sqrt(np.maximum(values, np.where(mean > 0, FLOOR * mean, 1.0)))[..., None, :]
    turned = np.swapaxes(vectors, -1, -2)
    return (vectors * values) @ turned, (vectors / values) @ turned


def of_channels(moment: Reals, channels: int) -> Reals:
    """Moment (C, C) of a position from that of all taps, (taps * C, taps * C), their mean."""
    taps = len(moment) // channels
    split = moment.reshape(taps, channels, taps, channels)
    return np.asarray(np.einsum("tatb->ab", split) / taps)


def halves(w: Reals, rank: int, moment: Reals | None) -> tuple[Reals, Reals]:
    """Best (..., n, rank) and (..., rank, m) whose product is near to w (..., n, m).

    Source: Eckart and Young, Psychometrika 1936. The singular values go to both sides, their
    square roots, so that the numbers in between are of the size of those around.
    """
    root, inverse = (None, None) if moment is None else roots(moment)
    u, s, v = np.linalg.svd(w if root is None else root @ w, full_matrices=False)
    share = np.sqrt(s[..., :rank])
    first = u[..., :rank] * share[..., None, :]
    return first if inverse is None else inverse @ first, share[..., None] * v[..., :rank, :]


def singular_values(w: Reals, moment: Reals | None) -> Reals:
    """Of matrices (..., n, m), from the largest on."""
    seen = w if moment is None else roots(moment)[0] @ w
    values = np.linalg.svd(seen, compute_uv=False)
    return np.asarray(values, np.float64)
