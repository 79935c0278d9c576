"""Top level: frames through a whole small network, tlast, and what frame_error says."""

from __future__ import annotations

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


SOURCE, SINK = stages()[0].source, stages()[-1].sink

TB = """
module tb (
    input  wire logic aclk /* verilator public_flat_rw */,
    input  wire logic aresetn /* verilator public_flat_rw */,
    input  wire logic [S-1:0] s_axis_tdata /* verilator public_flat_rw */,
    input  wire logic s_axis_tvalid /* verilator public_flat_rw */,
    output wire logic s_axis_tready /* verilator public_flat_rw */,
    input  wire logic s_axis_tlast /* verilator public_flat_rw */,
    output wire logic [M-1:0] m_axis_tdata /* verilator public_flat_rw */,
    output wire logic m_axis_tvalid /* verilator public_flat_rw */,
    input  wire logic m_axis_tready /* verilator public_flat_rw */,
    output wire logic m_axis_tlast /* verilator public_flat_rw */,
    output wire logic frame_error /* verilator public_flat_rw */
);
    net u_net (.*);
endmodule
"""


def reference(x: Ints) -> Ints:
    return np.asarray(FC2.run(ACT.run(FC1.run(x))), dtype=np.int64)


class Ends:
    """AXI4-Stream source and sink of the top level."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        ends = ((AxiStreamSource, "s_axis"), (AxiStreamSink, "m_axis"))
        self.source, self.sink = (
            kind(
                AxiStreamBus.from_prefix(dut, prefix),
                dut.aclk,
                dut.aresetn,
                reset_active_level=False,
                byte_lanes=1,
            )
            for kind, prefix in ends
        )
        Clock(dut.aclk, 10, "ns").start()

    async def reset(self) -> None:
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 4)
        self.source.clear()
        self.sink.clear()
        self.dut.aresetn.value = 1

    async def exchange(self, frames: int, seed: int) -> None:
        """Whole frames, each with its tlast, give whole frames, each with its tlast."""
        x = bench.draw(SOURCE, frames, seed)
        want = reference(x)
        for frame in x:
            await self.source.send(AxiStreamFrame(bench.words(SOURCE, frame)))
        for expected in want:
            frame = await self.sink.recv()  # up to and with tlast
            found = bench.values(SINK, list(frame.tdata))
            np.testing.assert_array_equal(found[0], expected)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(source=bench.STALLS, sink=bench.STALLS)
async def equals_reference(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    ends = Ends(dut)
    ends.source.set_pause_generator(source())
    ends.sink.set_pause_generator(sink())
    await ends.reset()
    await ends.exchange(FRAMES, seed=1)
    assert dut.frame_error.value == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
async def survives_resets(dut: Any) -> None:
    ends = Ends(dut)
    for moment in (1, 2, 5, 17, 40):
        await ends.reset()
        x = bench.draw(SOURCE, FRAMES, seed=moment)
        for frame in x:
            await ends.source.send(AxiStreamFrame(bench.words(SOURCE, frame)))
        await ClockCycles(dut.aclk, moment)
        await ends.reset()
        await ends.exchange(2, seed=100 + moment)
        assert dut.frame_error.value == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(beats=[SOURCE.beats - 1, SOURCE.beats + 1, 1])
async def wrong_tlast_is_reported_until_reset(dut: Any, beats: int) -> None:
    ends = Ends(dut)
    await ends.reset()
    await ends.exchange(1, seed=1)
    assert dut.frame_error.value == 0
    await ends.source.send(AxiStreamFrame([0] * beats))
    await ClockCycles(dut.aclk, 40)
    assert dut.frame_error.value == 1
    await ends.reset()
    await ends.exchange(2, seed=2)
    assert dut.frame_error.value == 0


def texts() -> dict[str, str]:
    made = stages()
    s, m = top.byte_bits(SOURCE.width), top.byte_bits(SINK.width)
    wrapper = TB.replace("S-1", str(s - 1)).replace("M-1", str(m - 1))
    return dict(top.files(made)) | {"net.sv": top.render_top("net", made), "tb.sv": wrapper}


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
        top.render_top("net", [made[0], made[2]])


def test_a_name_that_is_taken_is_refused() -> None:
    first = SkidBufferStage("s_axis", "x", (), SOURCE)
    with pytest.raises(ValueError, match="s_axis"):
        top.render_top("net", [first])
