"""Depths of FIFOs that can be worked out by hand, and what a search may not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest

from gatesmith.codegen import fifo_depth, token_flow
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.design_parts import cut
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints, IntType

X = Driver("x")


@dataclass(frozen=True, slots=True)
class Toy(Stage):
    """A stage that is nothing but its timing."""

    ins: tuple[Stream, ...]
    outs: tuple[Stream, ...]
    slots: Timing

    @property
    def source(self) -> Stream:
        return self.ins[0]

    @property
    def sink(self) -> Stream:
        return self.outs[0]

    @property
    def sources(self) -> tuple[Stream, ...]:
        return self.ins

    @property
    def sinks(self) -> tuple[Stream, ...]:
        return self.outs

    @property
    def module(self) -> str:
        return "toy"

    @property
    def interval(self) -> int:
        return self.slots.gives.size

    def schedule(self, *arrivals: Ints) -> Ints:
        raise NotImplementedError

    def timing(self) -> Timing:
        return self.slots

    def cost(self) -> Cost:
        return Cost()

    def files(self) -> Mapping[str, str]:
        return {}


def stream(beats: int) -> Stream:
    return Stream(IntType(-128, 127), beats, 1, 1)


class Net:
    """A design as it is made."""

    def __init__(self, beats: int) -> None:
        self.placed: list[Placed] = []
        self.port = CorePort("x", "x", stream(beats))

    def put(self, name: str, timing: Timing, ins: list[int], outs: list[int], *x: Driver) -> Driver:
        shapes = tuple(map(stream, ins)), tuple(map(stream, outs))
        self.placed.append(Placed(Toy(name, name, (), *shapes, timing), x))
        return Driver(name)

    def pipe(self, name: str, beats: int, delay: int, x: Driver) -> Driver:
        return self.put(name, Timing.straight(beats, delay), [beats], [beats], x)

    def fork(self, name: str, beats: int, x: Driver) -> tuple[Driver, Driver]:
        self.put(name, Timing.straight(beats, 1), [beats], [beats] * 2, x)
        return Driver(name), Driver(name, 1)

    def fifo(self, name: str, beats: int, x: Driver) -> Driver:
        self.placed.append(Placed(FifoStage(name, name, (), stream(beats), 7), (x,)))
        return Driver(name)

    def join(self, name: str, beats: int, a: Driver, b: Driver) -> Driver:
        a, b = self.fifo(f"{name}_a", beats, a), self.fifo(f"{name}_b", beats, b)
        return self.put(name, Timing.straight(beats, 1, 2), [beats] * 2, [beats], a, b)

    def concat(self, name: str, beats: int, a: Driver, b: Driver) -> Driver:
        """All of a, then all of b."""
        a, b = self.fifo(f"{name}_a", beats, a), self.fifo(f"{name}_b", beats, b)
        order = np.arange(1, 2 * beats + 1)
        needs = (np.minimum(order, beats), np.maximum(order - beats, 0))
        timing = Timing(needs, (0, 0), needs, (0, 0), np.ones(2 * beats, np.bool_), 1, 1)
        return self.put(name, timing, [beats] * 2, [2 * beats], a, b)

    def whole(self, name: str, beats: int, x: Driver) -> Driver:
        """Keeps two frames and gives the first beat when the last has come."""
        frees = np.arange(1, beats + 1)
        timing = Timing(
            (np.full(beats, beats),), (1,), (frees,), (2 * beats,), np.ones(beats, np.bool_), 1, 1
        )
        return self.put(name, timing, [beats], [beats], x)

    def done(self, y: Driver, beats: int) -> Design:
        out = CorePort("y", "y", stream(beats), y)
        return Design("net", (self.port,), tuple(self.placed), (out,))


def unequal(beats: int, long: int, short: int) -> Design:
    net = Net(beats)
    a, b = net.fork("split", beats, X)
    a, b = net.pipe("long", beats, long, a), net.pipe("short", beats, short, b)
    return net.done(net.join("sum", beats, a, b), beats)


def found(design: Design) -> dict[str, int]:
    return {depth.name: depth.depth for depth in fifo_depth.depths(design)}


@pytest.mark.parametrize(("long", "short"), [(10, 1), (7, 4), (2, 1)])
def test_a_shorter_pipeline_waits_for_the_longer(long: int, short: int) -> None:
    # The FIFO's own register is one edge, each place holds a beat for one more.
    places = long - short
    assert found(unequal(64, long, short)) == {"sum_a": 0, "sum_b": max(2, places + 1)}


def test_equal_branches_need_no_fifo() -> None:
    assert found(unequal(64, 5, 5)) == {"sum_a": 0, "sum_b": 0}


def test_a_branch_that_waits_for_the_frame_is_waited_for() -> None:
    net = Net(16)
    a, b = net.fork("split", 16, X)
    design = net.done(net.join("sum", 16, net.whole("all", 16, a), b), 16)
    # Beat 0 leaves 17 edges behind its coming: the last beat comes at edge 15, is there an edge
    # later, and the first beat of the branch one more. Its place is free at edge 18.
    assert found(design) == {"sum_a": 0, "sum_b": 18}


def test_what_is_read_last_is_kept() -> None:
    net = Net(16)
    a, b = net.fork("split", 16, X)
    depth = found(net.done(net.concat("both", 16, a, b), 32))
    # While all of a passes, all of b waits; the last beat of it in the register of the fork.
    assert depth == {"both_a": 0, "both_b": 15}


def chain(blocks: int) -> Design:
    net, x = Net(24), X
    for k in range(blocks):
        a, b = net.fork(f"split{k}", 24, x)
        a = net.pipe(f"long{k}", 24, 3 + k, net.whole(f"all{k}", 24, a))
        x = net.join(f"sum{k}", 24, a, b)
    return net.done(x, 24)


def test_none_can_be_shallower() -> None:
    design = chain(3)
    depth = found(design)
    assert fifo_depth.reached_interval(fifo_depth.with_depths(design, depth)) == 24
    for name, places in depth.items():
        if places:
            less = fifo_depth.with_depths(design, depth | {name: places - 1})
            try:
                assert fifo_depth.reached_interval(less) > 24
            except ValueError as error:
                assert "stands still" in str(error)


def test_parts_of_a_design_are_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    design = chain(3)
    assert [len(part.placed) for part in cut(design)] == [6, 6, 6]
    whole = found(design)
    monkeypatch.setattr(fifo_depth, "LARGE", 10)
    assert found(design) == whole


def test_without_work_left_the_depths_are_enough() -> None:
    design = chain(2)
    depths = fifo_depth.depths(design, work=0)
    assert not any(depth.least for depth in depths)
    sized = fifo_depth.with_depths(design, {depth.name: depth.depth for depth in depths})
    assert fifo_depth.reached_interval(sized) == 24


def test_the_design_stays_what_it_is() -> None:
    design = unequal(64, 10, 1)
    sized = fifo_depth.size_fifos(design)
    assert [stage.name for stage in sized] == ["split", "long", "short", "sum_b", "sum"]
    assert fifo_depth.size_fifos(sized) == sized
    plain = replace(
        design, placed=design.placed[:0], outputs=(replace(design.outputs[0], driver=X),)
    )
    assert fifo_depth.size_fifos(plain) == plain


def test_a_frame_that_is_too_long_for_a_fifo_stands_still() -> None:
    net = Net(16)
    a, b = net.fork("split", 16, X)
    design = net.done(net.join("sum", 16, net.whole("all", 16, a), b), 16)
    with pytest.raises(ValueError, match=r"^net stands still with the FIFOs that it has$"):
        fifo_depth.reached_interval(fifo_depth.with_depths(design, {"sum_b": 8}))


def test_what_no_depth_can_help_is_refused() -> None:
    order = np.arange(1, 17)
    timing = Timing((order,), (3,), (order,), (1,), np.ones(16, np.bool_), 1, 1)
    net = Net(16)
    slow = net.put("slow", timing, [16], [16], X)  # a beat every four edges, but it says 16
    design = net.done(net.fifo("f", 16, slow), 16)
    with pytest.raises(ValueError, match=r"^net cannot take a frame every 16 cycles, however deep"):
        fifo_depth.depths(design)


def test_a_timing_that_contradicts_itself_is_refused() -> None:
    two = np.array([2, 2])
    wrong = Timing((two,), (0,), (two,), (0,), np.array([True, False]), 1, 1)
    with pytest.raises(ValueError, match="several beats of it"):
        token_flow.check("toy", wrong, [2], [1])
    with pytest.raises(ValueError, match="an output of 2 beats"):
        token_flow.check("toy", Timing.straight(3, 1), [3], [2])
