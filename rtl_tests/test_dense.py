"""Dense in RTL equals Dense in NumPy: every kind of operand, folds from 1 x 1 to all at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.slots import check_timing

U1, U8, I4, I8 = IntType(0, 1), IntType(0, 255), IntType(-8, 7), IntType(-128, 127)
ODD = IntType(-3, 3, 2)  # the values of a two-bit quantizer without zero


def dense(
    name: str,
    x: IntType,
    w: IntType,
    ins: int,
    outs: int,
    *,
    simd: int,
    pe: int,
    vectors: int = 1,
    groups: int = 1,
    masked: bool = False,
) -> Case:
    """``ins`` and ``outs`` of one group, of ``vectors`` vectors of every group."""
    rng = np.random.default_rng(len(name))
    weights = w.lo + w.step * rng.integers(0, w.count, (groups * outs, ins))
    op = Dense(Array(weights), w, groups)
    stream = Stream(x, ins, vectors * groups, simd)
    stage = DenseStage(name, name, (f"/{name}/MatMul",), f"dense_{name}", op, stream, pe, masked)

    def reference(frames: Ints) -> Ints:
        if masked:
            frames = bipolar_or_zero(frames, simd)
        grouped = frames.reshape(len(frames), vectors, groups * ins)
        y: Ints = np.asarray(op.run(grouped), np.int64)
        return y.reshape(len(frames), vectors * groups, outs)

    return Case(stage, reference)


def bipolar_or_zero(frames: Ints, simd: int) -> Ints:
    """How a masked unit reads a beat: nothing changes where all of it is 0 or none of it is."""
    beats = frames.reshape(-1, simd)
    signs = np.where(beats < 0, -1, 1)
    return np.where(beats[:, :1] == 0, 0, signs).reshape(frames.shape)


def luts(name: str, x: IntType, w: IntType, ins: int, outs: int, *, simd: int, pe: int) -> Case:
    """No DSP block."""
    case = dense(name, x, w, ins, outs, simd=simd, pe=pe)
    assert isinstance(case.stage, DenseStage)
    return replace(case, stage=replace(case.stage, dsp=False))


def all_zero() -> Case:
    op = Dense(Array(np.zeros((4, 6), np.int64)), IntType(0, 0))
    stage = DenseStage("zero", "zero", (), "dense_zero", op, Stream(I8, 6, 1, 3), 2)
    return Case(stage, lambda frames: np.asarray(op.run(frames), dtype=np.int64))


CASES = [
    dense("xnor_folded", BIPOLAR, BIPOLAR, 70, 12, simd=10, pe=4),
    dense("xnor_whole", BIPOLAR, BIPOLAR, 75, 6, simd=75, pe=6),
    dense("xnor_serial", BIPOLAR, BIPOLAR, 7, 3, simd=1, pe=1, vectors=2),
    dense("xnor_one_pass", BIPOLAR, BIPOLAR, 26, 5, simd=13, pe=5),
    dense("xnor_one_beat", BIPOLAR, BIPOLAR, 9, 14, simd=9, pe=2),
    dense("bipolar_weights", U8, BIPOLAR, 18, 6, simd=6, pe=3, vectors=3),
    dense("bipolar_inputs", BIPOLAR, I4, 20, 4, simd=5, pe=2),
    dense("bipolar_ternary", BIPOLAR, TERNARY, 12, 4, simd=12, pe=1),
    dense("ternary", I4, TERNARY, 24, 6, simd=8, pe=2),
    dense("zero_one", IntType(0, 3), U1, 10, 4, simd=5, pe=4),
    dense("one_bit_inputs", U1, I4, 9, 3, simd=9, pe=1),
    dense("signed", I8, I8, 22, 6, simd=11, pe=2),
    dense("unsigned", U8, IntType(0, 15), 12, 4, simd=2, pe=2),
    dense("mixed_signs", U8, I4, 17, 3, simd=17, pe=3),
    dense("odd_inputs", ODD, ODD, 12, 4, simd=4, pe=2),
    dense("single", I4, I4, 1, 1, simd=1, pe=1, vectors=5),
    all_zero(),
    dense("masked_folded", TERNARY, BIPOLAR, 18, 6, simd=6, pe=3, masked=True),
    dense("masked_whole", TERNARY, BIPOLAR, 70, 4, simd=70, pe=4, vectors=3, masked=True),
    dense("masked_serial", TERNARY, BIPOLAR, 9, 2, simd=1, pe=1, vectors=2, masked=True),
    dense("masked_one_pass", TERNARY, BIPOLAR, 20, 3, simd=10, pe=3, masked=True),
    dense("gated_folded", TERNARY, BIPOLAR, 22, 6, simd=11, pe=2),
    dense("gated_serial", TERNARY, BIPOLAR, 5, 2, simd=1, pe=2, vectors=3),
    dense("ternary_inputs", TERNARY, I4, 12, 4, simd=4, pe=2),
    dense("ternary_both", TERNARY, TERNARY, 12, 4, simd=6, pe=2),
    dense("groups_folded", I8, I4, 6, 4, simd=3, pe=2, vectors=2, groups=3),
    dense("groups_one_beat", I4, I8, 3, 2, simd=3, pe=2, vectors=3, groups=5),
    dense("groups_one_pass", BIPOLAR, BIPOLAR, 8, 3, simd=4, pe=3, vectors=2, groups=4),
    dense("groups_serial", U8, I4, 2, 6, simd=2, pe=1, vectors=1, groups=7),
    luts("luts_digits", I8, I8, 8, 4, simd=4, pe=2),
    luts("luts_uneven", U8, IntType(-32, 31), 6, 2, simd=3, pe=2),
    luts("luts_unsigned", IntType(0, 31), IntType(0, 127), 6, 2, simd=2, pe=1),
    dense("groups_masked", TERNARY, BIPOLAR, 9, 2, simd=3, pe=1, groups=2, masked=True),
]
CASE = {case.stage.name: case for case in CASES}


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


def test_grouped_product_is_that_of_each_group() -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-9, 10, (6, 4)), rng.integers(-99, 100, (2, 5, 12))
    found = Dense(Array(weights), IntType(-9, 9), 3).run(x)
    want = np.zeros((2, 5, 6), np.int64)
    for o in range(6):
        for i in range(4):
            want[..., o] += weights[o, i] * x[..., o // 2 * 4 + i]
    np.testing.assert_array_equal(found, want)
    huge = Dense(Array(weights << 32), IntType(-9 << 32, 9 << 32), 3).run(x << 16)  # beyond 2**53
    np.testing.assert_array_equal(huge, want << 48)


def test_what_does_not_fit() -> None:
    weights = Array(np.ones((6, 4), np.int64))
    with pytest.raises(ValueError, match=r"^4 groups do not divide 6 outputs$"):
        Dense(weights, IntType(0, 1), 4)
    op = Dense(weights, BIPOLAR, 2)
    with pytest.raises(ValueError, match=r"^weights of 2 x 4 inputs for i4\[4\]$"):
        op.infer(TensorType((4,), I4))
    with pytest.raises(ValueError, match=r"^3 vectors for 2 groups$"):
        DenseStage("d", "d", (), "d", op, Stream(I4, 4, 3, 2), 1)
    with pytest.raises(ValueError, match=r"^PE 2 does not divide 3 outputs$"):
        DenseStage("d", "d", (), "d", op, Stream(I4, 4, 2, 2), 2)
    with pytest.raises(ValueError, match=r"^cannot mask i4 by bipolar$"):
        DenseStage("d", "d", (), "d", op, Stream(I4, 4, 2, 2), 1, masked=True)


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)
