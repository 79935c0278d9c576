"""Requantize in RTL equals Requantize in NumPy: every part of it present and absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.requantize import RequantizeStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import Array, IntType
from gatesmith.ops.requantize import Requantize
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case

U8, I8, I20 = IntType(0, 255), IntType(-128, 127), IntType(-(2**19), 2**19 - 1)
POPCOUNT = IntType(-64, 64, 2)


def requantize(  # noqa: PLR0917
    name: str,
    x: IntType,
    out: IntType,
    mul: list[int],
    add: list[int],
    shift: int,
    *,
    lanes: int,
    channels: int = 6,
    vectors: int = 4,
    even: bool = False,
) -> Case:
    op = Requantize(Array(mul), Array(add), shift, out, even)
    stream = Stream(x, channels, vectors, lanes)
    stage = RequantizeStage(name, name, (f"/{name}",), f"requantize_{name}", op, stream)
    return Case(stage, lambda frames: np.asarray(op.run(frames), dtype=np.int64))


MULS, ADDS = [77, -3, 0, 1, 12001, -9000], [5, -70000, 123456, 0, 1, -1]

CASES = [
    requantize("one_scale", I20, I8, [77], [2**14], 15, lanes=2),
    requantize("relu", I20, IntType(0, 127), [77], [2**14], 15, lanes=3),
    requantize("per_channel", I20, I8, MULS, ADDS, 16, lanes=2),
    requantize("per_channel_all_lanes", I20, I8, MULS, ADDS, 16, lanes=6),
    requantize("mul_varies", I8, I20, MULS, [0], 0, lanes=1),
    requantize("add_varies", I8, I20, [1], ADDS, 0, lanes=3),
    requantize("add_varies_clamped", U8, IntType(-9, 200), [-1], ADDS, 1, lanes=3),
    requantize("popcount", POPCOUNT, I8, MULS, ADDS, 9, lanes=3),
    requantize("popcount_sum", POPCOUNT, I20, [1], [0], 0, lanes=6),
    requantize("clamp_only", I20, U8, [1], [0], 0, lanes=2),
    requantize("shift_only", I20, I20, [1], [0], 7, lanes=1),
    requantize("identity", U8, U8, [1], [0], 0, lanes=2),
    requantize("even", I20, I8, [1], [0], 4, lanes=2, even=True),
    requantize("even_of_a_half", I8, I8, [1], [0], 1, lanes=3, even=True),
    requantize("even_per_channel", I8, I8, [3, -5, 2, 1, -1, 7], ADDS, 3, lanes=2, even=True),
    requantize("even_popcount", POPCOUNT, I8, [3, -1, 2, 1, 5, 7], [1], 2, lanes=3, even=True),
    requantize("always_high", I8, IntType(-1, 3), [1], [1000], 0, lanes=2),
    requantize("constant", I8, IntType(-2, 5), [0], [-300], 4, lanes=2),
    requantize("wide", I20, IntType(-(2**30), 2**30), [2**40 + 1], [2**57], 30, lanes=1),
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
