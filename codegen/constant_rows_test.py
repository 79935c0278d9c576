from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gatesmith.codegen import constant_rows
from gatesmith.codegen.constant_rows import row_of
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType
from gatesmith.ops.dense import Dense

INPUTS = (
    BIPOLAR,
    TERNARY,
    IntType(0, 15),
    IntType(-8, 7),
    IntType(-3, 3, 2),
    IntType(-4, 4, 4),
    IntType(5, 5),
)


def weights_of(rng: np.random.Generator) -> Ints:
    size = int(rng.integers(1, 12))
    drawn = rng.integers(-9, 10, size) << rng.integers(0, 4)
    return np.where(rng.random(size) < 0.3, 0, drawn)


@pytest.mark.parametrize("x", INPUTS, ids=str)
def test_row_means_the_sum_of_products(x: IntType) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        weights = weights_of(rng)
        y = Dense(Array(weights[None]), IntType(-72, 72)).accumulator(x)
        row = row_of(weights, x, y)
        values = x.lo + x.step * rng.integers(0, x.count, weights.size)
        codes = x.to_code(values)
        total = sum(
            f.value * int(x.code.hi - codes[f.input] if f.inverted else codes[f.input])
            for f in row.factors
        )
        assert (total << row.shift) + row.constant == int(weights @ values)
        assert [f.input for f in row.factors] == np.flatnonzero(weights).tolist()
        assert not row.factors or any(f.value % 2 for f in row.factors)


def test_bipolar_product_is_a_popcount() -> None:
    weights = np.array([1, -1, -1, -1, 1])
    row = row_of(weights, BIPOLAR, IntType(-5, 5, 2))
    assert [(f.value, f.inverted) for f in row.factors] == [
        (1, False),
        (1, True),
        (1, True),
        (1, True),
        (1, False),
    ]
    assert (row.shift, row.constant) == (0, 0)


def test_ternary_row_of_bipolar_inputs_has_no_constant() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        row = row_of(rng.integers(-1, 2, 30), BIPOLAR, IntType(-30, 30))
        assert (row.shift, row.offset) == (1, 0)
        assert row.constant in (0, 1)  # whether the sum is odd


def test_sums_that_no_code_has() -> None:
    with pytest.raises(ValueError, match=r"^sums of i4 by these weights do not all lie in u2"):
        row_of(np.array([1, 2]), IntType(-8, 7), IntType(-2, 2, 2))


def test_subset_is_the_nearest_below(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        sizes = dict(enumerate(rng.integers(1, 40, rng.integers(1, 8)).tolist()))
        wanted = int(rng.integers(1, 100))
        sums = [sum(s) for n in range(len(sizes) + 1) for s in combinations(sizes.values(), n)]
        best = max(total for total in sums if total <= wanted)
        found = constant_rows._subset(sizes, wanted)
        assert len(set(found)) == len(found)
        assert sum(sizes[key] for key in found) == best
        monkeypatch.setattr(constant_rows, "MOST_BITS", 0)
        greedy = constant_rows._subset(sizes, wanted)
        assert sum(sizes[key] for key in greedy) <= best
        monkeypatch.undo()
    monkeypatch.setattr(constant_rows, "MOST_BITS", 0)
    assert constant_rows._subset({0: 9, 1: 7, 2: 1}, 8) == [1, 2]
