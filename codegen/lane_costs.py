"""What a layer's stages cost for given lanes: its own function of the plan run on a single node.

The plan (codegen/plan.py) asks each layer for its stages, and these follow from the streams that
come, the fold, and the cycles a frame. Here the same functions run on streams that are tried, so
that the search for folds counts converters, skid buffers and forks exactly as the plan will place
them. FIFOs are left out: their depth is known only when the whole design is (fifo_depth.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import (  # noqa: F401, registers the layers
    layers_exit,
    layers_join,
    layers_more,
    layers_window,
    parts,
)
from gatesmith.codegen.builder import Builder, Tap
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.design import Driver
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.layers import LAYERS
from gatesmith.codegen.matrix_unit import divisors
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.ir import Node
from gatesmith.ops.concat import Concat
from gatesmith.ops.decide import Decide
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.early_exit import EarlyExit
from gatesmith.ops.gate import Gate
from gatesmith.ops.gather import Gather
from gatesmith.ops.join import Join
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.product import Product
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.select import Select
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.top_k import TopK
from gatesmith.ops.window import Window

RESOURCES = ("lut", "ff", "dsp", "bram", "ram_bits", "delay")
"""What amounts are of: those of codegen/cost.py, blocks of RAM, and cycles of delay."""

Amounts = NDArray[np.float64]
"""One number for each of RESOURCES."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A stream as a reader meets it.

    Attributes:
        stream: Its shape.
        registered: Whether a register drives it, so that no skid buffer is needed.
        together: Of a window's stream, neighbours that are of one tap; else 0.
        joined: Whether the Threshold that reads it is a part of the stage that gave it.
    """

    stream: Stream
    registered: bool
    together: int = 0
    joined: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Stages of one node.

    Attributes:
        amounts: What they take, without FIFOs.
        interval: Cycles a frame of the slowest.
        out: What each reader of the node meets; None of an output's buffer.
    """

    amounts: Amounts
    interval: int
    out: Arrival | None


def block_rams(cost: Cost) -> int:
    """Blocks of 18 kbit of one stage."""
    return cost.ramb18 + 2 * cost.ramb36


def amounts(stage: Stage, delay: int = 0) -> Amounts:
    """What one stage takes."""
    cost = stage.cost()
    blocks = block_rams(cost)
    return np.array([cost.lut, cost.ff, cost.dsp, blocks, cost.ram_bits, delay], np.float64)


class Probe(Builder):
    """A builder around a single node, with streams as given."""

    def __init__(
        self, node: Node, arrivals: Sequence[Arrival], cycles: int = 0, users: int = 1
    ) -> None:
        self.name, self.folds, self.cycles = "probe", {}, cycles
        self.layers = set()
        self.placed, self.stages, self.names = [], {}, set()
        self.streams, self.free, self.shape = {}, {}, {}
        self.tap_lanes, self.registered, self.inputs = {}, set(), []
        self.users = Counter({node: users})
        self.readers: dict[Node, Node] = {}
        self.done = {node} if any(arrival.joined for arrival in arrivals) else set[Node]()
        for port, (arg, arrival) in enumerate(zip(node.args, arrivals, strict=False)):
            self.arrive(arg, arrival, port)

    def arrive(self, arg: Node, arrival: Arrival, port: int = 0) -> None:
        """Let the stream of a node be there for one reader."""
        driver = Driver(arg.name, port)
        self.free.setdefault(arg, []).append(driver)
        self.shape[arg], self.streams[driver] = arrival.stream, arrival.stream
        if arrival.registered:
            self.registered.add(driver)
        if arrival.together:
            self.tap_lanes[arg] = arrival.together

    def result(self, node: Node | None = None) -> Placed:
        """What was placed, and how ``node`` arrives at its readers."""
        stages = [p.stage for p in self.placed if not isinstance(p.stage, FifoStage)]
        total = np.zeros(len(RESOURCES))
        for stage in stages:
            total += amounts(stage)
        out = None
        if node is not None:
            free = self.free[node][0]
            registered, together = free in self.registered, self.tap_lanes.get(node, 0)
            out = Arrival(self.shape[node], registered, together)
        return Placed(total, max((s.interval for s in stages), default=0), out)


def placed(node: Node, arrivals: Sequence[Arrival], cycles: int, users: int) -> Placed:
    """Stages of a node that is no Dense and no Input."""
    probe = Probe(node, arrivals, cycles, users)
    LAYERS[type(node.op)](probe, node)
    return probe.result(node)


def given(node: Node, stream: Stream, users: int, *, registered: bool) -> Placed:
    """What stands behind a stream that is there: a fork where several read it."""
    probe = Probe(node, (), users=users)
    driver = Driver(node.name)
    if registered:
        probe.registered.add(driver)
    probe.give(node, Tap(probe, driver, stream))
    return probe.result(node)


def converted(node: Node, arrival: Arrival, channels: int, lanes: int) -> Placed:
    """What brings the lanes of a Dense: see ``dense`` in codegen/layers.py."""
    probe = Probe(node, (arrival,))
    tap = probe.take(node.args[0]).buffer()
    convert = tap.convert_waiting if isinstance(node.args[0].op, Window) else tap.convert
    convert(channels, lanes)
    return probe.result()


def left(node: Node, arrival: Arrival) -> Placed:
    """The buffer before an output of the core."""
    probe = Probe(node, ())
    probe.arrive(node, arrival)
    probe.take(node).buffer()
    return probe.result()


# ---- where the cycles change something ----------------------------------------------------------

STEADY = (Reshape, Threshold, Requantize, TopK, Table, Reduce, Gate, EarlyExit)
"""Operators whose stages follow from the streams alone."""


def turning_points(node: Node) -> tuple[int, ...] | None:
    """Cycles a frame from each of which on the stages of a node may be others; None: any.

    They are the numbers that the functions of codegen/layers*.py compare the cycles with.
    """
    op, t = node.op, node.type
    match op:
        case Window(groups=groups):
            return _windows(node, op.taps, groups)
        case Depthwise(kernel=(kh, kw)) | MaxPool(kernel=(kh, kw)):
            return _windows(node, kh * kw, 1)
        case Join() | Product() | Select():
            return tuple(sorted({t.size // n for n in divisors(t.channels)}))
        case Concat() | Gather() | Decide():
            sizes = {t.size, *(arg.type.size for arg in node.args)}
            return tuple(sorted({size // n for size in sizes for n in divisors(size)}))
        case _:
            return () if isinstance(op, STEADY) else None


def _windows(node: Node, taps: int, groups: int) -> tuple[int, ...]:
    """Beats of a frame at every number of lanes; see codegen/windowing.py."""
    x, out = node.args[0], node.type.shape
    size, channels, pixels = x.type.size, x.type.channels, out[0] * out[1]
    beats = {
        max(pixels * channels // lanes * at_once, size // lanes)
        for lanes in divisors(channels // groups)
        for at_once in {1, taps}
    }
    return tuple(sorted(beats))
