"""Fork: every beat once to every reader, in order, at full rate, whoever of them stalls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from gatesmith.codegen.fork import ForkStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, Ints, IntType
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint


def fork(name: str, x: Stream, count: int) -> Case:
    def reference(frames: Ints) -> tuple[Ints, ...]:
        return (frames,) * count

    return Case(ForkStage(name, name, (), x, count), reference)


CASES = [
    fork("bit", Stream(BIPOLAR, 9, 2, 1), 2),
    fork("wide", Stream(IntType(-128, 127), 40, 1, 10), 2),
    fork("many", Stream(IntType(0, 9), 6, 3, 2), 5),
]


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_reference(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    await bench.equal_under_stalls(dut, CASES, source, sink)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def survives_resets(dut: Any) -> None:
    await bench.survive_resets(dut, CASES)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(source=STALLS)
async def keeps_schedule(dut: Any, source: bench.Stall) -> None:
    await bench.keep_schedule(dut, CASES, source)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def slow_reader_keeps_no_other(dut: Any) -> None:
    """Each reader in turn takes nothing: the others have the same beat, and no more."""
    benches = await bench.start(dut, CASES)
    for one, case in zip(benches, CASES, strict=True):
        frames = case.draw(1)
        beats = bench.words(case.stage.source, frames[0])
        for slow in range(len(one.sinks)):
            one.sinks[slow].pause = True
            await one.send(frames)
            await ClockCycles(dut.clk, 10)
            for reader, sink in enumerate(one.sinks):
                assert sink.count() == int(reader != slow), (case.stage.name, reader, slow)
            one.sinks[slow].pause = False
            for found in await one.receive(1):
                np.testing.assert_array_equal(bench.words(case.stage.sink, found), beats)


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_is_clean(tmp_path: Path) -> None:
    stages = [case.stage for case in CASES]
    for name, text in bench.texts(stages).items():
        (tmp_path / name).write_text(text, "utf-8")
    for tool, report in lint(tmp_path, "tb").items():
        assert not report.messages, (tool, *report.messages)
