"""Unrolled Dense in RTL equals Dense in NumPy: operands of every kind, every sparsity."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen.dense_numbers import DenseNumbersStage
from gatesmith.codegen.dense_unrolled import MAX_DIGITS, DenseUnrolledStage, unrolled_stage
from gatesmith.codegen.matrix_unit import Layer, Naming
from gatesmith.codegen.matrix_units import UNITS
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.slots import check_timing
from gatesmith.rtl_tests.test_lint import expect_clean, write

U1, U3, U4, U8 = (IntType(0, (1 << bits) - 1) for bits in (1, 3, 4, 8))
I2, I4, I8 = (IntType(-1 << bits - 1, (1 << bits - 1) - 1) for bits in (2, 4, 8))
ODD = IntType(-3, 3, 2)  # the values of a two-bit quantizer without zero
THREE = IntType(-4, 4, 4)  # three values: two bits, one code unused


def unrolled(
    name: str, x: IntType, w: IntType, weights: list[list[int]] | Ints, vectors: int = 1
) -> Case:
    """The stage of these weights."""
    op = Dense(Array(weights), w)
    ins = op.weights.shape[1]
    stream = Stream(x, ins, vectors, ins)
    naming = Naming(name, name, (f"/{name}/MatMul",), f"unrolled_{name}")
    stage = unrolled_stage(naming, op, stream)
    return Case(stage, lambda frames: np.asarray(op.run(frames), np.int64))


def drawn(
    name: str, x: IntType, w: IntType, ins: int, outs: int, *, zeros: float = 0.0, vectors: int = 1
) -> Case:
    """Random weights, some of them zero."""
    rng = np.random.default_rng(len(name))
    weights = w.lo + w.step * rng.integers(0, w.count, (outs, ins))
    if zeros:
        weights[rng.random(weights.shape) < zeros] = 0
    return unrolled(name, x, w, weights, vectors)


def compared(
    name: str,
    x: IntType,
    w: IntType,
    ins: int,
    outs: int,
    *,
    zeros: float = 0.0,
    depth: int = 3,
    out: IntType = BIPOLAR,
) -> Case:
    """Random weights with a threshold of each output, now rising, now falling, some of no use."""
    case = drawn(name, x, w, ins, outs, zeros=zeros, vectors=2)
    stage = case.stage
    assert isinstance(stage, DenseUnrolledStage)
    rng, y = np.random.default_rng(1), stage.sum_type
    limits = rng.normal(y.lo + (y.hi - y.lo) / 2, np.sqrt(ins), (outs, 1)).astype(np.int64)
    limits[0], limits[-1] = y.lo, y.hi + y.step
    op = Threshold(Array(limits), out, Array(rng.integers(0, 2, outs)))
    whole = replace(stage, threshold=op, depth=depth)
    return Case(whole, lambda frames: np.asarray(op.run(stage.op.run(frames)), np.int64))


CASES = [
    drawn("xnor", BIPOLAR, BIPOLAR, 75, 6),
    drawn("xnor_one", BIPOLAR, BIPOLAR, 1, 3, vectors=3),
    drawn("bipolar_ternary", BIPOLAR, TERNARY, 70, 5),
    drawn("bipolar_ternary_sparse", BIPOLAR, TERNARY, 90, 6, zeros=0.8),
    drawn("bipolar_inputs", BIPOLAR, I8, 33, 4, zeros=0.3),
    unrolled("bipolar_unbalanced", BIPOLAR, U4, [[1, 1, 1, 1], [7, 0, 2, 0], [9, 1, 1, 0]]),
    drawn("bipolar_weights", U8, BIPOLAR, 18, 6, vectors=3),
    drawn("ternary_inputs", TERNARY, BIPOLAR, 27, 4),
    drawn("ternary_both", TERNARY, TERNARY, 40, 6, zeros=0.5),
    drawn("ternary_weights", I4, TERNARY, 24, 6, vectors=2),
    drawn("bits", U1, I4, 40, 5, zeros=0.4),
    drawn("bits_ternary", U1, TERNARY, 64, 4),
    drawn("sign_bits", IntType(-1, 0), I4, 9, 4),
    drawn("two_bits", I2, I4, 20, 4),
    drawn("three_bits", U3, I4, 20, 4, zeros=0.5),
    drawn("narrow", IntType(2, 5), I4, 12, 4),
    drawn("signed", I8, I8, 22, 6),
    drawn("unsigned", U8, U4, 12, 4),
    drawn("mixed_signs", U4, I4, 64, 8, zeros=0.75),
    drawn("wide", IntType(-(1 << 20), (1 << 20) - 1), IntType(-(1 << 15), 1 << 15), 5, 2),
    drawn("odd_inputs", ODD, ODD, 12, 4),
    drawn("odd_ternary", ODD, TERNARY, 30, 4, zeros=0.3),
    drawn("three_values", THREE, I4, 10, 3),
    drawn("constant_inputs", IntType(5, 5), I4, 3, 2),
    unrolled("single", I4, I4, [[-7]], vectors=5),
    unrolled("negative", U4, I4, [[-1, -2, -3], [0, -8, 0], [-1, 0, 0]]),
    unrolled("negative_bipolar", BIPOLAR, I4, [[-1, -1, -1], [0, -8, 0], [-1, 0, -3]]),
    unrolled("shifted", U4, I8, [[4, -8, 64], [2, -4, 32], [0, 16, 0], [6, 0, 10]]),
    unrolled("twice", I4, I4, [[3, 5, -7], [0, 0, 0], [3, 5, -7], [3, 5, 7], [0, 0, 0]], vectors=4),
    unrolled("zero", I8, IntType(0, 0), np.zeros((4, 6), np.int64)),
    unrolled("zero_odd", ODD, U1, np.zeros((2, 3), np.int64), vectors=2),
    drawn("several_blocks", U1, I8, 300, 6, zeros=0.1),
    drawn("xnor_blocks", BIPOLAR, BIPOLAR, 200, 30),
    compared("xnor_compared", BIPOLAR, BIPOLAR, 75, 20),
    compared("ternary_compared", BIPOLAR, TERNARY, 60, 9, zeros=0.7, depth=1, out=U1),
    compared("bits_compared", U1, TERNARY, 40, 6, depth=2),
    compared("far_compared", IntType(-4, 4, 8), BIPOLAR, 33, 5, depth=1),
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


# ---- a bench that cannot fail proves nothing ----------------------------------------------------

WRONG = {
    "a bit is not counted": ("unrolled_xnor_rows0.sv", "x[0]", "1'b0"),
    "an input is not inverted": ("unrolled_bipolar_ternary_rows0.sv", "~x[", "x["),
    "a compared bit is inverted": (
        "unrolled_xnor_compared_rows0.sv",
        "count_500({",
        "count_500({~",
    ),
}


@pytest.mark.slow  # each is a simulator of its own
@pytest.mark.parametrize("what", WRONG)
def test_wrong_logic_is_noticed(what: str, tmp_path: Path) -> None:
    file, right, wrong = WRONG[what]
    stage = next(case.stage for case in CASES if file.startswith(case.stage.module))
    changed = []

    def mutate(name: str, text: str) -> str:
        if name != file:
            return text
        changed.append(text.replace(right, wrong, 1))
        assert changed[-1] != text, f"{right!r} is not in {name}"
        return changed[-1]

    failed, log = bench.simulate([case.stage for case in CASES], __name__, tmp_path, mutate)

    assert len(changed) == 1
    assert failed > 0, log[-3000:]
    assert stage.name in log


# ---- plan ---------------------------------------------------------------------------------------


def test_what_is_made_once() -> None:
    stage = unrolled("b", BIPOLAR, TERNARY, [[1, -1, 1], [0, 0, 0], [1, -1, 1], [0, 0, 0]]).stage
    assert isinstance(stage, DenseUnrolledStage)
    assert stage.rows.places == ((0, 0), (1, 0), (0, 0), (1, 0))
    numbers = CASE["twice"].stage
    assert isinstance(numbers, DenseNumbersStage)
    assert numbers.rows.places == (0, 1, 0, 2, 1)


def test_which_stage_a_layer_is() -> None:
    kinds = {name: type(case.stage) for name, case in CASE.items()}
    bits = {name for name, kind in kinds.items() if kind is DenseUnrolledStage}
    assert bits == {
        *("xnor", "xnor_one", "bipolar_ternary", "bipolar_ternary_sparse", "bits_ternary"),
        *("xnor_blocks", "xnor_compared", "ternary_compared", "bits_compared", "far_compared"),
    }
    assert set(kinds.values()) == {DenseUnrolledStage, DenseNumbersStage}


def test_a_large_layer_is_several_modules() -> None:
    stage = CASE["xnor_blocks"].stage
    assert isinstance(stage, DenseUnrolledStage)
    assert len(stage.rows.blocks) == len(stage.files()) - 1 > 1
    assert {block for block, _ in stage.rows.places} == set(range(len(stage.rows.blocks)))


def layer(weights: Ints, groups: int = 1) -> Layer:
    return Layer(Dense(Array(weights), IntType(-(1 << 20), 1 << 20), groups), I4, groups)


def test_what_is_refused() -> None:
    unit = UNITS["unrolled"]
    assert not unit.automatic
    why = unit.refuses(layer(np.ones((4, 3), np.int64), 2))
    assert why == (
        "its vectors belong to 2 groups in turn, so the adders of a group would stand idle all but "
        "one cycle in 2"
    )
    assert MAX_DIGITS == 512 * 512
    assert unit.refuses(layer(1 - np.eye(512, 513, dtype=np.int64))) is None
    assert unit.refuses(layer(np.ones((1024, 512), np.int64))) is None  # a row, 1024 times
    assert unit.refuses(layer(1 - np.eye(513, 513, dtype=np.int64))) == (
        "its weights have 262,656 signed digits that are not zero, each about an adder, and layers "
        "of more than 262,144 are not unrolled: prune it first"
    )
    assert [str(fold) for fold in unit.folds(layer(np.ones((4, 3), np.int64)))] == [
        "pe=4 simd=3 unrolled"
    ]


def test_what_does_not_fit() -> None:
    op = Dense(Array(np.ones((6, 4), np.int64)), U1, 2)
    with pytest.raises(ValueError, match=r"^expected one group, not 2$"):
        DenseUnrolledStage("d", "d", (), "d", op, Stream(I4, 4, 2, 4))
    op = Dense(op.weights, U1)
    with pytest.raises(ValueError, match=r"^expected single bits and weights of one magnitude$"):
        DenseUnrolledStage("d", "d", (), "d", op, Stream(I4, 4, 2, 4))
    with pytest.raises(ValueError, match=r"^weights of 4 inputs for 2 of 4 channels a beat$"):
        DenseUnrolledStage("d", "d", (), "d", op, Stream(I4, 4, 2, 2))
