"""Table in RTL equals Table in NumPy: signed, unsigned and stepped codes, ROMs of both kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.stream import Stream
from gatesmith.codegen.table import TableStage
from gatesmith.ir import BIPOLAR, Array, IntType
from gatesmith.ops.table import Table
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.test_lint import expect_clean, write

U8, I8, I4, POPCOUNT = IntType(0, 255), IntType(-128, 127), IntType(-8, 7), IntType(-50, 50, 2)


def table(
    name: str,
    x: IntType,
    out: IntType,
    *,
    channels: int,
    lanes: int,
    vectors: int = 1,
    rows: int = 1,
    domain: IntType | None = None,
) -> Case:
    rng = np.random.default_rng(len(name))
    domain = domain or x
    values = out.of_code(rng.integers(out.code.lo, out.code.hi + 1, (rows, domain.count)))
    op = Table(Array(values), out, domain)
    stream = Stream(x, channels, vectors, lanes)
    stage = TableStage(name, name, (f"/{name}",), f"table_{name}", op, stream)
    return Case(stage, lambda frames: np.asarray(op.run(frames), dtype=np.int64))


CASES = [
    table("shared", I8, I8, channels=6, lanes=3, vectors=4),
    table("shared_narrow", IntType(-3, 5), IntType(0, 40), channels=4, lanes=1),
    table("unsigned", U8, BIPOLAR, channels=4, lanes=2, vectors=2),
    table("odd_range", IntType(3, 77), IntType(-9, -2), channels=5, lanes=5, vectors=3),
    table("popcount", POPCOUNT, I4, channels=6, lanes=2),
    table("bits", BIPOLAR, IntType(-7, 7, 7), channels=8, lanes=4),
    table("per_channel", I4, U8, channels=12, lanes=4, rows=12, vectors=3),
    table("per_channel_wide", U8, I8, channels=6, lanes=2, rows=6, vectors=2),
    table("per_channel_lanes", POPCOUNT, U8, channels=3, lanes=3, rows=3, vectors=5),
    table("per_channel_one", I4, I4, channels=5, lanes=1, rows=5),
    table("part", IntType(-4, 4, 4), I8, channels=4, lanes=2, domain=I8),
    table("part_steps", IntType(-20, 20, 2), I8, channels=4, lanes=4, domain=POPCOUNT),
    table("constant", I4, IntType(9, 9), channels=3, lanes=3),
    table("long", IntType(0, 4095), U8, channels=4, lanes=1),
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
    styles = {case.stage.rom_style for case in CASES}  # type: ignore[attr-defined]
    assert styles == {"block", "distributed"}
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_block_is_clean(tmp_path: Path) -> None:
    write(tmp_path, bench.texts([case.stage for case in CASES]))
    expect_clean(tmp_path, "tb")


def test_what_does_not_fit_is_refused() -> None:
    op = Table(Array(np.zeros((2, 16))), U8, I4)
    with pytest.raises(ValueError, match=r"^2 rows of values for 3 channels$"):
        TableStage("t", "t", (), "t", op, Stream(I4, 3, 1, 1))
    with pytest.raises(ValueError, match=r"^a table over i4 for u8"):
        TableStage("t", "t", (), "t", op, Stream(U8, 2, 1, 1))
    with pytest.raises(ValueError, match=r"^values lie outside u8$"):
        Table(Array([[0, 256]]), U8, BIPOLAR)
