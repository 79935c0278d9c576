"""Threshold in RTL equals Threshold in NumPy: ends of the range, both directions, no steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.stream import Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.ir import BIPOLAR, Array, IntType
from gatesmith.ops.threshold import Threshold
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case

U8, I8, POPCOUNT = IntType(0, 255), IntType(-128, 127), IntType(-50, 50, 2)
ALL, NONE, SOME = "all", "none", "some"


def threshold(
    name: str,
    x: IntType,
    out: IntType,
    *,
    channels: int,
    lanes: int,
    vectors: int = 1,
    falling: str = NONE,
    rows: int | None = None,
) -> Case:
    rng = np.random.default_rng(len(name))
    steps = out.count - 1
    values = rng.integers(0, x.count + 1, (rows or channels, steps))
    if values.shape[0] > 2 and steps:
        values[0, :], values[1, :] = x.count, 0  # never reached, always reached
    thresholds = np.sort(x.lo + x.step * values, axis=1)
    flags = {
        NONE: np.zeros(1, np.int64),
        ALL: np.ones(1, np.int64),
        SOME: rng.integers(0, 2, channels),
    }[falling]
    op = Threshold(Array(thresholds), out, Array(flags))
    stream = Stream(x, channels, vectors, lanes)
    stage = ThresholdStage(name, name, (f"/{name}",), f"threshold_{name}", op, stream)
    return Case(stage, lambda frames: np.asarray(op.run(frames), dtype=np.int64))


CASES = [
    threshold("popcount", POPCOUNT, BIPOLAR, channels=24, lanes=4),
    threshold("popcount_falls", POPCOUNT, BIPOLAR, channels=9, lanes=3, falling=SOME),
    threshold("popcount_narrow", IntType(-3, 3, 2), IntType(0, 3), channels=4, lanes=2),
    threshold("all_lanes", I8, BIPOLAR, channels=6, lanes=6, falling=SOME, vectors=3),
    threshold("signed", I8, IntType(-2, 1), channels=10, lanes=5, falling=SOME),
    threshold("unsigned", U8, IntType(0, 3), channels=14, lanes=2, falling=ALL),
    threshold("many", U8, IntType(0, 15), channels=6, lanes=3),
    threshold("more", I8, IntType(-35, 34), channels=4, lanes=1, vectors=2),
    threshold("shared", I8, IntType(-1, 1), channels=12, lanes=4, rows=1),
    threshold("shared_falls", U8, IntType(-3, 3, 2), channels=6, lanes=2, rows=1, falling=SOME),
    threshold("constant", I8, IntType(5, 5), channels=4, lanes=2),
    threshold("constant_bit", U8, IntType(-1, -1, 2), channels=3, lanes=1, falling=SOME),
    threshold("pixel", U8, BIPOLAR, channels=1, lanes=1, vectors=9),
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
