"""How each integer operator becomes stages: one function an operator, by its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from gatesmith.codegen.builder import Builder, Tap
from gatesmith.codegen.dense_unrolled import UNROLLED
from gatesmith.codegen.matrix_unit import Fold, Naming, divisors
from gatesmith.codegen.matrix_units import (
    UNITS,
    layer_of,
    refusal,
    with_requantize,
    with_threshold,
)
from gatesmith.codegen.requantize import RequantizeStage
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.top_k import TopKStage
from gatesmith.ir import BIPOLAR, TERNARY, Array, Graph, IntType, Node, Op, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.top_k import TopK
from gatesmith.ops.window import Window

STRAIGHT = 4
"""Unrolled layers between two skid buffers, at most."""

LAYERS: dict[type[Op], Callable[[Builder, Node], None]] = {}


def layer(op: type[Op]) -> Callable[[Callable[[Builder, Node], None]], None]:
    """Register the stages of an operator."""

    def register(function: Callable[[Builder, Node], None]) -> None:
        LAYERS[op] = function

    return register


@layer(Reshape)
def reshape(builder: Builder, node: Node) -> None:
    """No stage: the stream's order stays; the reader says where its vectors begin."""
    builder.give(node, builder.take(node.args[0]))


@layer(Dense)
def dense(builder: Builder, node: Node) -> None:
    """The unit its fold names; behind a window of all taps at once the weights are moved.

    A Threshold or Requantize that alone reads the sums may become part of the stage. Up to STRAIGHT
    unrolled layers follow each other without a skid buffer: each is a pipeline that stands still as
    one, and what they hand on is a term more in the OR of tready.

    Raises:
        ValueError: The fold was chosen for other cycles, and the unit cannot be built at these.
    """
    fold, layer = builder.folds[node], layer_of(node, builder.cycles)
    unit = UNITS[fold.unit]
    if (why := refusal(unit, layer, fold.rom)) is not None:
        raise ValueError(f"{node.name} cannot be folded as {fold}: {why}")
    lanes = unit.lanes(layer, fold)
    tap = builder.take(node.args[0])
    row = builder.straight.get(tap.driver, 0) if unit.name == UNROLLED else 0
    if not 0 < row < STRAIGHT or tap.stream.lanes != lanes:
        tap.buffer()
        row = 0
    convert = tap.convert_waiting if isinstance(node.args[0].op, Window) else tap.convert
    convert(layer.inputs, lanes)
    naming = Naming(node.name, node.name, node.origin, builder.module(node.name))
    masked = is_masked(node, lanes, builder.tap_lanes.get(node.args[0], 0))
    stage = unit.stage(naming, layer, tap.stream, fold, masked=masked)
    behind = builder.only_reader(node)
    if behind is not None:
        whole = None
        if isinstance(behind.op, Threshold):
            whole = with_threshold(stage, behind.op)
        elif isinstance(behind.op, Requantize):
            whole = with_requantize(stage, behind.op)
        if whole is not None:
            stage = replace(whole, node=behind.name, origin=(*node.origin, *behind.origin))
            builder.done.add(behind)
    tap.put(stage)
    if unit.name == UNROLLED:
        builder.straight[tap.driver] = row + 1
    builder.give(node, tap.convert(node.type.channels, stage.sink.lanes))


def is_masked(node: Node, simd: int, together: int) -> bool:
    """Whether a Dense reads padded bipolar windows whose beats belong to one tap each.

    Args:
        node: The Dense.
        simd: Its SIMD.
        together: Neighbouring elements of the window's stream that are of one tap.
    """
    op = node.op
    assert isinstance(op, Dense)
    window = node.args[0]
    return (
        isinstance(window.op, Window)
        and window.args[0].type.elem == BIPOLAR
        and window.type.elem == TERNARY
        and op.weight_type == BIPOLAR
        and together > 0
        and together % simd == 0
    )


