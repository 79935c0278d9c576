"""Unrolled Dense over inputs of several bits, with and without a Requantize: RTL equals NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.dense_numbers import DenseNumbersStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.ops.requantize import Requantize
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.slots import check_timing
from gatesmith.rtl_tests.test_lint import expect_clean, write

U3, U4, U6, U8 = (IntType(0, (1 << bits) - 1) for bits in (3, 4, 6, 8))
I2, I4, I6, I8 = (IntType(-1 << bits - 1, (1 << bits - 1) - 1) for bits in (2, 4, 6, 8))
ODD = IntType(-3, 3, 2)  # the values of a two-bit quantizer without zero
THREE = IntType(-4, 4, 4)  # three values: two bits, one code unused


def built(
    name: str,
    x: IntType,
    w: IntType,
    weights: list[list[int]] | Ints,
    then: Requantize | None = None,
    *,
    vectors: int = 1,
    depth: int = 3,
) -> Case:
    """The stage of these weights."""
    op = Dense(Array(weights), w)
    ins = op.weights.shape[1]
    stream = Stream(x, ins, vectors, ins)
    stage = DenseNumbersStage(
        name, name, (f"/{name}/MatMul",), f"m_{name}", op, stream, then, depth
    )

    def run(frames: Ints) -> Ints:
        sums = op.run(frames)
        return np.asarray(sums if then is None else then.run(sums), np.int64)

    return Case(stage, run)


def drawn(
    name: str,
    x: IntType,
    w: IntType,
    shape: tuple[int, int],
    then: Requantize | None = None,
    *,
    zeros: float = 0.0,
    vectors: int = 1,
    depth: int = 3,
) -> Case:
    """Random weights of so many inputs and outputs, some of them zero."""
    rng = np.random.default_rng(len(name))
    weights = w.lo + w.step * rng.integers(0, w.count, shape[::-1])
    if zeros:
        weights[rng.random(weights.shape) < zeros] = 0
    return built(name, x, w, weights, then, vectors=vectors, depth=depth)


def shifted(shift: int, out: IntType, outs: int = 1, mul: int = 1) -> Requantize:
    """Rounds to nearest; the bias differs between outputs."""
    add = np.random.default_rng(shift).integers(-40, 40, outs) * mul + (1 << shift >> 1)
    return Requantize(Array([mul]), Array(add), shift, out)


def plain_shift(add: list[int], shift: int, out: IntType) -> Requantize:
    """These summands."""
    return Requantize(Array([1]), Array(add), shift, out)


def even(shift: int, out: IntType, outs: int) -> Requantize:
    """Rounds to nearest, a tie to even."""
    add = np.random.default_rng(shift).integers(-40, 40, outs)
    return Requantize(Array([1]), Array(add), shift, out, even=True)


def by_factors(name: str, mul: list[int], *, even: bool = False) -> Case:
    """Few weights in a row, and a Requantize with a factor for each."""
    case = drawn(name, IntType(-8, 7), IntType(-3, 3), (12, len(mul)), zeros=0.9)
    add = np.random.default_rng(1).integers(-40, 40, len(mul))
    then = Requantize(Array(mul), Array(add), 4, IntType(-9, 20), even=even)
    stage = case.stage
    assert isinstance(stage, DenseNumbersStage)
    whole = stage.with_requantize(then)
    assert whole is not None
    assert whole.then == replace(then, mul=Array([1]))
    return Case(whole, lambda frames: np.asarray(then.run(stage.op.run(frames)), np.int64))


CASES = [
    by_factors("factors", [1, 14, 3, -5, 1, 0]),
    by_factors("factors_even", [3, 1, -6], even=True),
    drawn("signed", I8, I8, (22, 6)),
    drawn("unsigned", U8, U4, (12, 4)),
    drawn("two_bits", I2, I4, (20, 4)),
    drawn("bipolar_weights", U8, BIPOLAR, (18, 6), vectors=3),
    drawn("ternary", I4, TERNARY, (24, 6), vectors=2),
    drawn("narrow", IntType(2, 5), I4, (12, 4)),
    drawn("negative_inputs", IntType(-5, -2), I4, (12, 4)),
    drawn("sparse", U4, I4, (64, 8), zeros=0.75),
    drawn("odd_inputs", ODD, ODD, (12, 4)),
    drawn("odd_ternary", ODD, TERNARY, (30, 4), zeros=0.3),
    drawn("three_values", THREE, I4, (10, 3)),
    drawn("wide", IntType(-(1 << 20), (1 << 20) - 1), IntType(-(1 << 15), 1 << 15), (5, 2)),
    built("single", I4, I4, [[-7]], vectors=5),
    built("powers", U4, I8, [[4, -8, 64], [2, -4, 32], [0, 16, 0], [6, 0, 10]]),
    built("twice", I4, I4, [[3, 5, -7], [0, 0, 0], [3, 5, -7], [3, 5, 7], [0, 0, 0]], vectors=4),
    built("zero", I8, IntType(0, 0), np.zeros((4, 6), np.int64)),
    drawn("relu", I8, I6, (16, 12), shifted(4, U6, 12)),
    drawn("relu_deep", U6, I6, (40, 10), shifted(5, U6, 10), depth=1),
    drawn("relu_shallow", U6, I6, (24, 6), shifted(5, U6, 6), depth=20),
    drawn("symmetric", U6, I6, (24, 6), shifted(4, I6, 6), vectors=2),
    drawn("uneven_limits", U6, I6, (24, 6), shifted(3, IntType(-5, 11), 6)),
    drawn("high_limits", U4, I4, (8, 5), shifted(0, IntType(3, 9), 5)),
    drawn("doubled", U4, I4, (12, 5), shifted(5, U4, 5, mul=4)),
    drawn("even", U4, I4, (9, 6), even(3, U4, 6)),
    drawn("even_signed", I4, I4, (7, 6), even(2, I6, 6), depth=2),
    drawn("no_clamp", U3, I4, (6, 5), shifted(2, IntType(-200, 200), 5)),
    built("never_above", U4, I4, [[-1, -2], [1, 2], [0, 0]], shifted(2, U4, 3)),
    built(
        "all_shifted_out",
        U4,
        U4,
        [[1, 2], [3, 1], [1, 0]],
        Requantize(Array([1]), Array([0]), 9, U4),
    ),
    built(
        "sign_only", I4, I4, [[1, 2], [-3, 1], [1, 0]], Requantize(Array([1]), Array([0]), 12, I2)
    ),
    built(
        "same_sums",
        U4,
        I4,
        [[1, 5], [1, 5], [1, 5]],
        Requantize(Array([1]), Array([7, 7, 9]), 2, U4),
    ),
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


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_every_tool_accepts_it(tmp_path: Path) -> None:
    stages = [case.stage for case in CASES]
    write(tmp_path, bench.texts(stages))
    expect_clean(tmp_path, "tb")


def test_registers_follow_the_depth() -> None:
    deep, shallow = CASE["relu_deep"].stage, CASE["relu_shallow"].stage
    assert isinstance(deep, DenseNumbersStage) and isinstance(shallow, DenseNumbersStage)
    assert deep.latency > 4 > shallow.latency == 1


def test_equal_rows_are_made_once() -> None:
    stage = CASE["same_sums"].stage
    assert isinstance(stage, DenseNumbersStage)
    assert stage.rows.places == (0, 0, 1)


def test_factors_of_many_digits_stay_a_stage_of_their_own() -> None:
    stage = drawn("own", IntType(-8, 7), IntType(-3, 3), (12, 4)).stage
    assert isinstance(stage, DenseNumbersStage)
    assert stage.with_requantize(Requantize(Array([2731]), Array([0]), 12, IntType(0, 7))) is None
