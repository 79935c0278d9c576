"""Stages that bring streams together, move elements, and look values up."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from gatesmith.codegen.builder import Builder, Tap
from gatesmith.codegen.concat import ConcatStage
from gatesmith.codegen.gather import GatherStage, granularity
from gatesmith.codegen.join import JoinStage
from gatesmith.codegen.layers import elementwise, layer, repeated
from gatesmith.codegen.lockstep import LockstepStage
from gatesmith.codegen.matrix_unit import divisors
from gatesmith.codegen.product import ProductStage
from gatesmith.codegen.select import SelectStage
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.table import TableStage
from gatesmith.errors import UserError
from gatesmith.ir import Node
from gatesmith.ops.concat import Concat
from gatesmith.ops.gather import Gather
from gatesmith.ops.join import Join
from gatesmith.ops.product import Product
from gatesmith.ops.select import Select
from gatesmith.ops.table import Table

PAIRED: dict[type, type[LockstepStage]] = {
    Join: JoinStage,
    Product: ProductStage,
    Select: SelectStage,
}


def _paired(builder: Builder, node: Node) -> None:
    """Two streams, beat by beat."""
    taps = [builder.take(arg).buffer() for arg in node.args]
    channels = node.type.channels
    enough = [n for n in divisors(channels) if node.type.size // n <= builder.cycles]
    enough = enough or [channels]
    wanted = sorted({tap.stream.lanes for tap in taps} & set(enough))
    lanes = (wanted or enough)[0]
    for tap in taps:
        tap.convert_waiting(channels, lanes)
    module = builder.module(node.name)
    stage = PAIRED[type(node.op)](
        node.name,
        node.name,
        node.origin,
        module,
        node.op,
        taps[0].stream,
        taps[1].stream,
    )
    driver = builder.put(stage, *(tap.driver for tap in taps))
    builder.give(node, Tap(builder, driver, stage.sink))


for _op in PAIRED:
    layer(_op)(_paired)


@layer(Concat)
def concat(builder: Builder, node: Node) -> None:
    """Streams in turn: some beats of each."""
    op = node.op
    assert isinstance(op, Concat)
    taps = [builder.take(arg).buffer() for arg in node.args]
    shapes = [arg.type.shape for arg in node.args]
    last = op.axis == len(node.type.shape) - 1
    widths = [shape[-1] if last else node.type.channels for shape in shapes]
    common = [n for n in divisors(min(widths)) if all(w % n == 0 for w in widths)]
    enough = [n for n in common if node.type.size // n <= builder.cycles] or common[-1:]
    lanes = enough[0]
    counts = []
    for tap, shape in zip(taps, shapes, strict=True):
        tap.convert_waiting(shape[-1], lanes)
        counts.append(prod(shape[op.axis :]) // lanes)
    t = node.type
    out = Stream(t.int_elem, t.channels, t.vectors, lanes)
    module = builder.module(node.name)
    streams = tuple(tap.stream for tap in taps)
    stage = ConcatStage(node.name, node.name, node.origin, module, op, streams, tuple(counts), out)
    driver = builder.put(stage, *(tap.driver for tap in taps))
    builder.give(node, Tap(builder, driver, out))


@layer(Gather)
def gather(builder: Builder, node: Node) -> None:
    """Movement of beats, the fewest lanes that are quick enough."""
    op, x, t = node.op, node.args[0].type, node.type
    assert isinstance(op, Gather)
    most = granularity(op.index.data.reshape(-1), x.channels, t.channels)
    size = max(x.size, t.size)
    fitting = divisors(most)
    lanes = next((n for n in fitting if size // n <= builder.cycles), None)
    if lanes is None:
        raise UserError(
            "codegen.target",
            f"{builder.cycles} cycles a frame are out of reach",
            where=f'layer "{node.name}", from {", ".join(node.origin) or "the model"}',
            why=f"it moves {size} elements, at most {most} of them at a time",
            fix=(f"ask for {size // most} cycles or more",),
        )
    # What is filled in and repeated comes in bursts, for which its source may be too even.
    tap = builder.take(node.args[0]).buffer().convert_waiting(x.channels, lanes)
    out = Stream(t.int_elem, t.channels, t.vectors, lanes)
    module = builder.module(node.name)
    tap.put(GatherStage(node.name, node.name, node.origin, module, op, tap.stream, out))
    builder.give(node, tap)


@layer(Table)
def table(builder: Builder, node: Node) -> None:
    """A look-up, element by element."""
    op = node.op
    assert isinstance(op, Table)
    tap, times = elementwise(builder, node)
    op = replace(op, values=repeated(op.values, times))
    module = builder.module(node.name)
    tap.put(TableStage(node.name, node.name, node.origin, module, op, tap.stream))
    builder.give(node, tap)
