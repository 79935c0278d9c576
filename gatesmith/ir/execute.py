"""Run a graph on a batch of frames: the NumPy reference."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

import numpy as np

from gatesmith.ir.graph import Graph, Node
from gatesmith.ir.types import IntType, TensorType, Values
from gatesmith.ops.input import Input


def execute(
    graph: Graph, inputs: Mapping[str, Values], keep: Collection[Node] = ()
) -> dict[Node, Values]:
    """Values of the outputs and of ``keep``, each of the shape (frames, *node.type.shape).

    Every operator defines its own exact result (Op.run); an intermediate value is dropped after
    its last reader. A part of the graph that depends on no input is computed once.

    Args:
        graph: Real, integer, or both.
        inputs: (frames, *shape) arrays by name of the Input node; one is needed for each.
        keep: Nodes of the graph whose values are wanted too.

    Raises:
        ValueError: An input is missing, too many, of the wrong shape, or outside its type.
    """
    order = list(graph)
    given = {node for node in order if isinstance(node.op, Input)}
    frames = _check(given, inputs)
    wanted = {*graph.outputs, *keep}
    left = graph.users()
    values: dict[Node, Values] = {}
    constant: set[Node] = set()
    results: dict[Node, Values] = {}
    for node in order:
        if node in given:
            value = _typed(inputs[node.name], node.type)
        elif all(arg in constant for arg in node.args):
            constant.add(node)
            lifted = [values[arg][None] for arg in node.args]
            value = cast(Values, node.op.run(*lifted)[0]) if lifted else node.op.run()
        else:
            value = node.op.run(*(values[arg] for arg in node.args))
        values[node] = value
        if node in wanted:
            results[node] = _spread(value, frames) if node in constant else value
        for arg in node.args:
            left[arg] -= 1
            if left[arg] == 0:
                values.pop(arg, None)
    return results


def _spread(value: Values, frames: int) -> Values:
    """A constant, once a frame."""
    return cast(Values, np.broadcast_to(value, (frames, *value.shape)))


def _typed(values: Values, wanted: TensorType) -> Values:
    """Integers as int64, reals as float64."""
    if isinstance(wanted.elem, IntType):
        return values.astype(np.int64)
    return values.astype(np.float64)


def _check(given: set[Node], inputs: Mapping[str, Values]) -> int:
    """Number of frames of inputs that fit their nodes."""
    types = {node.name: node.type for node in given}
    if types.keys() != inputs.keys():
        raise ValueError(f"inputs must be {sorted(types)}, not {sorted(inputs)}")
    frames = {name: len(values) for name, values in inputs.items()}
    if len(set(frames.values())) > 1:
        raise ValueError(f"inputs have different numbers of frames: {frames}")
    for name, values in inputs.items():
        _check_values(name, types[name], values)
    return next(iter(frames.values()), 1)


def _check_values(name: str, wanted: TensorType, values: Values) -> None:
    if values.shape[1:] != wanted.shape:
        frame = list(values.shape[1:])
        raise ValueError(f"a frame of {name} must have the shape {list(wanted.shape)}, not {frame}")
    if isinstance(wanted.elem, IntType) and not wanted.elem.contains(values):
        raise ValueError(f"{name} has values from {values.min()} to {values.max()}: {wanted.elem}")
