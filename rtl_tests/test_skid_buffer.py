"""Skid buffer: every beat once, in order, at full rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, IntType
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case


def skid(name: str, x: Stream) -> Case:
    return Case(SkidBufferStage(name, name, (), x), np.asarray)


CASES = [
    skid("bit", Stream(BIPOLAR, 9, 1, 1)),
    skid("wide", Stream(IntType(-128, 127), 40, 1, 10)),
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


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)
