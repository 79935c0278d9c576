"""LUTs of unrolled layers of numbers, as Yosys counts them: sharing pays, the formula is near."""

from __future__ import annotations

import numpy as np
import pytest

from gatesmith.codegen.dense_numbers import DenseNumbersStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.ops.requantize import Requantize
from gatesmith.synthesis.cells import measure

pytest.importorskip("pyosys")

U6, I6 = IntType(0, 63), IntType(-32, 31)


def layer(weights: Ints) -> DenseNumbersStage:
    op, stream = Dense(Array(weights), I6), Stream(U6, weights.shape[1], 1, weights.shape[1])
    then = Requantize(Array([1]), Array(np.arange(len(weights)) * 9 - 40), 5, U6)
    return DenseNumbersStage("layer", "layer", (), "layer", op, stream, then)


def test_the_formula_is_near_and_a_bit_takes_less_than_a_lut() -> None:
    weights = np.random.default_rng(1).integers(-31, 32, (8, 16))
    stage = layer(weights)

    found = measure(stage.files(), "layer")

    assert abs(stage.cost().lut / found.lut - 1) <= 0.08
    assert stage.cost().ff == found.ff
    assert found.lut < 0.7 * 6 * stage.digits  # every digit has six bits


def test_rows_that_are_alike_share() -> None:
    rng = np.random.default_rng(2)
    base = rng.integers(-31, 32, (1, 16))
    alike = np.where(rng.random((8, 16)) < 0.2, rng.integers(-31, 32, (8, 16)), base)

    shared, own = (
        measure(layer(w).files(), "layer").lut for w in (alike, rng.permuted(alike, axis=1))
    )

    assert shared < 0.85 * own  # found: 737 and 895 LUTs
