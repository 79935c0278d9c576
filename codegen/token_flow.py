"""When every beat of a design moves, frame after frame: the periodic schedule of an elastic system.

Each stage is a row of slots a frame (:class:`gatesmith.codegen.stream.Timing`), each stream a row
of transfers. All that holds one of these events back is of the form

    x[a] >= x[b] + w - k * interval

("event a of a frame comes at least w edges behind event b of the frame k before"), so the design
is a timed marked graph, and a schedule that repeats every ``interval`` edges exists exactly if
no cycle of these conditions has a positive weight (Reiter, 1968; Baccelli, Cohen, Olsder, Quadrat:
Synchronization and Linearity, 1992, theorem 3.28). The conditions:

    order     an event comes behind the one before it, the first behind the last of a frame before
    needs     a slot comes ``wait`` edges behind the last beat it needs
    gives     a beat leaves ``delay`` edges behind its slot
    place     a beat comes in once a slot has made a place for it; with a FIFO once a beat has left
    room      a slot is issued once a beat has left that would be in its way

The least solution above a first guess is found by sweeping over the stages, forwards and
backwards, each condition for all beats of a frame at once. The guess has no influence on whether
there is a solution. That there is none is seen from a cycle of events
that raise each other (:meth:`Solver._runs_away`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from gatesmith.codegen.design import Design, Driver, Placed
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.stream import Timing
from gatesmith.ir import Ints

UNLIMITED = -1
"""Depth of a FIFO that never holds anything back."""

LOCAL_ROUNDS, FIRST_LOOK, SWEEPS = 4, 2, 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Events of a frame that come one behind the other: places ``[start, stop)`` of the vector.

    Attributes:
        start: First place.
        stop: Place behind the last.
        order: Edges from the first event to each at least, and to the first of the next frame.
    """

    start: int
    stop: int
    order: Ints

    @property
    def size(self) -> int:
        """Events."""
        return self.stop - self.start

    @property
    def all(self) -> slice:
        """Its places."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Conditions ``x[into] >= x[out_of] + weight + laps * interval``."""

    into: slice | Ints
    out_of: Ints
    weight: int
    laps: Ints

    def bound(self, x: Ints, interval: int) -> Ints:
        """Right-hand sides."""
        found: Ints = x[self.out_of] + (self.weight + self.laps * interval)
        return found

    def places(self) -> Ints:
        """``into`` as an array."""
        if isinstance(self.into, slice):
            return np.arange(self.into.start, self.into.stop)
        return self.into


