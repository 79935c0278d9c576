"""Scores by criterion, of single weights and of units. Greater is more important.

Whether scores of different layers can be compared as they are:

    l1, l2, geometric-median   of weights yes (Han et al., 2015); of units each is over its group's
                               mean first (magnitude.py)
    lamp, random               yes
    gamma                      yes (Liu et al., 2017)
    apoz                       yes: shares
    taylor                     of weights yes (Molchanov et al., 2019); of units each is over the
                               length of its group's first (Molchanov et al., 2017)
    fisher, hessian            yes: an estimate of the loss
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gatesmith.ir import Graph, Node, Reals
from gatesmith.ops.const import Const
from gatesmith.prune.importance.criteria import criterion_of
from gatesmith.prune.importance.magnitude import (
    geometric_median,
    lamp,
    over_mean,
    random_scores,
)
from gatesmith.prune.importance.sample import Sample, needed
from gatesmith.quant.calibrate.layers import const, layers

if TYPE_CHECKING:
    from gatesmith.prune.structure import Group, Structure

OUT = "out"
"""Role of the slices that make a unit's value."""


def weight_scores(
    graph: Graph, criterion: str, sample: Sample | None = None, seed: int = 0
) -> dict[str, Reals]:
    """Score of each weight of each layer, by name of the Const, in its shape.

    Args:
        graph: Real; weights may have a FakeQuant.
        criterion: l1, l2 (its square: the same order), lamp, taylor, fisher, hessian or random.
        sample: Frames, for a criterion that needs data.
        seed: Of random numbers.

    Raises:
        UserError: prune.criterion, prune.data.
    """
    found = criterion_of(criterion, weights=True)
    if found.data:
        checked = needed(graph, sample, f"--criterion {criterion}")
        from gatesmith.prune.importance.gradients import weight_derivatives

        return weight_derivatives(graph, criterion, checked, seed)
    scores = {}
    for layer in layers(graph):
        name, w = layer.weight.name, const(layer.weight)
        match criterion:
            case "l1":
                scores[name] = np.abs(w)
            case "l2":
                scores[name] = np.square(w)
            case "lamp":
                scores[name] = lamp(np.square(w))
            case "random":
                scores[name] = random_scores(name, w.shape, seed)
            case _:
                raise AssertionError(f"{criterion}: add it to prune/importance/scores.py")
    return scores


def unit_scores(
    graph: Graph,
    structure: Structure,
    criterion: str,
    sample: Sample | None = None,
    seed: int = 0,
) -> dict[str, Reals]:
    """Score of each unit of each group, by name of the group.

    A magnitude is that of the weights that make the unit's value, of all its layers together (the
    slices of role ``out``); statistics and derivatives are of its channels.

    Args:
        graph: Real; weights may have a FakeQuant.
        structure: Of this graph.
        criterion: Any of CRITERIA.
        sample: Frames, for a criterion that needs data.
        seed: Of random numbers.

    Raises:
        UserError: prune.criterion, prune.data, prune.no-batch-norm, prune.never-zero.
    """
    found = criterion_of(criterion, weights=False)
    if not found.data:
        consts = {node.name: node for node in graph if isinstance(node.op, Const)}
        return {g.name: _from_weights(g, consts, criterion, seed) for g in structure.groups}
    checked = needed(graph, sample, f"--criterion {criterion}")
    if criterion in ("apoz", "gamma"):
        from gatesmith.prune.importance.activations import apoz, gamma

        return (apoz if criterion == "apoz" else gamma)(graph, structure.groups, checked)
    from gatesmith.prune.importance.gradients import unit_derivatives

    return unit_derivatives(graph, structure.groups, criterion, checked, seed)


def _from_weights(group: Group, consts: dict[str, Node], criterion: str, seed: int) -> Reals:
    if criterion == "random":
        return random_scores(group.name, (group.count,), seed)
    vectors = [_vector(group, unit, consts) for unit in range(group.count)]
    match criterion:
        case "l1":
            return over_mean(np.array([np.abs(v).sum() for v in vectors]))
        case "l2":
            return over_mean(np.array([np.sqrt(np.square(v).sum()) for v in vectors]))
        case "lamp":
            return lamp(np.array([np.square(v).sum() for v in vectors]))
        case "geometric-median":
            return over_mean(geometric_median(_padded(vectors)))
        case _:
            raise AssertionError(f"{criterion}: add it to prune/importance/scores.py")


def _vector(group: Group, unit: int, consts: dict[str, Node]) -> Reals:
    """The weights that make a unit's value, in a row."""
    parts = [
        np.take(const(consts[part.node]), part.index, axis=part.axis).reshape(-1)
        for part in group.slices[unit]
        if part.role == OUT
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _padded(vectors: list[Reals]) -> Reals:
    """(units, elements): units of different layers may have more and fewer."""
    table = np.zeros((len(vectors), max((v.size for v in vectors), default=0)))
    for row, vector in zip(table, vectors, strict=True):
        row[: vector.size] = vector
    return table