def is_identity(op: Threshold, x: IntType) -> bool:
    """Whether every value stays as it is: the quantizer behind a sign."""
    if op.out != x or op.reloadable:
        return False
    values = np.arange(x.lo, x.hi + 1, x.step)
    rows = max(op.thresholds.shape[0], op.falling.shape[0])
    found = op.run(np.repeat(values[:, None], rows, axis=1))
    return bool((found == values[:, None]).all())


@layer(Threshold)
def threshold(builder: Builder, node: Node) -> None:
    """Element by element, at the lanes that come; nothing where nothing changes."""
    op = node.op
    assert isinstance(op, Threshold)
    if node in builder.done:
        builder.give(node, builder.take(node.args[0]))
        return
    if is_identity(op, node.args[0].type.int_elem):
        builder.give(node, builder.take(node.args[0]))
        return
    tap, times = elementwise(builder, node)
    op = replace(op, thresholds=repeated(op.thresholds, times), falling=repeated(op.falling, times))
    module = builder.module(node.name)
    tap.put(ThresholdStage(node.name, node.name, node.origin, module, op, tap.stream))
    builder.give(node, tap)


@layer(Requantize)
def requantize(builder: Builder, node: Node) -> None:
    """Element by element, at the lanes that come."""
    op = node.op
    assert isinstance(op, Requantize)
    if node in builder.done:
        builder.give(node, builder.take(node.args[0]))
        return
    tap, times = elementwise(builder, node)
    op = replace(op, mul=repeated(op.mul, times), add=repeated(op.add, times))
    module = builder.module(node.name)
    tap.put(RequantizeStage(node.name, node.name, node.origin, module, op, tap.stream))
    builder.give(node, tap)


@layer(TopK)
def top_k(builder: Builder, node: Node) -> None:
    """One beat of channels after the other."""
    op = node.op
    assert isinstance(op, TopK)
    channels = node.args[0].type.channels
    tap = builder.take(node.args[0]).buffer().in_vectors(channels)
    tap = tap if op.k == 1 else tap.convert(channels, 1)
    module = builder.module(node.name)
    tap.put(TopKStage(node.name, node.name, node.origin, module, op, tap.stream))
    builder.give(node, tap)


def elementwise(builder: Builder, node: Node) -> tuple[Tap, int]:
    """The stream that an element-wise operator reads, and how often its channels repeat in it.

    Beats that cross vectors stay as they are: the whole frame counts as one vector.
    """
    tap = builder.take(node.args[0])
    t = node.args[0].type
    if t.channels % tap.stream.lanes == 0 or t.size % tap.stream.lanes:
        return tap.in_vectors(t.channels), 1
    return tap.convert(t.size, tap.stream.lanes), t.vectors


def repeated(params: Array, times: int) -> Array:
    """Parameters by channel, for ``times`` vectors in a row; one row for all stays one."""
    if times == 1 or params.shape[0] == 1:
        return params
    return Array(np.concatenate([params.data] * times))


def lanes_in(
    graph: Graph, node: Node, folds: Mapping[Node, Fold], cycles: int, wished: int | None = None
) -> int:
    """Lanes of an input stream of a graph with these folds; see :func:`input_lanes`."""
    if wished is not None:
        return wished
    lanes = (UNITS[folds[n].unit].lanes(layer_of(n, cycles), folds[n]) for n in graph if n in folds)
    return input_lanes(node.type, next(lanes, None), cycles)


def input_lanes(x: TensorType, first: int | None, cycles: int) -> int:
    """Lanes of an input stream: the fewest that do not slow the design down.

    Lanes in an integer ratio to the first unit's SIMD come first: their converter is a shift
    register.

    Args:
        x: Type of the input.
        first: Lanes that the first matrix-vector unit reads; None where there is none.
        cycles: Most cycles a frame.
    """
    # Beats inside one vector where they are wide enough, else beats that cross vectors.
    enough = [lanes for lanes in divisors(x.channels) if x.size // lanes <= cycles]
    enough = enough or [lanes for lanes in divisors(x.size) if x.size // lanes <= cycles]
    with_first = enough[0] if first is None else first
    even = [n for n in enough if with_first % n == 0 or n % with_first == 0]
    return (even or enough)[0]
