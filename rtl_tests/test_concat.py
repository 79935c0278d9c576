"""Concat in RTL equals Concat in NumPy: along any axis, of any types, whoever stalls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.concat import ConcatStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, TERNARY, Ints, IntType, TensorType
from gatesmith.ops.concat import Concat
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.test_lint import expect_clean, write

U8, I8, I4, POPCOUNT = IntType(0, 255), IntType(-128, 127), IntType(-8, 7), IntType(-9, 9, 2)


def concat(name: str, axis: int, lanes: int, *args: tuple[tuple[int, ...], IntType]) -> Case:
    op = Concat(axis)
    types = [TensorType(shape, elem) for shape, elem in args]
    y = op.infer(*types)
    streams = tuple(Stream(t.int_elem, t.channels, t.vectors, lanes) for t in types)
    counts = tuple(int(np.prod(t.shape[axis:])) // lanes for t in types)
    out = Stream(y.int_elem, y.channels, y.vectors, lanes)
    stage = ConcatStage(name, name, (f"/{name}",), f"concat_{name}", op, streams, counts, out)

    def reference(*frames: Ints) -> Ints:
        shaped = [x.reshape(-1, *t.shape) for x, t in zip(frames, types, strict=True)]
        found: Ints = np.asarray(op.run(*shaped), np.int64)
        return found.reshape(-1, y.vectors, y.channels)

    return Case(stage, reference)


CASES = [
    concat("channels", 2, 2, ((2, 3, 4), I8), ((2, 3, 2), I8)),
    concat("rows", 0, 4, ((2, 3, 4), I8), ((1, 3, 4), U8)),
    concat("columns", 1, 1, ((2, 3, 2), I4), ((2, 1, 2), BIPOLAR), ((2, 2, 2), U8)),
    concat("in_turn", 1, 3, ((5, 3), BIPOLAR), ((5, 3), BIPOLAR)),
    concat("mixed", 1, 2, ((3, 2), POPCOUNT), ((3, 6), TERNARY), ((3, 2), POPCOUNT), ((3, 4), I4)),
    concat("bits", 1, 5, ((4, 5), BIPOLAR), ((4, 10), IntType(0, 1))),
    concat("pair", 0, 1, ((1,), U8), ((1,), I8)),
    concat("many", 0, 2, *[((2 * n,), IntType(-n, 7)) for n in (1, 2, 1, 3, 1)]),
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


def test_block_is_clean(tmp_path: Path) -> None:
    write(tmp_path, bench.texts([case.stage for case in CASES]))
    expect_clean(tmp_path, "tb")


def test_what_does_not_fit_is_refused() -> None:
    def make(streams: tuple[Stream, ...], counts: tuple[int, ...], out: Stream) -> ConcatStage:
        return ConcatStage("c", "c", (), "c", Concat(0), streams, counts, out)

    x = Stream(I8, 4, 1, 2)
    with pytest.raises(ValueError, match=r"^1 sources, 1 counts$"):
        make((x,), (2,), x)
    with pytest.raises(ValueError, match=r"^lanes \[2, 1\] in, 2 out$"):
        make((x, Stream(I8, 4, 1, 1)), (2, 4), Stream(I8, 8, 1, 2))
    with pytest.raises(ValueError, match=r"^rounds of \[1, 2\] beats from frames of \[2, 2\]$"):
        make((x, x), (1, 2), Stream(I8, 8, 1, 2))
    with pytest.raises(ValueError, match=r"^a result of i8 for "):
        make((x, x), (2, 2), Stream(IntType(-200, 200), 8, 1, 2))
    with pytest.raises(ValueError, match=r"^frames of 2 beats are not all the inputs' beats$"):
        make((x, x), (2, 2), x)
