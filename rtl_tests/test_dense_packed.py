"""Products packed in DSP blocks: RTL equals NumPy, for operands at the ends of their ranges too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.dense_packed import DensePackedStage, Packing
from gatesmith.codegen.stream import Stream
from gatesmith.ir import Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.slots import check_timing

U4, U7, U8 = IntType(0, 15), IntType(0, 127), IntType(0, 255)
I3, I4, I8 = IntType(-4, 3), IntType(-8, 7), IntType(-128, 127)


def packed(
    name: str, x: IntType, w: IntType, ins: int, outs: int, *, simd: int, pe: int, groups: int = 1
) -> Case:
    """Weights of which half are at an end of their range: products as large as can be."""
    rng = np.random.default_rng(len(name))
    weights = rng.integers(w.lo, w.hi + 1, (groups * outs, ins))
    ends = rng.choice([w.lo, w.hi], weights.shape)
    op = Dense(Array(np.where(rng.random(weights.shape) < 0.5, ends, weights)), w, groups)
    stream = Stream(x, ins, groups, simd)
    stage = DensePackedStage(name, name, (f"/{name}/MatMul",), f"packed_{name}", op, stream, pe)

    def reference(frames: Ints) -> Ints:
        y = np.asarray(op.run(frames.reshape(len(frames), 1, groups * ins)), np.int64)
        found: Ints = y.reshape(len(frames), groups, outs)
        return found

    return Case(stage, reference)


CASES = [
    packed("four", I4, I4, 24, 8, simd=8, pe=8),
    packed("four_uneven", I4, I4, 15, 6, simd=5, pe=6),
    packed("two", I8, I8, 20, 6, simd=10, pe=3),
    packed("two_whole", U8, I8, 6, 4, simd=6, pe=4),
    packed("unsigned", U7, I8, 18, 4, simd=3, pe=2),
    packed("mixed", U4, I4, 34, 5, simd=17, pe=5),
    packed("narrow", I3, I8, 8, 6, simd=4, pe=6),
    packed("single", I8, I8, 1, 2, simd=1, pe=2),
    packed("odd", IntType(-3, 3, 2), I4, 12, 4, simd=4, pe=4),
    packed("groups", I4, I8, 6, 4, simd=3, pe=4, groups=3),
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stage.name)
def test_timing_is_the_schedule(case: Case) -> None:
    check_timing(case.stage)


@pytest.mark.parametrize(
    ("x", "w", "most", "bits"),
    [(I4, I4, 4, 7), (I8, I8, 2, 16), (U4, I4, 3, 8), (U7, I8, 2, 15), (U8, U8, 2, 17)],
)
def test_fields_tell_products_apart(x: IntType, w: IntType, most: int, bits: int) -> None:
    """Every product, with and without a borrow, is read from its field as it was."""
    packing = Packing.of(x, np.array([w.lo, w.hi]))
    assert (packing.most, packing.field_bits) == (most, bits)
    ends = [a * b for a in (x.lo, x.hi) for b in (w.lo, w.hi)]
    products = np.arange(min(0, *ends) - 1, max(0, *ends) + 1)
    fields = products & ((1 << bits) - 1)
    np.testing.assert_array_equal(
        np.where(fields >= packing.negative_from, fields - (1 << bits), fields), products
    )


def test_what_is_not_packed() -> None:
    op = Dense(Array(np.ones((4, 4), np.int64)), IntType(0, 1))
    with pytest.raises(ValueError, match=r"^products of i8 and u1 are not packed$"):
        DensePackedStage("d", "d", (), "d", op, Stream(I8, 4, 1, 2), 2)


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)
