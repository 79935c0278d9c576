"""What a stage means, element by element, as SystemVerilog expressions.

An output element of a frame depends on a few input elements of the same frame. Which ones, and
what the operator makes of them, is written here from the operator (gatesmith/ops), not from the
template that implements it: movements by running the operator's reference on the numbers of the
elements, arithmetic by its formula in integers that are wide enough for every intermediate value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from gatesmith.codegen.concat import ConcatStage
from gatesmith.codegen.gather import GatherStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.window import WindowStage
from gatesmith.ir import Array, Ints, Values
from gatesmith.ops.dense import Dense
from gatesmith.ops.join import Join
from gatesmith.ops.product import Product
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.select import Select
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold

FAR = 1 << 40
"""Numbers of elements begin here, where no fill is."""


@dataclass(frozen=True, slots=True)
class Take:
    """An input element: of which source, in which beat of the frame, at which place of the beat."""

    source: int
    beat: int
    place: int


@dataclass(frozen=True, slots=True)
class Pick:
    """An output element.

    Attributes:
        beat: Beat of the frame.
        place: Of the beat.
        takes: What it depends on; the text calls their values v0, v1, ...
        text: Statements that set ``want`` to its value; ``t`` is free for use.
    """

    beat: int
    place: int
    takes: tuple[Take, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """All output elements of a frame.

    Attributes:
        picks: In the order of the stream.
        bound: No value in a text is larger, or smaller than its negative.
    """

    picks: tuple[Pick, ...]
    bound: int


def meaning(stage: Stage) -> Meaning | None:
    """What the stage means, or None where there is no formula for it here."""
    match stage:
        case GatherStage():
            return _moved(stage, stage.op.run(_numbers(stage.source)).astype(np.int64))
        case WindowStage():
            slid = replace(stage.op, groups=stage.groups)
            frame = _numbers(stage.source).reshape(1, *stage.shape)
            return _moved(stage, slid.run(frame).astype(np.int64))
        case ConcatStage():
            return _in_turn(stage)
    op: Any = getattr(stage, "op", None)
    match op:
        case Requantize():
            return _each(stage, lambda c: _shifted(_affine(op, c), op, op.out.lo, op.out.hi))
        case Join():
            return _each(stage, lambda c: _shifted(_weighted(op, c), op, op.out.lo, op.out.hi))
        case Threshold():
            return _each(stage, lambda c: _counted(op, c))
        case Table():
            return _each(stage, lambda c: _looked_up(op, c))
        case Select():
            sign = ">" if op.kind == "max" else "<"
            return _each(stage, lambda c: f"want = v0 {sign} v1 ? v0 : v1;")
        case Product():
            return _each(stage, lambda c: "want = v0 * v1;")
        case Dense() if not getattr(stage, "masked", False):
            return _products(stage, op)
    return None


def _bound(stage: Stage) -> int:
    """Beyond every value on the streams."""
    streams = (*stage.sources, *stage.sinks)
    return max(max(abs(s.elem.lo), abs(s.elem.hi), s.elem.count) for s in streams)


# ---- movements ----------------------------------------------------------------------------------


def identity(source: Stream, sink: Stream) -> Meaning:
    """The same elements in the same order, in other beats."""
    size = source.channels * source.vectors
    picks = [
        Pick(*divmod(k, sink.lanes), (Take(0, *divmod(k, source.lanes)),), "want = v0;")
        for k in range(size)
    ]
    return Meaning(tuple(picks), max(abs(source.elem.lo), abs(source.elem.hi)))


def _numbers(source: Stream) -> Ints:
    """One frame of the numbers of its elements."""
    return FAR + np.arange(source.channels * source.vectors, dtype=np.int64)[None, :]


def _moved(stage: Stage, result: Values) -> Meaning:
    picks = []
    for k, value in enumerate(result.astype(np.int64).reshape(-1).tolist()):
        at = divmod(k, stage.sink.lanes)
        if value < FAR // 2:
            picks.append(Pick(*at, (), f"want = {value};"))
        else:
            take = Take(0, *divmod(value - FAR, stage.source.lanes))
            picks.append(Pick(*at, (take,), "want = v0;"))
    return Meaning(tuple(picks), _bound(stage))


def _in_turn(stage: ConcatStage) -> Meaning:
    """So many beats of each source, round after round."""
    picks: list[Pick] = []
    taken = [0] * len(stage.counts)
    for beat in range(stage.out.beats):
        place = beat % sum(stage.counts)
        source = int(np.searchsorted(np.cumsum(stage.counts), place, "right"))
        for lane in range(stage.out.lanes):
            take = Take(source, taken[source], lane)
            picks.append(Pick(beat, lane, (take,), "want = v0;"))
        taken[source] += 1
    return Meaning(tuple(picks), _bound(stage))


# ---- arithmetic ---------------------------------------------------------------------------------


def _each(stage: Stage, text: Callable[[int], str]) -> Meaning:
    """Element by element; ``text`` is given the channel."""
    sink = stage.sink
    picks = []
    for k in range(sink.channels * sink.vectors):
        at = divmod(k, sink.lanes)
        takes = tuple(Take(s, *at) for s in range(len(stage.sources)))
        picks.append(Pick(*at, takes, text(k % sink.channels)))
    largest = _bound(stage)
    op = getattr(stage, "op")  # noqa: B009 - of the stages that come here
    match op:
        case Requantize():
            product = op.product(stage.source.elem)
            largest = max(largest, abs(product.lo), abs(product.hi))
        case Join():
            total = op.total(*(s.elem for s in stage.sources))
            largest = max(largest, abs(total.lo), abs(total.hi))
        case Threshold():
            largest = max(largest, int(np.abs(op.thresholds.data).max(initial=0)))
    return Meaning(tuple(picks), largest)


def _of(values: Array, channel: int) -> int:
    """A parameter of one channel, or the one of all."""
    return int(values.data[channel % len(values.data)])


def _affine(op: Requantize, channel: int) -> str:
    return f"v0 * ({_of(op.mul, channel)}) + ({_of(op.add, channel) + op.half})"


def _weighted(op: Join, channel: int) -> str:
    a, b = _of(op.mul_a, channel), _of(op.mul_b, channel)
    return f"v0 * ({a}) + v1 * ({b}) + ({_of(op.add, channel) + op.half})"


def _shifted(total: str, op: Requantize | Join, lo: int, hi: int) -> str:
    """Floor of total / 2**shift, to even where asked for, between the limits."""
    even = f"if ((t & {(1 << op.shift) - 1}) == 0) want = want & ~1; " if op.even else ""
    clamp = f"if (want < {lo}) want = {lo}; else if (want > {hi}) want = {hi};"
    return f"t = {total}; want = t >>> {op.shift}; {even}{clamp}"


def _counted(op: Threshold, channel: int) -> str:
    row = op.thresholds.data[channel % len(op.thresholds.data)].tolist()
    reached = " + ".join(f"(v0 >= {bound} ? 1 : 0)" for bound in row) or "0"
    count = f"{len(row)} - ({reached})" if _of(op.falling, channel) else reached
    return f"want = {op.out.lo} + {op.out.step} * ({count});"


def _looked_up(op: Table, channel: int) -> str:
    row = op.values.data[channel % len(op.values.data)].tolist()
    pairs = (f"{op.domain.lo + op.domain.step * k}: want = {y};" for k, y in enumerate(row))
    return f"case (v0) {' '.join(pairs)} default: ; endcase"


def _products(stage: Stage, op: Dense) -> Meaning:
    """A row of weights for each output of a vector; vectors of all groups follow each other."""
    source, sink = stage.source, stage.sink
    rows = op.weights.data.reshape(op.groups, sink.channels, source.channels)
    picks = []
    for k in range(sink.vectors * sink.channels):
        vector, out = divmod(k, sink.channels)
        row: Sequence[int] = rows[vector % op.groups, out].tolist()
        takes: list[Take] = []
        terms: list[str] = []
        for i, weight in enumerate(row):
            if weight:
                terms.append(f"v{len(takes)} * ({weight})")
                takes.append(Take(0, *divmod(vector * source.channels + i, source.lanes)))
        text = f"want = {' + '.join(terms) or 0};"
        picks.append(Pick(*divmod(k, sink.lanes), tuple(takes), text))
    return Meaning(tuple(picks), _bound(stage))


def elements(stage: Stage) -> int:
    """Elements of a frame on all streams."""
    return sum(prod((s.channels, s.vectors)) for s in (*stage.sources, *stage.sinks))
