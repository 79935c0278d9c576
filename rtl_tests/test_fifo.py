"""FIFO: every beat once, in order, at every depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import IntType
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case

I8 = IntType(-128, 127)


def fifo(name: str, depth: int, lanes: int = 2) -> Case:
    x = Stream(I8, 24, 1, lanes)
    return Case(FifoStage(name, name, (), x, depth), np.asarray)


CASES = [
    *(fifo(f"deep{depth}", depth) for depth in (1, 2, 3, 4, 5, 8, 13)),
    fifo("block", 200, lanes=8),
    fifo("block_power", 256, lanes=6),
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
