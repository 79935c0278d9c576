"""Select in RTL equals Select in NumPy: both kinds, every mixture of codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.select import SelectStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, IntType
from gatesmith.ops.select import Select
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint

U8, I8, POPCOUNT = IntType(0, 255), IntType(-128, 127), IntType(-50, 50, 2)


def select(name: str, kind: str, a: IntType, b: IntType, *, lanes: int = 2) -> Case:
    op = Select(kind)
    x, y = (Stream(elem, 6, 3, lanes) for elem in (a, b))
    stage = SelectStage(name, name, (f"/{name}",), f"select_{name}", op, x, y)
    return Case(stage, lambda *frames: np.asarray(op.run(*frames), dtype=np.int64))


CASES = [
    select("signed", "max", I8, IntType(-3, 100)),
    select("mixed", "min", U8, I8, lanes=3),
    select("unsigned", "max", U8, IntType(7, 20), lanes=6),
    select("bits", "min", BIPOLAR, BIPOLAR, lanes=1),
    select("bit", "max", BIPOLAR, I8),
    select("popcounts", "max", POPCOUNT, IntType(-20, 60, 2)),
    select("steps", "min", IntType(-9, 27, 6), IntType(-13, 31, 4)),
    select("odd_steps", "max", POPCOUNT, IntType(-21, 61, 2)),
    select("one_step", "min", U8, POPCOUNT, lanes=6),
    select("always_a", "max", IntType(50, 60), IntType(-5, 5)),
    select("constants", "min", IntType(5, 5), IntType(7, 7)),
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
