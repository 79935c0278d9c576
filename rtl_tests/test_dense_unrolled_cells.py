"""LUTs of unrolled layers, as Yosys counts them: zeros pay, and the formula is near."""

from __future__ import annotations

import numpy as np
import pytest

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense_unrolled import unrolled_stage
from gatesmith.codegen.matrix_unit import Naming
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.vector_stage import VectorStage
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.synthesis.cells import WHOLE, measure

pytest.importorskip("pyosys")

U4, I4, I8 = IntType(0, 15), IntType(-8, 7), IntType(-128, 127)


def stage(weights: Ints, kind: IntType, x: IntType) -> VectorStage:
    inputs = weights.shape[1]
    op, stream = Dense(Array(weights), kind), Stream(x, inputs, 1, inputs)
    return unrolled_stage(Naming("layer", "layer", (), "layer"), op, stream)


def drawn(kind: IntType, inputs: int, outputs: int, zeros: float = 0.0) -> Ints:
    rng = np.random.default_rng(1)
    values = np.arange(kind.lo, kind.hi + 1, kind.step)
    weights = rng.choice(values[values != 0], (outputs, inputs))
    order = rng.permutation(weights.size).reshape(weights.shape)
    return np.where(order < round(zeros * weights.size), 0, weights)


def off(layer: VectorStage, found: Cost) -> float:
    """By how much of what was found the formula is wrong."""
    return abs(layer.cost().lut / found.lut - 1)


def test_a_quarter_of_the_weights_is_a_third_of_the_luts_at_most() -> None:
    dense, sparse = (stage(drawn(I4, 32, 8, zeros), I4, U4) for zeros in (0, 0.75))

    found = [measure(layer.files(), "layer") for layer in (dense, sparse)]

    assert 0.15 * found[0].lut < found[1].lut <= 0.35 * found[0].lut
    for layer, cells in zip((dense, sparse), found, strict=True):
        assert off(layer, cells) <= 0.08
        assert 0 <= layer.cost().ff - cells.ff <= 8  # a bit of each row may never change


@pytest.mark.slow  # ten seconds each
@pytest.mark.parametrize(
    ("kind", "x", "inputs", "outputs", "zeros"),
    [
        (I4, I4, 64, 8, 0.0),
        (BIPOLAR, BIPOLAR, 256, 8, 0.0),
        (TERNARY, BIPOLAR, 256, 16, 0.75),
        (TERNARY, TERNARY, 256, 6, 0.3),
        (I8, I8, 64, 12, 0.9),
        (I4, BIPOLAR, 128, 6, 0.0),
    ],
)
def test_formula_is_near(
    kind: IntType, x: IntType, inputs: int, outputs: int, zeros: float
) -> None:
    layer = stage(drawn(kind, inputs, outputs, zeros), kind, x)
    found = measure(layer.files(), "layer", WHOLE)
    assert off(layer, found) <= 0.08, (layer.cost(), found)
    # A bit of a row may never change, or be another bit of it.
    assert 0 <= layer.cost().ff - found.ff <= 0.02 * found.ff + outputs
