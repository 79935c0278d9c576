"""FIFO depths: with them the measured interval is that of the slowest stage, with less it is not.

Each network is built with its computed depths, and again with each FIFO one place shallower (a
FIFO of one place left out). Then it is slower, or it may stand still: at once, or with bubbles in a
pipeline that stalls could bring about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from gatesmith.codegen import fifo_depth, top
from gatesmith.codegen.concat import ConcatStage
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.fork import ForkStage
from gatesmith.codegen.join import JoinStage
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.window import WindowStage
from gatesmith.ir import Array, Ints, IntType
from gatesmith.ops.concat import Concat
from gatesmith.ops.dense import Dense
from gatesmith.ops.join import Join
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.window import Window
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import Bench, Case

I4 = IntType(-8, 7)
FRAMES, SETTLED = 12, 6


# ---- networks -----------------------------------------------------------------------------------


class Net:
    """A design as it is made; every value also as a function of the input."""

    def __init__(self, name: str, x: Stream) -> None:
        self.name, self.x = name, x
        self.placed: list[Placed] = []
        self.run: dict[Driver, Any] = {Driver("x"): lambda x: x}
        self.stream = {Driver("x"): x}

    def put(self, stage: Stage, run: Any, *drivers: Driver) -> Driver:
        self.placed.append(Placed(stage, drivers))
        inputs = [self.run[driver] for driver in drivers]
        for k, stream in enumerate(stage.sinks):
            self.run[Driver(stage.name, k)] = lambda x: run(*(value(x) for value in inputs))
            self.stream[Driver(stage.name, k)] = stream
        return Driver(stage.name)

    def fork(self, name: str, x: Driver, count: int = 2) -> list[Driver]:
        skid = self.put(SkidBufferStage(f"{name}_skid", name, (), self.stream[x]), np.asarray, x)
        self.put(ForkStage(name, name, (), self.stream[x], count), np.asarray, skid)
        return [Driver(name, k) for k in range(count)]

    def fifo(self, name: str, x: Driver) -> Driver:
        stage = FifoStage(name, name, (), self.stream[x], 2)  # any depth: it is computed
        return self.put(stage, np.asarray, x)

    def dense(self, name: str, x: Driver, outs: int, simd: int, pe: int) -> Driver:
        s = self.stream[x]
        rng = np.random.default_rng(len(self.placed))
        op = Dense(Array(rng.integers(-3, 4, (outs, s.channels))), IntType(-3, 3))
        x_ = Stream(s.elem, s.channels, s.vectors, simd)
        stage = DenseStage(name, name, (), f"{self.name}_{name}", op, x_, pe)
        return self.put(stage, lambda v: np.asarray(op.run(v), np.int64), x)

    def conv(self, name: str, x: Driver, shape: tuple[int, int], outs: int, pe: int) -> Driver:
        """3 x 3, a tap a cycle."""
        s = self.stream[x]
        op = Window((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), Array([0]))
        module = f"{self.name}_{name}_taps"
        map_ = (*shape, s.channels)
        taps = WindowStage(f"{name}_taps", name, (), module, op, map_, s, 1, s.lanes)

        def run(v: Ints) -> Ints:
            y = op.run(v.reshape(-1, *map_))
            return np.asarray(y, np.int64).reshape(len(v), -1, 9 * s.channels)

        return self.dense(name, self.put(taps, run, x), outs, s.lanes, pe)

    def quantize(self, name: str, x: Driver) -> Driver:
        s = self.stream[x]
        steps = np.arange(-7, 8) * max(1, s.elem.hi // 10)
        op = Threshold(Array(steps[None]), I4, Array([0]))
        stage = ThresholdStage(name, name, (), f"{self.name}_{name}", op, s)
        return self.put(stage, lambda v: np.asarray(op.run(v), np.int64), x)

    def join(self, name: str, a: Driver, b: Driver) -> Driver:
        a, b = self.fifo(f"{name}_a", a), self.fifo(f"{name}_b", b)
        op = Join(Array([1]), Array([1]), Array([0]), 1, I4, False)
        stage = JoinStage(name, name, (), f"{self.name}_{name}", op, self.stream[a], self.stream[b])
        return self.put(stage, lambda *v: np.asarray(op.run(*v), np.int64), a, b)

    def concat(self, name: str, a: Driver, b: Driver) -> Driver:
        """All vectors of a, then all of b."""
        a, b = self.fifo(f"{name}_a", a), self.fifo(f"{name}_b", b)
        ins = (self.stream[a], self.stream[b])
        out = replace(ins[0], vectors=ins[0].vectors + ins[1].vectors)
        op, counts = Concat(0), (ins[0].beats, ins[1].beats)
        stage = ConcatStage(name, name, (), f"{self.name}_{name}", op, ins, counts, out)
        return self.put(stage, lambda *v: np.asarray(op.run(*v), np.int64), a, b)

    def done(self, y: Driver) -> tuple[Design, Any]:
        design = Design(
            self.name,
            (CorePort("x", "x", self.x),),
            tuple(self.placed),
            (CorePort("y", "y", self.stream[y], y),),
        )
        return design, self.run[y]


def unequal() -> tuple[Design, Any]:
    """A pipeline of several registers at a beat a cycle beside a wire."""
    net = Net("unequal", Stream(I4, 4, 16, 4))
    a, b = net.fork("split", Driver("x"))
    a = net.quantize("q", net.dense("fc", a, 4, 4, 4))
    return net.done(net.join("sum", a, b))


def residual() -> tuple[Design, Any]:
    """Two folded layers, each waiting for whole vectors, beside a wire."""
    net = Net("residual", Stream(I4, 8, 6, 2))
    a, b = net.fork("split", net.quantize("q0", net.dense("fc0", Driver("x"), 8, 2, 2)))
    a = net.quantize("q1", net.dense("fc1", a, 8, 2, 2))
    a = net.quantize("q2", net.dense("fc2", a, 8, 2, 2))
    return net.done(net.dense("head", net.join("sum", a, b), 4, 2, 1))


def convolutions() -> tuple[Design, Any]:
    """Two convolutions beside a wire: the branch waits for rows of the map."""
    net = Net("convolutions", Stream(I4, 4, 30, 2))
    a, b = net.fork("split", Driver("x"))
    a = net.quantize("q1", net.conv("conv1", a, (6, 5), 4, 2))
    a = net.quantize("q2", net.conv("conv2", a, (6, 5), 4, 2))
    return net.done(net.join("sum", a, b))


def one_after_the_other() -> tuple[Design, Any]:
    """All of one branch is read before the other: that one waits, layer and all."""
    net = Net("one_after_the_other", Stream(I4, 4, 8, 2))
    a, b = net.fork("split", Driver("x"))
    b = net.quantize("q", net.dense("fc", b, 4, 2, 2))
    return net.done(net.concat("both", a, b))


def nested() -> tuple[Design, Any]:
    """A residual inside a residual, and one branch with a layer of its own."""
    net = Net("nested", Stream(I4, 6, 4, 3))
    a, b, c = net.fork("split", Driver("x"), 3)
    a, d = net.fork("inner", net.quantize("q1", net.dense("fc1", a, 6, 3, 3)))
    a = net.quantize("q2", net.dense("fc2", a, 6, 3, 3))
    a = net.join("sum1", a, d)
    c = net.quantize("q3", net.dense("fc3", c, 6, 3, 3))
    return net.done(net.join("sum3", net.join("sum2", a, b), c))


# ---- as stages of one simulator -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Core(Stage):
    """A whole design as a stage; what follows from its schedule is not asked here."""

    design: Design

    @property
    def source(self) -> Stream:
        return self.design.inputs[0].stream

    @property
    def sink(self) -> Stream:
        return self.design.outputs[0].stream

    @property
    def driver(self) -> Driver:
        driver = self.design.outputs[0].driver
        assert driver is not None
        return driver

    @property
    def module(self) -> str:
        return f"core_{self.name}"

    @property
    def interval(self) -> int:
        return self.design.interval

    def schedule(self, *arrivals: Ints) -> Ints:
        raise NotImplementedError

    def timing(self) -> Timing:
        raise NotImplementedError

    def cost(self) -> Cost:
        return self.design.cost

    def files(self) -> Mapping[str, str]:
        named = top.wires(self.design)
        x, y = named[Driver("x")], named[self.driver]
        ports = ["input wire logic clk", "input wire logic rst"]
        for side, way, back, bits in (
            ("s", "input", "output", self.source.width),
            ("m", "output", "input", self.sink.width),
        ):
            ports.append(f"{way} wire logic [{bits - 1}:0] {side}_axis_tdata")
            ports.append(f"{way} wire logic {side}_axis_tvalid")
            ports.append(f"{back} wire logic {side}_axis_tready")
        text = [f"module {self.module} ({', '.join(ports)});"]
        streams = {x: self.source}
        for placed in self.design.placed:
            for k, stream in enumerate(placed.stage.sinks):
                streams[named[Driver(placed.stage.name, k)]] = stream
        for wire, stream in streams.items():
            text.append(f"    wire logic [{stream.width - 1}:0] {wire}_tdata;")
            text.append(f"    wire logic {wire}_tvalid, {wire}_tready;")
        text += [f"    assign {x}_t{s} = s_axis_t{s};" for s in ("data", "valid")]
        text += [f"    assign m_axis_t{s} = {y}_t{s};" for s in ("data", "valid")]
        text += [
            f"    assign s_axis_tready = {x}_tready;",
            f"    assign {y}_tready = m_axis_tready;",
        ]
        for placed in self.design.placed:
            one = top._instance(placed, named)
            text.append(
                f"    {one.stage.module} {one.parameters}u_{one.stage.name} (.clk(clk), .rst(rst),"
            )
            text.append(one.connections + ");")
        return {**top.files(self.design), f"{self.module}.sv": "\n".join([*text, "endmodule", ""])}


@dataclass(frozen=True)
class Variant:
    """A network with depths, and the interval that is predicted for it; None: it stands still."""

    case: Case
    interval: int | None
    changed: str | None


def variants() -> list[Variant]:
    found = []
    for make in (unequal, residual, convolutions, one_after_the_other, nested):
        design, run = make()
        sized = {depth.name: depth.depth for depth in fifo_depth.depths(design)}
        changes = [None, *(name for name, depth in sized.items() if depth)]
        for changed in changes:
            depth = sized | ({changed: sized[changed] - 1} if changed else {})
            made = fifo_depth.with_depths(design, depth)
            name = design.name + (f"_{changed}" if changed else "")
            case = Case(Core(name, name, (), made), run)
            try:
                interval = fifo_depth.reached_interval(made)
            except ValueError:
                interval = None
            found.append(Variant(case, interval, changed))
    return found


VARIANTS = variants()


async def measure(dut: Any, bench_: Bench, variant: Variant) -> dict[str, Any]:
    """Intervals of the frames that come out before the time is over, and fill of the FIFOs."""
    stage, case = bench_.stage, variant.case
    assert isinstance(stage, Core)
    frames = case.draw(FRAMES)
    await bench_.send(frames)
    valid, ready = (getattr(dut, f"{stage.name}_m_axis_{s}") for s in ("tvalid", "tready"))
    limit = 4 * FRAMES * max(stage.interval, variant.interval or 0)
    ends: list[int] = []
    for edge in range(limit):
        await RisingEdge(dut.clk)
        if valid.value == 1 and ready.value == 1:
            ends.append(edge)
            if len(ends) == FRAMES * stage.sink.beats:
                break
    fifos = fifo_depth.fifos(stage.design)
    most = {}
    for name in fifos:
        inside = getattr(getattr(dut, f"u_{stage.name}"), f"u_{name}")
        most[name] = int(inside.most_q.value)
    done = len(ends) // stage.sink.beats
    last = np.array(ends[: done * stage.sink.beats], np.int64).reshape(done, -1)[:, -1:].ravel()
    if done == FRAMES:
        await ClockCycles(dut.clk, 1)
        got = await bench_.receive(FRAMES)
        np.testing.assert_array_equal(got[0], case.want(frames)[0], err_msg=stage.name)
    return {
        "name": stage.name,
        "changed": variant.changed,
        "wanted": fifo_depth.wanted_interval(stage.design),
        "predicted": variant.interval,
        "alive": fifo_depth.alive(stage.design),
        "frames": done,
        "intervals": np.diff(last).tolist(),
        "depth": {name: one.depth for name, one in fifos.items()},
        "most": most,
    }


@cocotb.test(timeout_time=1000, timeout_unit="us")
async def reaches_interval(dut: Any) -> None:
    benches = await bench.start(dut, [variant.case for variant in VARIANTS])
    pairs = zip(benches, VARIANTS, strict=True)
    tasks = [cocotb.start_soon(measure(dut, one, variant)) for one, variant in pairs]
    found = [await task for task in tasks]
    Path("measured.json").write_text(json.dumps(found, indent=1), "utf-8")


@cocotb.test(timeout_time=1000, timeout_unit="us")
async def equals_reference(dut: Any) -> None:
    cases = [variant.case for variant in VARIANTS if variant.changed is None]
    await bench.equal_under_stalls(dut, cases, bench.at_random, bench.at_random)


def probed(name: str, text: str) -> str:
    """Files with the high-water mark of FIFOs."""
    return f"`define GATESMITH_PROBE\n{text}" if name == "gs_fifo.sv" else text


def test_depths_are_enough_and_least(tmp_path: Path) -> None:
    cores = [variant.case.stage for variant in VARIANTS]
    failed, log = bench.simulate(cores, __name__, tmp_path, probed)
    assert failed == 0, log[-6000:]
    for found in json.loads((tmp_path / "measured.json").read_text("utf-8")):
        steady = found["intervals"][SETTLED:]
        for name, depth in found["depth"].items():
            # A place is free an edge behind a leaving: the last one may never be taken.
            assert depth - 1 <= found["most"][name] <= depth, found
        if found["changed"] is None:
            assert set(steady) == {found["wanted"]} == {found["predicted"]}, found
            assert found["alive"], found
        elif found["predicted"] is None:
            assert found["frames"] < FRAMES, found
        else:
            assert np.mean(steady) > found["predicted"] - 1, found  # it need not be whole
            assert np.mean(steady) > found["wanted"] or not found["alive"], found
