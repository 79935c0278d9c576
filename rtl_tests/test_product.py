"""Product in RTL equals Product in NumPy: numbers, signs, bits, codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.product import ProductStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, IntType
from gatesmith.ops.product import Product
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.lint import lint

U8, I8, POPCOUNT = IntType(0, 255), IntType(-128, 127), IntType(-50, 50, 2)


def product(name: str, a: IntType, b: IntType, *, lanes: int = 2) -> Case:
    op = Product()
    x, y = (Stream(elem, 6, 3, lanes) for elem in (a, b))
    stage = ProductStage(name, name, (f"/{name}",), f"product_{name}", op, x, y)
    return Case(stage, lambda *frames: np.asarray(op.run(*frames), dtype=np.int64))


CASES = [
    product("signed", I8, IntType(-3, 100)),
    product("mixed", U8, I8, lanes=3),
    product("unsigned", U8, IntType(7, 20), lanes=6),
    product("bits", BIPOLAR, BIPOLAR, lanes=3),
    product("sign_a", BIPOLAR, I8, lanes=6),
    product("sign_b", U8, BIPOLAR),
    product("sign_of_code", BIPOLAR, POPCOUNT, lanes=1),
    product("codes", POPCOUNT, IntType(1, 46, 5)),
    product("code", IntType(-3, 3, 2), I8),
    product("ternary", IntType(-1, 1), IntType(-1, 1)),
    product("constants", IntType(5, 5), IntType(-7, -7)),
    product("zero", IntType(0, 0), I8),
    product("wide", IntType(-(2**31), 2**31 - 1), IntType(-(2**30), 2**30)),
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
