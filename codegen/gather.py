"""Hardware of Gather: beats in another order, some more than once, some dropped, some filled.

Two implementations, of which the stage takes the first that fits:

- ``in order``: beats leave in the order in which they came. Each is held in the output register
  while it is repeated or while filled beats pass, and beats that nobody reads are dropped. No
  memory. It fits when no edge is lost by that: crop, subsample, pad, repeat.
- ``ring``: beats wait in a ring that is no deeper than full speed needs (codegen/hold.py).

In both the place that is read next comes from nested counters (codegen/address.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.address import NONE, Walker, divisors
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.hold import Blocks, blocks
from gatesmith.codegen.recode import recode
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Array, Ints, TensorType
from gatesmith.ops.gather import Gather


def granularity(index: Ints, channels_in: int, channels_out: int) -> int:
    """Most lanes that a GatherStage can have: neighbours that always stay neighbours.

    Args:
        index: Element of x for each element of the result, or -1.
        channels_in: Channels of the source stream, a multiple of the result.
        channels_out: Channels of the sink, a multiple of the result.

    >>> granularity(np.array([4, 5, 6, 7, -1, -1, -1, -1, 0, 1, 2, 3]), 4, 4)
    4
    >>> granularity(np.array([2, 3, 0, 1]), 4, 4), granularity(np.array([1, 2, 3, 0]), 4, 4)
    (2, 1)
    """
    both = int(np.gcd(channels_in, channels_out))
    return next(lanes for lanes in reversed(divisors(both)) if _whole(index, lanes))


def _whole(index: Ints, lanes: int) -> bool:
    """Whether beats of ``lanes`` elements move as a whole."""
    if index.size % lanes:
        return False
    rows = index.reshape(-1, lanes)
    first = rows[:, :1]
    moved = (first % lanes == 0) & (rows == first + np.arange(lanes))
    return bool(np.where(first < 0, rows < 0, moved).all())


@dataclass(frozen=True, slots=True, eq=False)
class InOrder:
    """A frame as a row of slots, each of which takes a beat, or gives one, or both.

    Attributes:
        takes: Whether a slot takes an input beat; bool, by slot.
        gives: Whether it gives an output beat.
        most: Most input beats that may have to be taken until the next one that is read is there.
    """

    takes: NDArray[np.bool_]
    gives: NDArray[np.bool_]
    most: int


@lru_cache(maxsize=256)
def _walk(index: Array, lanes: int) -> Ints:
    """Input beat of each output beat, or NONE."""
    if not _whole(index.data, lanes):
        raise ValueError(f"beats of {lanes} elements do not move as a whole")
    first = index.data.reshape(-1, lanes)[:, 0]
    return np.where(first < 0, NONE, first // lanes)


@lru_cache(maxsize=256)
def _in_order(index: Array, lanes: int, beats: int) -> InOrder | None:
    """The slots, or None where the order changes or drops would cost edges."""
    walk = _walk(index, lanes)
    waits = walk != NONE  # the slot waits for its beat; the first for that of the first such slot
    target = walk.copy()
    target[0] = walk[int(waits.argmax())] if waits.any() else 0
    waits = waits | (np.arange(len(walk)) == 0)
    wanted = target[waits] + 1  # beats of the frame that have been taken then
    before = np.insert(wanted[:-1], 0, 0)
    if (wanted < before).any():
        return None
    owed = np.zeros(len(walk) + 1, np.int64)
    owed[:-1][waits] = wanted - before
    owed[-1] = beats - wanted[-1] + 1  # of the tail all are dropped
    slots = np.maximum(owed, 1)
    gives = np.zeros(int(slots.sum()), np.bool_)
    gives[np.cumsum(slots) - 1] = True
    takes = ~gives
    takes[np.cumsum(slots) - 1] = owed > 0
    if len(gives) - 1 != max(beats, len(walk)):
        return None
    most = max(int((wanted - before).max()), beats - int(wanted[-1]) + int(wanted[0]))
    return InOrder(takes[:-1], gives[:-1], most)


@lru_cache(maxsize=256)
def _ring(index: Array, lanes: int, beats: int, width: int) -> Blocks:
    return blocks(_walk(index, lanes), beats, width)


@lru_cache(maxsize=256)
def _walker(index: Array, lanes: int, beats: int, modulus: int) -> Walker:
    return Walker.of(_walk(index, lanes), beats, modulus)


@dataclass(frozen=True, slots=True)
class GatherStage(Stage):
    """Moves whole beats; the template is given it under the name ``hw``.

    templates/sv/gather.sv.j2 (ring) or templates/sv/gather_in_order.sv.j2.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        x: Source stream.
        out: Sink stream: as many lanes, the operator's type.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Gather
    x: Stream
    out: Stream

    def __post_init__(self) -> None:
        if self.x.lanes != self.out.lanes:
            raise ValueError(f"{self.x.lanes} lanes in, {self.out.lanes} out")
        if self.out.channels * self.out.vectors != self.op.index.data.size:
            raise ValueError(f"a result of {self.op.index.data.size} elements for {self.out}")
        elem = self.op.infer(TensorType((self.x.vectors, self.x.channels), self.x.elem)).elem
        if elem != self.out.elem:
            raise ValueError(f"a result of {elem} for {self.out}")
        _walk(self.op.index, self.x.lanes)

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Out."""
        return self.out

    # ---- implementation -------------------------------------------------------------------------

    @property
    def slots(self) -> InOrder | None:
        """The in-order implementation, if it is the one."""
        return _in_order(self.op.index, self.x.lanes, self.x.beats)

    @property
    def ring(self) -> Blocks:
        """Blocks and depth of the other."""
        return _ring(self.op.index, self.x.lanes, self.x.beats, self.x.width)

    @property
    def walker(self) -> Walker:
        """Who says which beat is read next: modulo the ring, or modulo the beats owed."""
        slots = self.slots
        modulus = self.ring.depth if slots is None else 1 << slots.most.bit_length()
        return _walker(self.op.index, self.x.lanes, self.x.beats, modulus)

    @property
    def ram_style(self) -> str:
        """Where the ring goes."""
        return parts.memory_style(self.ring.depth, self.x.width)

    @property
    def blocks_style(self) -> str:
        """Where the blocks' numbers go."""
        return parts.memory_style(self.ring.count, 2 * self.ring.bits)

    @property
    def fill_code(self) -> int:
        """Bits of the code of ``fill``."""
        return int(self.out.elem.encode(np.array([self.op.fill]))[0]) if self.op.fills else 0

    @property
    def recoded(self) -> str:
        """Element l as the sink's code (SystemVerilog)."""
        return recode("word_q[l*X_W+:X_W]", self.x.elem, self.out.elem)

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    # ---- stage ----------------------------------------------------------------------------------

    @property
    def interval(self) -> int:
        """A beat a cycle on the busier side."""
        return max(self.x.beats, self.out.beats)

    def timing(self) -> Timing:
        """Exact, in both implementations."""
        slots = self.slots
        if slots is not None:
            taken: Ints = np.cumsum(slots.takes.astype(np.int64))
            return Timing((taken,), (0,), (taken,), (0,), slots.gives, 1, 1)
        ring = self.ring
        needs = np.repeat(ring.needs, ring.size)
        frees = np.append(np.repeat(np.insert(ring.frees, 0, 0)[:-1], ring.size)[1:], self.x.beats)
        gives = np.ones(self.out.beats, np.bool_)
        return Timing((needs,), (1,), (frees,), (ring.depth,), gives, 1, 1)

    def schedule(self, *arrivals: Ints) -> Ints:
        """An edge after the slot; a slot that takes a beat is at its arrival."""
        (edges,) = arrivals
        slots = self.slots
        if slots is None:
            ring = self.ring
            return (ring.starts(edges)[:, None] + np.arange(ring.size)).ravel() + 1
        order = np.arange(len(slots.takes))
        taken = np.maximum(np.cumsum(slots.takes), 1)  # the first slots that give take one
        issues = order + np.maximum.accumulate(edges[taken - 1] - order)
        return issues[slots.gives] + 1

    def cost(self) -> Cost:
        """Word register, counters of the walk, ring and its control.

        Word: x bits FFs (none behind block RAM), y bits a choice where filled or recoded. Walk:
        address.Walker.cost. In order: the debt. Ring: parts.ram; pointers, the two counters of
        beats, places in a block, the table of blocks and its word.
        """
        walker = self.walker
        features: dict[str, float] = {"gather.one": 1}
        cost = Cost(ff=3) + walker.cost()
        if self.op.fills or self.x.elem != self.out.elem:
            features["window.pad"] = self.out.width
        if self.slots is not None:
            features["gather.debt"] = walker.bits
            return cost + Cost(lut=luts(features), ff=walker.bits + self.x.width)
        ring = self.ring
        place = parts.counter_bits(ring.size)
        features |= {"gather.address": walker.bits, "gather.ring": ring.bits}
        counters = place
        cost += Cost(ff=2 * walker.bits + 2 * ring.bits)
        cost += parts.ram(ring.depth, self.x.width).registered
        if not ring.uniform:
            counters += parts.counter_bits(ring.count)
            words = np.stack([ring.more, ring.less], axis=1)
            content = partial(parts.bits_of, words, ring.bits)
            cost += parts.rom(ring.count, 2 * ring.bits, content).registered
        features["counter.wrap"] = counters
        return cost + Cost(lut=luts(features), ff=counters)

    def files(self) -> Mapping[str, str]:
        """The module, the tables of its counters and blocks."""
        tables = self.walker.files(self.module)
        if self.slots is not None:
            return {f"{self.module}.sv": render("sv/gather_in_order.sv.j2", hw=self)} | tables
        ring = self.ring
        if not ring.uniform:
            words = np.stack([ring.more, ring.less], axis=1)
            tables[f"{self.module}_blocks.mem"] = parts.mem_text(words, ring.bits)
        return {f"{self.module}.sv": render("sv/gather.sv.j2", hw=self)} | tables
