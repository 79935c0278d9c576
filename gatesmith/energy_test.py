"""The estimate against sums by hand, and that what pays shows."""

from __future__ import annotations

import numpy as np
import pytest

from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.dense_nm import NmUnit
from gatesmith.codegen.matrix_unit import Layer, Naming
from gatesmith.codegen.stream import Stream
from gatesmith.energy import ADD, MULTIPLY, READ, energy
from gatesmith.ir import Array, IntType
from gatesmith.ops.dense import Dense

I8 = IntType(-128, 127)


def test_by_hand() -> None:
    op = Dense(Array(np.full((4, 6), 100)), I8)
    stage = DenseStage("d", "d", (), "d", op, Stream(I8, 6, 3, 2), 2)
    found = energy([stage])
    products = 3 * 4 * 6
    total = op.accumulator(I8).bits
    assert found.arithmetic == pytest.approx(products * (MULTIPLY * 64 + ADD * total))
    read = products * 8 + 3 * 4 * total
    assert found.memory == pytest.approx(read * READ)
    assert found.total == found.arithmetic + found.memory


def test_two_of_four_multiplies_half() -> None:
    weights = np.zeros((8, 16), np.int64)
    weights[:, ::2] = 77
    layer = Layer(Dense(Array(weights), I8), I8, 1)
    unit = NmUnit()
    fold = next(f for f in unit.folds(layer) if (f.pe, f.simd) == (2, 2))
    x = Stream(I8, 16, 1, unit.lanes(layer, fold))
    sparse = unit.stage(Naming("d", "d", (), "d"), layer, x, fold)
    plain = DenseStage("d", "d", (), "d", layer.op, Stream(I8, 16, 1, 2), 2)
    assert 2 * sparse.work().products == plain.work().products
    assert energy([sparse]).arithmetic * 2 == pytest.approx(energy([plain]).arithmetic)
