"""Top level: frames through whole small networks, tlast, and what frame_error says.

``net`` has one input and one output, ``pair`` two of each.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import (  # type: ignore[import-untyped]
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from gatesmith.codegen import top
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.ir import BIPOLAR, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold
from gatesmith.rtl_tests import bench

RNG = np.random.default_rng(3)
FC1 = Dense(Array(2 * RNG.integers(0, 2, (12, 30)) - 1), BIPOLAR)
ACT = Threshold(Array(np.sort(2 * RNG.integers(-4, 5, (12, 1)))), BIPOLAR, Array([0]))
FC2 = Dense(Array(RNG.integers(-3, 4, (6, 12))), IntType(-3, 3))
FRAMES = 8


def stages() -> list[Stage]:
    """30 bipolar inputs, 12 hidden units, 6 sums; three lanes of 5 bits give 16 bits of tdata."""
    x = Stream(BIPOLAR, 30, 1, 10)
    fc1 = DenseStage("fc1", "fc1", ("/fc1",), "net_fc1", FC1, x, 4)
    act = ThresholdStage("act", "act", ("/sign",), "net_act", ACT, fc1.sink)
    skid = SkidBufferStage("act_skid", "act", (), act.sink)
    wider = WidthConverterStage("wider", "act", (), skid.sink, 12, 6)
    fc2 = DenseStage("fc2", "fc2", ("/fc2",), "net_fc2", FC2, wider.sink, 3)
    return [fc1, act, skid, wider, fc2]


def chain(name: str, made: Sequence[Stage]) -> Design:
    """Stages in a row between one input and one output."""
    head, tail = made[0], made[-1]
    names = ["x", *(stage.name for stage in made)]
    placed = [Placed(stage, (Driver(name),)) for name, stage in zip(names, made, strict=False)]
    inputs = (CorePort("x", "x", head.source),)
    return Design(
        name, inputs, tuple(placed), (CorePort("y", tail.node, tail.sink, Driver(tail.name)),)
    )


def pair() -> Design:
    """Hidden units of an input a to an output p; the elements of b, in other beats, to q."""
    fc1, act, *_ = stages()
    wider = WidthConverterStage("b_to_6", "b", (), Stream(IntType(-2, 5), 4, 3, 2), 12, 6)
    skid = SkidBufferStage("act_0", "act", (), act.sink)
    placed = (
        Placed(fc1, (Driver("a"),)),
        Placed(wider, (Driver("b"),)),
        Placed(act, (Driver("fc1"),)),
        Placed(skid, (Driver("act"),)),
    )
    inputs = (CorePort("a", "a", fc1.source), CorePort("b", "b", wider.source))
    outputs = (
        CorePort("p", "act", act.sink, Driver("act_0")),
        CorePort("q", "b", wider.sink, Driver("b_to_6")),
    )
    return Design("pair", inputs, placed, outputs)


NET, PAIR = chain("net", stages()), pair()
SOURCE, SINK = NET.inputs[0].stream, NET.outputs[0].stream


def wrapper() -> str:
    """Module ``tb``: both networks."""
    ports = ["input wire logic aclk", "input wire logic aresetn"]
    for design in (NET, PAIR):
        for way, back, bare, ends in (
            ("input", "output", "s_axis", design.inputs),
            ("output", "input", "m_axis", design.outputs),
        ):
            for prefix, end in zip(top.prefixes(bare, ends), ends, strict=True):
                bits = top.byte_bits(end.stream.width)
                ports.append(f"{way} wire logic [{bits - 1}:0] {prefix}_tdata")
                ports += [f"{way} wire logic {prefix}_{signal}" for signal in ("tvalid", "tlast")]
                ports.append(f"{back} wire logic {prefix}_tready")
        ports.append(f"output wire logic {design.name}_error")
    flat = " /* verilator public_flat_rw */"
    return (
        f"module tb (\n    {(flat + ', ').join(ports)}{flat}\n);\n"
        "    net u_net (.*, .frame_error(net_error));\n"
        "    pair u_pair (.*, .frame_error(pair_error));\n"
        "endmodule\n"
    )


def reference(x: Ints) -> Ints:
    return np.asarray(FC2.run(ACT.run(FC1.run(x))), dtype=np.int64)


def hidden(x: Ints) -> Ints:
    return np.asarray(ACT.run(FC1.run(x)), dtype=np.int64)


class Ends:
    """AXI4-Stream sources and sinks of a network."""

    def __init__(self, dut: Any, design: Design = NET) -> None:
        self.dut, self.design = dut, design
        self.sources = self._made(AxiStreamSource, "s_axis", design.inputs)
        self.sinks = self._made(AxiStreamSink, "m_axis", design.outputs)
        Clock(dut.aclk, 10, "ns").start()

    def _made(self, kind: Any, bare: str, ends: Sequence[CorePort]) -> list[Any]:
        clocked = {"clock": self.dut.aclk, "reset": self.dut.aresetn, "byte_lanes": 1}
        return [
            kind(AxiStreamBus.from_prefix(self.dut, prefix), **clocked, reset_active_level=False)
            for prefix in top.prefixes(bare, ends)
        ]

    def stall(self, source: bench.Stall, sink: bench.Stall) -> None:
        for end in self.sources:
            end.set_pause_generator(source())
        for end in self.sinks:
            end.set_pause_generator(sink())

    async def reset(self) -> None:
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 4)
        for end in (*self.sources, *self.sinks):
            end.clear()
        self.dut.aresetn.value = 1

    @property
    def error(self) -> int:
        return int(getattr(self.dut, f"{self.design.name}_error").value)

    async def exchange(self, frames: int, seed: int) -> None:
        """Whole frames, each with its tlast, give whole frames, each with its tlast."""
        given = [bench.draw(port.stream, frames, seed) for port in self.design.inputs]
        for source, port, x in zip(self.sources, self.design.inputs, given, strict=True):
            for frame in x:
                await source.send(AxiStreamFrame(bench.words(port.stream, frame)))
        if self.design is NET:
            wanted = [reference(given[0])]
        else:
            wanted = [hidden(given[0]), given[1].reshape(-1, 1, 12)]
        for sink, port, want in zip(self.sinks, self.design.outputs, wanted, strict=True):
            for expected in want:
                frame = await sink.recv()  # up to and with tlast
                found = bench.values(port.stream, list(frame.tdata))
                np.testing.assert_array_equal(found[0], expected)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(design=[NET, PAIR], source=bench.STALLS, sink=bench.STALLS)
async def equals_reference(
    dut: Any, design: Design, source: bench.Stall, sink: bench.Stall
) -> None:
    ends = Ends(dut, design)
    ends.stall(source, sink)
    await ends.reset()
    await ends.exchange(FRAMES, seed=1)
    assert ends.error == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(design=[NET, PAIR])
async def survives_resets(dut: Any, design: Design) -> None:
    ends = Ends(dut, design)
    for moment in (1, 2, 5, 17, 40):
        await ends.reset()
        for source, port in zip(ends.sources, design.inputs, strict=True):
            for frame in bench.draw(port.stream, FRAMES, seed=moment):
                await source.send(AxiStreamFrame(bench.words(port.stream, frame)))
        await ClockCycles(dut.aclk, moment)
        await ends.reset()
        await ends.exchange(2, seed=100 + moment)
        assert ends.error == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize((("design", "k"), [(NET, 0), (PAIR, 0), (PAIR, 1)]), ("wrong", [-1, 1, None]))
async def wrong_tlast_is_reported_until_reset(
    dut: Any, design: Design, k: int, wrong: int | None
) -> None:
    ends = Ends(dut, design)
    await ends.reset()
    await ends.exchange(1, seed=1)
    assert ends.error == 0
    beats = 1 if wrong is None else design.inputs[k].stream.beats + wrong
    await ends.sources[k].send(AxiStreamFrame([0] * beats))
    await ClockCycles(dut.aclk, 40)
    assert ends.error == 1
    await ends.reset()
    await ends.exchange(2, seed=2)
    assert ends.error == 0


def texts() -> dict[str, str]:
    shared = top.files([*NET, *PAIR])
    made = {f"{design.name}.sv": top.render_top(design) for design in (NET, PAIR)}
    return dict(shared) | made | {"tb.sv": wrapper()}


def test_rtl_equals_reference(tmp_path: Path) -> None:
    failed, log = bench.run(texts(), __name__, tmp_path)
    assert failed == 0, log[-6000:]


@pytest.mark.slow  # a simulator of its own
def test_a_tlast_at_the_wrong_beat_is_noticed(tmp_path: Path) -> None:
    files = texts()
    right = f"m_axis_tlast = out_q == 1'd{SINK.beats - 1};"
    assert right in files["net.sv"]
    files["net.sv"] = files["net.sv"].replace(right, "m_axis_tlast = out_q == 1'd0;")
    failed, _ = bench.run(files, __name__, tmp_path)
    assert failed > 0


def test_stages_that_do_not_fit_are_refused() -> None:
    made = stages()
    with pytest.raises(ValueError, match=r"^fc1 drives .* but act_skid reads "):
        chain("net", [made[0], made[2]])


def test_a_name_that_is_taken_is_refused() -> None:
    first = SkidBufferStage("s_axis", "x", (), SOURCE)
    with pytest.raises(ValueError, match="s_axis"):
        top.render_top(chain("net", [first]))


def test_streams_keep_apart() -> None:
    """Port 0 of a fork ``a`` is not the stream of a stage ``a_0``."""
    x = Stream(BIPOLAR, 4, 1, 2)

    class Fork(SkidBufferStage):
        __slots__ = ()

        @property
        def sinks(self) -> tuple[Stream, ...]:
            return (self.x, self.x)

    placed = (
        Placed(Fork("a", "x", (), x), (Driver("x"),)),
        Placed(SkidBufferStage("a_0", "x", (), x), (Driver("a", 0),)),
    )
    outputs = (CorePort("p", "x", x, Driver("a_0")), CorePort("q", "x", x, Driver("a", 1)))
    design = Design("net", (CorePort("x", "x", x),), placed, outputs)

    named = top.wires(design)

    assert named[Driver("a_0")] == "a_0"
    assert named[Driver("a", 0)] == "a_0_"
    assert named[Driver("a", 1)] == "a_1"
    text = top.render_top(design)
    assert ".m0_axis_tdata(a_0__tdata)" in text
    assert ".s_axis_tdata(a_0__tdata)" in text


def test_hundreds_of_stages_are_rendered_at_once() -> None:
    x = Stream(BIPOLAR, 64, 9, 4)
    made = [SkidBufferStage(f"s{i}", "x", (f"/s{i}",), x) for i in range(800)]
    began = time.process_time()
    text = top.render_top(chain("net", made))
    assert time.process_time() - began < 2
    assert "gs_skid_buffer #(.W(4)) u_s799 (" in text
