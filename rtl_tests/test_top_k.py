"""TopK in RTL equals TopK in NumPy: ties, both orders, any lanes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.stream import Stream
from gatesmith.codegen.top_k import TopKStage
from gatesmith.ir import IntType
from gatesmith.ops.top_k import TopK
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case

U2, I8, POPCOUNT = IntType(0, 3), IntType(-128, 127), IntType(-64, 64, 2)


def top_k(
    name: str,
    op: TopK,
    x: IntType,
    *,
    channels: int,
    lanes: int,
    vectors: int = 1,
) -> Case:
    stream = Stream(x, channels, vectors, lanes)
    stage = TopKStage(name, name, (f"/{name}",), f"top_k_{name}", op, stream)
    return Case(stage, lambda frames: np.asarray(op.run(frames), dtype=np.int64))


SMALLEST, LAST = TopK(1, largest=False), TopK(1, last=True)

CASES = [
    top_k("digits", TopK(1), I8, channels=10, lanes=1),
    top_k("digits_by_two", TopK(1), POPCOUNT, channels=10, lanes=2),
    top_k("digits_by_five", TopK(1), I8, channels=10, lanes=5, vectors=3),
    top_k("digits_whole", TopK(1), I8, channels=10, lanes=10),
    top_k("ties", TopK(1), U2, channels=12, lanes=4),
    top_k("ties_last", LAST, U2, channels=12, lanes=3),
    top_k("ties_last_serial", LAST, U2, channels=5, lanes=1, vectors=4),
    top_k("smallest", SMALLEST, I8, channels=9, lanes=3),
    top_k("smallest_last", TopK(1, largest=False, last=True), U2, channels=8, lanes=8),
    top_k("one_channel", TopK(1), I8, channels=1, lanes=1, vectors=3),
    top_k("five", TopK(5), U2, channels=10, lanes=1),
    top_k("three_smallest", TopK(3, largest=False, last=True), U2, channels=7, lanes=1, vectors=2),
    top_k("sorted", TopK(4), I8, channels=4, lanes=1),
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
