from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatesmith.ir import BIPOLAR, TERNARY, IntType
from gatesmith.quant.form import rationals
from gatesmith.quant.grid import integer_grid, rational_grid, weight_type

CODES = st.lists(st.lists(st.integers(-127, 127), min_size=3, max_size=3), min_size=1, max_size=6)
SCALES = st.lists(st.floats(2.0**-20, 2.0**20, width=32), min_size=3, max_size=3)


@given(CODES, SCALES)
def test_grid_is_exact_and_minimal(codes: list[list[int]], scales: list[float]) -> None:
    n = np.array(codes)
    w = n * np.array(scales)  # 8 bits times 24 bits: exact in float64
    found = integer_grid(w)
    assert found is not None
    integers, units = found

    for column in range(3):
        exact = [Fraction(float(v)) for v in w[:, column]]
        assert [int(i) * units[column] for i in integers[:, column]] == exact
        assert np.gcd.reduce(integers[:, column]) in (0, 1)
    assert (np.abs(integers) <= np.abs(n)).all()
    again = rational_grid(rationals(w))
    assert again is not None
    np.testing.assert_array_equal(again[0], integers)
    assert again[1] == units


def test_float_weights_have_no_grid() -> None:
    w = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32).astype(np.float64)

    assert integer_grid(w) is None
    assert rational_grid(rationals(w)) is None


def test_wide_spread_has_no_grid() -> None:
    assert integer_grid(np.array([[1.0], [2.0**-40]])) is None
    assert integer_grid(np.array([[1.0], [2.0**-300]])) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [([-1, 1], BIPOLAR), ([-1, 0], TERNARY), ([0, 0], TERNARY), ([2, 3], IntType(2, 3))],
)
def test_weight_type_is_the_cheapest(values: list[int], expected: IntType) -> None:
    assert weight_type(np.array(values)) == expected
