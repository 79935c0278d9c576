"""Stages of sliding windows: convolutions, depthwise convolutions and pools."""

from __future__ import annotations

from gatesmith.codegen.builder import Builder, Tap
from gatesmith.codegen.depthwise import DepthwiseStage
from gatesmith.codegen.layers import layer
from gatesmith.codegen.max_pool import MaxPoolStage
from gatesmith.codegen.reduce import ReduceStage
from gatesmith.codegen.window import WindowStage
from gatesmith.codegen.windowing import Windowing, window_groups, windowing
from gatesmith.ir import Array, Node
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.window import Window


@layer(Window)
def window(builder: Builder, node: Node) -> None:
    """A sliding window before a Dense."""
    op = node.op
    assert isinstance(op, Window)
    x = node.args[0]
    found = windowing(x, node.type.shape, op.taps, op.groups, builder.cycles)
    groups = window_groups(node, found)
    tap = _windowed(builder, node, op, name=node.name, found=found, groups=groups)
    builder.tap_lanes[node] = x.type.channels // groups
    tap.convert(node.type.channels // op.groups, tap.stream.lanes)
    builder.give(node, tap)


def _windowed(
    builder: Builder, node: Node, op: Window, *, name: str, found: Windowing, groups: int
) -> Tap:
    x = node.args[0].type
    tap = builder.take(node.args[0]).buffer().convert_waiting(x.channels, found.lanes)
    shape = (x.shape[0], x.shape[1], x.shape[2])
    lanes = found.lanes * (op.taps if found.parallel else 1)
    module = builder.module(name)
    stage = WindowStage(name, node.name, node.origin, module, op, shape, tap.stream, groups, lanes)
    return tap.put(stage)


def _taps(builder: Builder, node: Node, fill: Array) -> tuple[Tap, int]:
    """Windows of PE channels, all taps of these behind each other, and PE."""
    op, x = node.op, node.args[0]
    assert isinstance(op, Depthwise | MaxPool)
    taps = op.kernel[0] * op.kernel[1]
    found = windowing(x, node.type.shape, taps, 1, builder.cycles)
    groups = x.type.channels // found.lanes
    shaped = Window(op.kernel, op.strides, op.pads, op.dilations, fill, groups)
    name = builder.fresh(f"{node.name}_window")
    tap = _windowed(builder, node, shaped, name=name, found=found, groups=groups)
    return tap.buffer().wait(), found.lanes


@layer(Depthwise)
def depthwise(builder: Builder, node: Node) -> None:
    """Sums of products of each channel with its own weights."""
    op = node.op
    assert isinstance(op, Depthwise)
    tap, pe = _taps(builder, node, op.fill)
    module = builder.module(node.name)
    channels = node.type.channels
    tap.put(DepthwiseStage(node.name, node.name, node.origin, module, op, channels, tap.stream, pe))
    builder.give(node, tap)


@layer(MaxPool)
def max_pool(builder: Builder, node: Node) -> None:
    """The largest of each window; padding is the least value."""
    op = node.op
    assert isinstance(op, MaxPool)
    least = Array([node.args[0].type.int_elem.lo])
    tap, pe = _taps(builder, node, least)
    module = builder.module(node.name)
    channels = node.type.channels
    tap.put(MaxPoolStage(node.name, node.name, node.origin, module, op, channels, tap.stream, pe))
    builder.give(node, tap)


@layer(Reduce)
def reduce(builder: Builder, node: Node) -> None:
    """Over time, one vector after another."""
    op, x = node.op, node.args[0].type
    assert isinstance(op, Reduce)
    tap = builder.take(node.args[0]).buffer().in_vectors(x.channels)
    module = builder.module(node.name)
    count = x.shape[-2]
    tap.put(ReduceStage(node.name, node.name, node.origin, module, op, tap.stream, count))
    builder.give(node, tap)