def edges(into: Row, chosen: Ints | None, source: Row, index: Ints, weight: int) -> Edges:
    """Conditions from events ``index`` of a row, counted on over the ends of the frame.

    Args:
        into: Row of the later events.
        chosen: Which of them; None for all.
        source: Row of the earlier events.
        index: For each, the event of ``source``; -1 is the last one of the frame before.
        weight: Edges between the two.
    """
    laps, place = np.divmod(index, source.size)
    target = into.all if chosen is None else into.start + chosen
    return Edges(target, source.start + place, weight, laps)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A stage or FIFO with all conditions between its own events and those of its streams.

    Attributes:
        name: Of the stage.
        rows: Rows that the conditions raise, in the order in which they are swept.
        edges: For each of these rows, the conditions; those of a FIFO depend on its depth.
        links: Streams in and out; a change of one wakes the block at its other end.
        fifo: Row in and row out of a FIFO; None for a stage.
    """

    name: str
    rows: tuple[Row, ...]
    edges: tuple[tuple[Edges, ...], ...]
    links: tuple[Driver, ...]
    fifo: tuple[Row, Row] | None = None


class Graph:
    """All conditions of a design but those that depend on the depth of a FIFO."""

    def __init__(
        self, design: Design, room: Mapping[str, int], most_delay: int | None = None
    ) -> None:
        """Lay out the events.

        Args:
            design: The design.
            room: For some stages, by name, what to take for ``Timing.room``.
            most_delay: Limit of ``Timing.delay``, where only order matters; None for none.
        """
        self.size = 0
        self.links: dict[Driver, Row] = {}
        self.heads: list[Row] = []
        self.blocks: list[Block] = []
        self.of_link: dict[Driver, list[int]] = {}
        for port in design.inputs:
            self.links[Driver(port.name)] = self._row(port.stream.beats)
            self.heads.append(self.links[Driver(port.name)])
        for placed in design.placed:
            for index, stream in enumerate(placed.stage.sinks):
                self.links[Driver(placed.stage.name, index)] = self._row(stream.beats)
            block = (
                self._fifo(placed) if _is_fifo(placed) else self._stage(placed, room, most_delay)
            )
            for link in block.links:
                self.of_link.setdefault(link, []).append(len(self.blocks))
            self.blocks.append(block)

    def _row(self, size: int, order: Ints | None = None) -> Row:
        self.size += size
        steps = np.arange(size + 1) if order is None else order
        return Row(self.size - size, self.size, steps)

    def _fifo(self, placed: Placed) -> Block:
        links = (placed.drivers[0], Driver(placed.stage.name))
        into, out = (self.links[link] for link in links)
        return Block(placed.stage.name, (out, into), ((), ()), links, (into, out))

    def _stage(self, placed: Placed, rooms: Mapping[str, int], most_delay: int | None) -> Block:
        stage, timing = placed.stage, placed.stage.timing()
        beats = [stream.beats for stream in stage.sources]
        check(stage.name, timing, beats, [stream.beats for stream in stage.sinks])
        room = rooms.get(stage.name, timing.room)
        # With a single place, the slot behind one that gives waits for its beat to leave.
        delay = timing.delay if most_delay is None else min(timing.delay, most_delay)
        pauses = np.where(timing.gives & (room == 1), max(1, delay), 1)
        slots = self._row(timing.gives.size, np.concatenate([[0], np.cumsum(pauses)]))
        ins = [self.links[driver] for driver in placed.drivers]
        outs = [self.links[Driver(stage.name, index)] for index in range(len(stage.sinks))]
        raised = [(slots, tuple(_into_slots(timing, slots, ins, outs, room)))]
        giving = np.flatnonzero(timing.gives)
        raised += [(out, (edges(out, None, slots, giving, delay),)) for out in outs]
        for k, row in enumerate(ins):
            raised.append((row, (_places(timing, k, slots, row),)))
        own = tuple(Driver(stage.name, index) for index in range(len(stage.sinks)))
        rows, conditions = zip(*raised, strict=True)
        return Block(stage.name, rows, conditions, (*placed.drivers, *own))


def _is_fifo(placed: Placed) -> bool:
    return isinstance(placed.stage, FifoStage)


def check(name: str, timing: Timing, ins: list[int], outs: list[int]) -> None:
    """Refuse a timing that contradicts itself or the streams.

    Raises:
        ValueError: It does, with what.
    """
    slots = timing.gives.size
    wrong = [f"an output of {beats} beats" for beats in outs if beats != timing.gives.sum()]
    for k, beats in enumerate(ins):
        needs, frees = timing.needs[k], timing.frees[k]
        if needs.size != slots or frees.size != slots:
            wrong.append(f"needs or frees of another length than gives for input {k}")
        elif (np.diff(needs) < 0).any() or (np.diff(frees) < 0).any():
            wrong.append(f"needs or frees of input {k} that fall")
        elif frees[-1] != beats or needs[-1] > beats:
            wrong.append(f"needs up to {needs[-1]}, frees up to {frees[-1]} of {beats} beats")
        elif timing.keep[k] == 0 and (np.diff(needs, prepend=0).max() > 1 or needs[-1] != beats):
            wrong.append(f"no place for input {k}, but slots that need several beats of it")
        elif timing.keep[k] and (needs > np.concatenate([[0], frees[:-1]]) + timing.keep[k]).any():
            wrong.append(f"slots that need more of input {k} than it keeps")
    if wrong:
        raise ValueError(f"the timing of {name} has {slots} slots, but {'; '.join(wrong)}")


def _into_slots(
    timing: Timing, slots: Row, ins: list[Row], outs: list[Row], room: int
) -> list[Edges]:
    """``needs`` and ``room``."""
    found = []
    for k, row in enumerate(ins):
        some = np.flatnonzero(timing.needs[k] > 0)
        found.append(edges(slots, some, row, timing.needs[k][some] - 1, timing.wait[k]))
    given: Ints = np.cumsum(timing.gives) - timing.gives
    stalled = None if room else np.flatnonzero(timing.gives)
    for row in outs:
        index = given - room if stalled is None else given[stalled] - room
        found.append(edges(slots, stalled, row, index, 0))
    return found


def _places(timing: Timing, k: int, slots: Row, row: Row) -> Edges:
    """``place`` of input k."""
    keep = timing.keep[k]
    if keep == 0:
        index = np.searchsorted(timing.needs[k], np.arange(row.size), side="right")
        return edges(row, None, slots, index, 0)
    frames, beat = np.divmod(np.arange(row.size) - keep, row.size)
    slot = np.searchsorted(timing.frees[k], beat, side="right")
    return edges(row, None, slots, slot + frames * slots.size, 1)


# ---- solving -------------------------------------------------------------------------------------


def latency(stage: FifoStage, depth: int) -> int:
    """Edges that a beat spends at least in the FIFO, were it of this depth."""
    if depth in (0, UNLIMITED):
        return abs(depth)
    return FifoStage(stage.name, stage.node, stage.origin, stage.x, depth).latency


@dataclass(slots=True)
class Solver:
    """A graph with depths of its FIFOs and an interval.

    Attributes:
        graph: Conditions.
        interval: Edges from a frame to the next.
        depths: Of each FIFO, by name: UNLIMITED, 0 (a wire), or places.
        latencies: Of each FIFO, by name.
        visited: Events looked at so far.
        towards: For each event the one that raised it last, itself before that; None in the first
            sweeps, which is as far as it goes if there is a schedule.
    """

    graph: Graph
    interval: int
    depths: Mapping[str, int]
    latencies: Mapping[str, int]
    visited: int = 0
    towards: Ints | None = None

    def solve(self, x: Ints | None = None, changed: Iterable[str] | None = None) -> Ints | None:
        """Least schedule above ``x``, or None if there is none.

        Args:
            x: First guess; None for one that spreads the frame over the interval at the source.
            changed: FIFOs with conditions that ``x`` may not fulfil; None for all blocks.
        """
        graph = self.graph
        if any(row.order[-1] > self.interval for block in graph.blocks for row in block.rows):
            return None
        if x is None:
            x = np.zeros(graph.size, np.int64)
            for row in graph.heads:
                x[row.all] = np.arange(row.size) * self.interval // row.size
        else:
            x = x.copy()
        self.towards = None
        blocks, look = range(len(graph.blocks)), FIRST_LOOK
        waiting = {i for i in blocks if changed is None or graph.blocks[i].name in changed}
        for sweep in range(SWEEPS):
            for index in blocks if sweep % 2 == 0 else reversed(blocks):
                if index in waiting:
                    waiting.discard(index)
                    self._sweep(index, x, waiting)
            if not waiting:
                return x
            if sweep == look:
                if self.towards is None:
                    self.towards = np.arange(x.size)
                elif self._runs_away():
                    return None
                look += max(1, look // 2)
        raise AssertionError("a design is neither possible nor impossible")

    def _sweep(self, index: int, x: Ints, waiting: set[int]) -> None:
        """Fulfil a block's conditions; wakes its neighbours."""
        block, graph = self.graph.blocks[index], self.graph
        before = {link: x[graph.links[link].all].copy() for link in block.links}
        for _ in range(LOCAL_ROUNDS):
            changed = False
            for row, conditions in zip(block.rows, self._edges(block), strict=True):
                self.visited += row.size
                for condition in conditions:
                    changed |= self._raise(x, condition)
                self._put_in_order(x, row)
            if not changed:
                break
        else:
            waiting.add(index)
        for link, old in before.items():
            if not np.array_equal(old, x[graph.links[link].all]):
                waiting.update(other for other in graph.of_link[link] if other != index)

    def _raise(self, x: Ints, edge: Edges) -> bool:
        """Fulfil conditions; whether ``x`` changed."""
        bound = edge.bound(x, self.interval)
        higher = bound > x[edge.into]
        if not higher.any():
            return False
        x[edge.into] = np.maximum(x[edge.into], bound)
        if self.towards is not None:
            self.towards[edge.places()[higher]] = edge.out_of[higher]
        return True

    def _put_in_order(self, x: Ints, row: Row) -> None:
        """Raise events so that each comes behind the one before it."""
        part, order = x[row.all], row.order[:-1]
        lap = int(row.order[-1]) - self.interval
        raised = np.maximum.accumulate(part - order)
        if raised[-1] + lap > raised[0]:
            np.maximum(raised, raised[-1] + lap, out=raised)
        raised += order
        higher = raised > part
        if not higher.any():
            return
        if self.towards is not None:
            place = row.start + np.flatnonzero(higher)
            self.towards[place] = np.where(place > row.start, place - 1, row.stop - 1)
        part[:] = raised

    def _edges(self, block: Block) -> tuple[tuple[Edges, ...], ...]:
        if block.fifo is None:
            return block.edges
        into, out = block.fifo
        depth, beats = self.depths[block.name], np.arange(into.size)
        through = edges(out, None, into, beats, self.latencies[block.name])
        if depth == UNLIMITED:
            return (through,), ()
        return (through,), (edges(into, None, out, beats - depth, int(depth > 0)),)

    def _runs_away(self) -> bool:
        """Whether events raise themselves, around a cycle; then its weight is positive.

        Cherkassky, Goldberg: Negative-cycle detection algorithms, 1999, lemma 2.
        """
        assert self.towards is not None, "no event was raised yet"
        end = self.towards
        for _ in range(end.size.bit_length()):
            end = end[end]
        # After as many steps as there are events a walk stands still, or it is in a cycle.
        return bool((self.towards[end] != end).any())
