"""Dense in RTL equals Dense in NumPy: every kind of operand, folds from 1 x 1 to all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, TERNARY, Array, IntType
from gatesmith.ops.dense import Dense
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case

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
) -> Case:
    rng = np.random.default_rng(len(name))
    weights = w.lo + w.step * rng.integers(0, w.count, (outs, ins))
    op = Dense(Array(weights), w)
    stream = Stream(x, ins, vectors, simd)
    stage = DenseStage(name, name, (f"/{name}/MatMul",), f"dense_{name}", op, stream, pe)
    return Case(stage, lambda frames: np.asarray(op.run(frames), dtype=np.int64))


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


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)
