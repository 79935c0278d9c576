"""Depths of the FIFOs of a design: the least that still let every frame follow at the interval.

``plan`` puts a FIFO on each branch that comes together with another. How deep it has to be follows
from the exact schedules of all stages (codegen/token_flow.py). docs/decisions/0006-fifo-depths.md
has the argument why the core then keeps the interval and cannot stand still.

    1. A pipeline of several registers counts as as few places as the interval lets it do with
       (:func:`least_rooms`): one that stands still holds bubbles, too.
    2. Schedule with FIFOs that never hold anything back. If there is none for the interval of the
       slowest stage, no depth would help, and the design is refused.
    3. With each FIFO as deep as it is filled in that schedule, the same schedule stays possible.
    4. The FIFOs without which there still is a schedule are left out. Of the others, the one with
       most bits first, each gets the least depth with which there still is one, the others as they
       are. What is enough for one FIFO only grows when another gets less, so that in the end none
       can be made shallower alone.
    5. At every step there is also a schedule, however slow, with a single place in each pipeline:
       no deadlock, whatever bubbles there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gatesmith.codegen import parts, token_flow
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.design_parts import cut
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.stream import Timing
from gatesmith.codegen.token_flow import UNLIMITED, Graph, Solver
from gatesmith.ir import Ints

WORK = 500_000_000
"""Events that may be visited (two minutes or so) before depths are taken as step 3 gives them."""

LARGE = 4_000_000
"""Events of a frame above which a design is cut, and its parts are looked at one by one."""

SMALL = 4
"""Depth up to which it is tried to leave a FIFO out."""


@dataclass(frozen=True, slots=True)
class Depth:
    """What was found for one FIFO.

    Attributes:
        name: Of the stage.
        depth: Places that it gets; 0 where it is left out.
        unlimited: Beats it would hold at most, were no FIFO limited and the source steady.
        least: Whether it is known that fewer places would not do.
    """

    name: str
    depth: int
    unlimited: int
    least: bool


def size_fifos(design: Design, work: int = WORK, spare: int = 0) -> Design:
    """The design with FIFOs of the least depths for its interval; those not needed are left out.

    Args:
        design: The design; the depths that it has are not looked at.
        work: As in :func:`depths`.
        spare: Places that every FIFO gets beyond that where the schedule counts on pipelines that
            hold several beats: with bubbles inside they hold fewer than it counts (step 2).

    Raises:
        ValueError: No depths let the design reach its interval, or a stage's timing is wrong.
    """
    least = {found.name: found.depth for found in depths(design, work)}
    if not any(least.values()) or not counts_on_pipelines(design):
        spare = 0
    return with_depths(design, {name: depth + spare * (depth > 0) for name, depth in least.items()})


def counts_on_pipelines(design: Design) -> bool:
    """Whether the interval needs some pipeline to hold more than one beat; large ones mostly do."""
    if events(design) > LARGE:
        return True
    rooms = least_rooms(design, wanted_interval(design))
    return any(room > 1 for room in rooms.values())


def depths(design: Design, work: int = WORK) -> tuple[Depth, ...]:
    """Depth of each FIFO of a design, in its order.

    Args:
        design: The design; the depths that it has are not looked at.
        work: Events that may be visited before the rest is taken as step 3 gives it.

    Raises:
        ValueError: No depths let the design reach its interval, or a stage's timing is wrong.
    """
    interval, found = wanted_interval(design), dict[str, Depth]()
    regions = cut(design) if events(design) > LARGE else (design,)
    for region in regions:
        if fifos(region):
            search = _Search(region, interval)
            search.run(work // len(regions))
            found |= {name: search.result(name) for name in search.fifos}
    return tuple(found[name] for name in fifos(design))


def wanted_interval(design: Design) -> int:
    """Interval of the slowest stage or port, FIFOs left aside: theirs follows from the depth."""
    ports = [port.stream.beats for port in (*design.inputs, *design.outputs)]
    stages = [stage for stage in design if not isinstance(stage, FifoStage)]
    return max([*ports, *(stage.interval for stage in stages)])


def reached_interval(design: Design) -> int:
    """Interval that a design reaches with the FIFOs as they are: the least that has a schedule.

    Exact but for rounding up (three frames may take 50 cycles) where pipelines hold no bubbles,
    else a lower bound.

    Raises:
        ValueError: None has: the design stands still.
    """
    graph, high = Graph(design, {}), wanted_interval(design)
    low = high - 1
    while solver(design, graph, high).solve() is None:
        low, high = high, 2 * high
        if low > longest(graph, design):
            raise ValueError(f"{design.name} stands still with the FIFOs that it has")
    while high - low > 1:
        middle = (low + high) // 2
        if solver(design, graph, middle).solve() is None:
            low = middle
        else:
            high = middle
    return high


def alive(design: Design) -> bool:
    """Whether the FIFOs are deep enough that no pattern of stalls lets the design stand still."""
    graph = _narrow(design)
    return solver(design, graph, longest(graph, design)).solve() is not None


def solver(design: Design, graph: Graph, interval: int) -> Solver:
    """For the conditions of a graph, with the FIFOs of the design as deep as they are."""
    found = fifos(design)
    depth = {name: stage.depth for name, stage in found.items()}
    return Solver(graph, interval, depth, {name: stage.latency for name, stage in found.items()})


def fifos(design: Design) -> dict[str, FifoStage]:
    """FIFOs by name, in their order."""
    return {stage.name: stage for stage in design if isinstance(stage, FifoStage)}


def events(design: Design) -> int:
    """Events of a frame, roughly: beats of all streams and slots of all stages."""
    beats = sum(stream.beats for stage in design for stream in stage.sinks)
    return beats + sum(stage.interval for stage in design)


def longest(graph: Graph, design: Design) -> int:
    """An interval in which any frame that moves at all has left."""
    return 4 * graph.size + sum(stage.interval for stage in design)


# ---- places in pipelines -------------------------------------------------------------------------


def least_rooms(design: Design, interval: int) -> dict[str, int]:
    """For each pipeline of several registers, as few places as the interval lets it do with.

    A pipeline that moves as a whole holds fewer beats than it has registers when it stands still
    with bubbles in it. To count on fewer is never wrong, and with one place it is exact.
    """
    timings = {stage.name: stage.timing() for stage in design if stage.name not in fifos(design)}
    full = {name: timing.room for name, timing in timings.items() if timing.room > 1}
    rooms = {name: min(room, _room(timings[name], interval)) for name, room in full.items()}
    depth = dict.fromkeys(fifos(design), UNLIMITED)
    latencies = dict.fromkeys(depth, 1)

    def enough(tried: Mapping[str, int]) -> bool:
        return Solver(Graph(design, tried), interval, depth, latencies).solve() is not None

    if enough(rooms):
        return rooms
    kept = full
    for name, least in rooms.items():
        places = range(least, full[name])
        kept[name] = next((k for k in places if enough(kept | {name: k})), full[name])
    return kept


def _narrow(design: Design) -> Graph:
    """The order of events with a single place in each pipeline; what they take is left aside."""
    stages = [stage for stage in design if not isinstance(stage, FifoStage)]
    return Graph(design, {s.name: 1 for s in stages if s.timing().room > 1}, most_delay=1)


def _room(timing: Timing, interval: int) -> int:
    """Places with which a pipeline alone keeps the interval, at beats as far apart as can be.

    k beats leave in k / beats of the interval. A slot waits for the delay of the k-th beat before
    the one that it works for, and that one has up to ``gap`` slots.
    """
    giving = np.flatnonzero(timing.gives)
    gap = int(np.diff(giving, prepend=-1).max())
    return max(1, parts.ceil_div((timing.delay + gap - 1) * giving.size, interval))


# ---- search --------------------------------------------------------------------------------------


class _Search:
    """Depths that are known to be enough, and schedules for them.

    Attributes:
        fifos: By name.
        beside: For each stage, what drives its inputs.
        depth: Of each FIFO.
        unlimited: Of each FIFO, what it held before any was limited.
        least: FIFOs whose depth is known to be the least.
        schedule: At the interval, with these depths.
        slow: The same with one place in every pipeline, at an interval that is never too short.
    """

    def __init__(self, design: Design, interval: int) -> None:
        self.fifos, self.interval = fifos(design), interval
        self.beside = [[driver.name for driver in item.drivers] for item in design.placed]
        rooms = least_rooms(design, interval)
        self.graph = Graph(design, rooms)
        self.narrow = _narrow(design)
        self.long, self.visited, self.least = longest(self.graph, design), 0, set[str]()
        depth = dict.fromkeys(self.fifos, UNLIMITED)
        found = self._solve(self.graph, interval, depth)
        if found is None:
            raise ValueError(
                f"{design.name} cannot take a frame every {interval} cycles, however deep its "
                "FIFOs: a FIFO is missing, or a stage holds too little"
            )
        self.schedule = found
        for block in self.graph.blocks:
            if block.fifo is not None:
                into, out = (found[row.all] for row in block.fifo)
                depth[block.name] = held(into, out, interval)
        self.unlimited = dict(depth)
        while (slow := self._solve(self.narrow, self.long, depth)) is None:
            depth = {name: 2 * places for name, places in depth.items()}
        self.depth, self.slow = depth, slow

    def result(self, name: str) -> Depth:
        """What is known of a FIFO."""
        return Depth(name, self.depth[name], self.unlimited[name], name in self.least)

    def run(self, work: int) -> None:
        """Shrink every FIFO, as long as there is work left."""
        bits = {name: stage.x.width for name, stage in self.fifos.items()}
        small = {name for name in self.fifos if self.depth[name] <= SMALL}
        # A FIFO may be needed for nothing but the edge that another one costs: first in groups.
        for group in (small, *(small.intersection(names) for names in self.beside)):
            if self.visited < work and any(self.depth[name] for name in group):
                self.take(dict.fromkeys(sorted(group), 0))
        for name in sorted(small, key=lambda f: (self.depth[f] * bits[f], f)):
            if self.visited < work and self.depth[name]:
                self.take({name: 0})
        for name in sorted(self.fifos, key=lambda f: (-self.depth[f] * bits[f], f)):
            if self.visited < work:
                self.shrink(name)
                self.least.add(name)

    def shrink(self, name: str) -> None:
        """Give a FIFO the least depth, the others as they are.

        Depths that are not enough take longest to try, and the least is mostly near: steps down
        double until one is not enough, and from there it is bisected.
        """
        low, step = 0, 1
        while self.depth[name] - step > low and self.take({name: self.depth[name] - step}):
            step *= 2
        low = max(low, self.depth[name] - step)  # too little, or none
        while self.depth[name] - low > 1:
            middle = (low + self.depth[name]) // 2
            if not self.take({name: middle}):
                low = middle
        if 0 < self.depth[name] <= SMALL:
            self.take({name: 0})

    def take(self, changes: Mapping[str, int]) -> bool:
        """Give FIFOs other depths, if they are enough."""
        tried = {**self.depth, **changes}
        found = self._solve(self.graph, self.interval, tried, self.schedule, changes)
        if found is None:
            return False
        slow = self._solve(self.narrow, self.long, tried, self.slow, changes)
        if slow is None:
            return False
        self.depth, self.schedule, self.slow = tried, found, slow
        return True

    def _solve(
        self,
        graph: Graph,
        interval: int,
        depth: Mapping[str, int],
        start: Ints | None = None,
        changed: Iterable[str] | None = None,
    ) -> Ints | None:
        latencies = {name: token_flow.latency(f, depth[name]) for name, f in self.fifos.items()}
        solver = Solver(graph, interval, depth, latencies)
        found = solver.solve(start, changed)
        self.visited += solver.visited
        return found


def held(into: Ints, out: Ints, interval: int) -> int:
    """Beats that have come in and not left, at most; a place is free an edge behind a leaving.

    Args:
        into: Edges of a frame's beats in, ascending.
        out: Edges of the same beats out.
        interval: Edges from a frame to the next.

    >>> held(np.array([0, 1, 2]), np.array([1, 2, 3]), 3), held(np.arange(3), np.arange(3) + 7, 5)
    (2, 6)
    """
    frames = int((out - into).max()) // interval + 2
    left = np.concatenate([out - k * interval for k in range(frames, -1, -1)])
    gone = np.searchsorted(left, into, side="left") - frames * out.size
    return int((np.arange(1, out.size + 1) - gone).max())


# ---- the design with other FIFOs -----------------------------------------------------------------


def with_depths(design: Design, depth: Mapping[str, int]) -> Design:
    """The design with these FIFOs deeper, shallower or, at depth 0, left out."""
    gone: dict[Driver, Driver] = {}
    placed = []
    for item in design.placed:
        drivers = tuple(gone.get(driver, driver) for driver in item.drivers)
        stage = item.stage
        if isinstance(stage, FifoStage) and stage.name in depth:
            if depth[stage.name] == 0:
                gone[Driver(stage.name)] = drivers[0]
                continue
            stage = replace(stage, depth=depth[stage.name])
        placed.append(Placed(stage, drivers))
    outputs = tuple(_rewired(port, gone) for port in design.outputs)
    return replace(design, placed=tuple(placed), outputs=outputs)


def _rewired(port: CorePort, gone: Mapping[Driver, Driver]) -> CorePort:
    assert port.driver is not None, f"output {port.name} has no driver"
    return replace(port, driver=gone.get(port.driver, port.driver))
