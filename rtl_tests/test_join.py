"""Join in RTL equals Join in NumPy: every part of it present and absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.join import JoinStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, Array, IntType
from gatesmith.ops.join import Join
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint

U8, I8, I9, I20 = IntType(0, 255), IntType(-128, 127), IntType(-256, 254), IntType(-(2**19), 2**19)
POPCOUNT = IntType(-64, 64, 2)


def join(  # noqa: PLR0917
    name: str,
    a: IntType,
    b: IntType,
    out: IntType,
    mul_a: list[int],
    mul_b: list[int],
    add: list[int],
    shift: int,
    *,
    lanes: int,
    even: bool = False,
) -> Case:
    op = Join(Array(mul_a), Array(mul_b), Array(add), shift, out, even)
    x, y = (Stream(elem, 6, 4, lanes) for elem in (a, b))
    stage = JoinStage(name, name, (f"/{name}",), f"join_{name}", op, x, y)
    return Case(stage, lambda *frames: np.asarray(op.run(*frames), dtype=np.int64))


MULS, MORE, ADDS = [77, -3, 0, 1, 1201, -900], [1, 5, -44, 0, 7, 9], [5, -700, 12345, 0, 1, -1]

CASES = [
    join("sum", I8, I8, I9, [1], [1], [0], 0, lanes=2),
    join("sum_clamped", I8, U8, I8, [1], [1], [0], 0, lanes=3),
    join("difference", U8, U8, IntType(-255, 255), [1], [-1], [0], 0, lanes=6),
    join("relu", I8, I8, IntType(0, 127), [1], [1], [3], 1, lanes=1),
    join("two_scales", I8, I8, I8, [77], [102], [2**6], 7, lanes=2),
    join("per_channel", I20, I8, I8, MULS, MORE, ADDS, 9, lanes=2),
    join("per_channel_all_lanes", I20, I8, I8, MULS, MORE, ADDS, 9, lanes=6),
    join("mul_a_varies", I8, U8, I20, MULS, [1], [0], 0, lanes=1),
    join("mul_b_varies", I8, U8, I20, [3], MORE, [9], 2, lanes=3),
    join("add_varies", I8, I8, I20, [1], [1], ADDS, 0, lanes=3),
    join("mul_and_add_vary", I8, I8, U8, [2], MULS, ADDS, 3, lanes=2),
    join("popcounts", POPCOUNT, POPCOUNT, I8, [1], [1], [0], 0, lanes=2),
    join("popcount_scaled", POPCOUNT, I8, I8, MULS, MORE, ADDS, 6, lanes=3),
    join("bit_sum", BIPOLAR, BIPOLAR, IntType(-2, 2), [1], [1], [0], 0, lanes=6),
    join("even", I20, I8, I8, [1], [1], [0], 4, lanes=2, even=True),
    join("even_of_a_half", I8, I8, I9, [1], [1], [0], 1, lanes=3, even=True),
    join("even_per_channel", I8, I8, I8, [3, -5, 2, 1, -1, 7], MORE, ADDS, 3, lanes=2, even=True),
    join("always_high", I8, I8, IntType(-1, 3), [1], [1], [1000], 0, lanes=2),
    join("constant", I8, I8, IntType(-20, 5), [0], [0], [-300], 4, lanes=2),
    join("wide", I20, I20, IntType(-(2**30), 2**30), [2**40 + 1], [-(2**39)], [2**57], 30, lanes=1),
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


def test_is_clean(tmp_path: Path) -> None:
    for name, text in bench.texts([case.stage for case in CASES]).items():
        (tmp_path / name).write_text(text, "utf-8")
    for tool, report in lint(tmp_path, "tb").items():
        assert not report.messages, (tool, *report.messages)
