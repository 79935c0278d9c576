"""One energy for all layers, so that the network's measured cost falls by a share.

Layers whose weights are redundant lose most: what is equal is the energy that each keeps, not its
rank. The energy is found by bisection; the cost need not fall evenly with it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.prune.low_rank.choice import Wish
from gatesmith.prune.low_rank.counts import multiplications
from gatesmith.prune.low_rank.decompose import Cost, Decomposed, Splitter
from gatesmith.quant.calibrate.runner import Frames, Runner, reference_runner

LEAST = 1e-6
"""Energy that every rank keeps: the least one."""

STEPS = 12
"""Halvings of the range of energies."""


def decompose_to(
    graph: Graph,
    method: str,
    *,
    ratio: float,
    layers: Collection[str] | None = None,
    cost: Cost | None = None,
    round_to: int = 1,
    sample: Frames | None = None,
    runner: Runner = reference_runner,
) -> tuple[Decomposed, float]:
    """The network split as little as brings its cost down by ``ratio``, and the energy kept.

    Args:
        graph: As for :func:`decompose`, like all but these:
        method: Name.
        ratio: Share of the cost of the whole network that goes, at least.
        layers: Names or None.
        cost: Of a network.
        round_to: Of ranks.
        sample: Frames.
        runner: Runs the graph on the sample.

    Errors: as :func:`decompose`, and ``prune.low-rank-budget``.
    """
    measured = cost or multiplications
    wish = Wish(None if layers is None else tuple(layers), ratio=ratio, round_to=round_to)
    wish = replace(wish, energy=LEAST, ratio=None)
    splitter = Splitter(graph, method, wish, sample, runner)
    best, low, high = splitter.split(wish, measured), LEAST, 1.0
    most = (1 - ratio) * best.cost_before
    if best.cost_after > most:
        raise _unreachable(best, method, ratio, most)
    for _ in range(STEPS):
        energy = (low + high) / 2
        tried = splitter.split(replace(wish, energy=energy), measured)
        if tried.cost_after <= most:
            best, low = tried, energy
        else:
            high = energy
    return best, low


def _unreachable(least: Decomposed, method: str, ratio: float, most: float) -> UserError:
    return UserError(
        "prune.low-rank-budget",
        f"{method} cannot take {100 * ratio:.3g} % off the cost",
        where="low rank, ratio",
        why=f"the least ranks leave {least.cost_after:g} of {least.cost_before:g}, above {most:g}",
        fix=("ask for less", "another method", "prune channels first"),
    )
