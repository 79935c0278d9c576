from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from gatesmith.ir import IntType
from gatesmith.quant.margin_keys import MarginKeys, margin_keys
from gatesmith.quant.order_keys import MAX_KEY_BITS, Pair

SMALL, POPCOUNT = IntType(-9, 8), IntType(-8, 8, 2)


def check(keys: MarginKeys, pairs: list[Pair], x: IntType, margin: Fraction) -> None:
    """Both comparisons, for every pair of channels and of integers."""
    numbers = range(x.lo, x.hi + 1, x.step)
    for (i, (a, b)), (j, (c, d)) in product(enumerate(pairs), repeat=2):
        for n, m in product(numbers, repeat=2):
            lead, real = keys.mul[i] * n + keys.add[i] - keys.mul[j] * m - keys.add[j], a * n + b
            assert (lead > 0) == (real > c * m + d)
            assert (lead > keys.margin) == (real > c * m + d + margin)


@pytest.mark.parametrize("margin", [Fraction(0), Fraction(1, 10), Fraction(3, 4), Fraction(7)])
@pytest.mark.parametrize("x", [SMALL, POPCOUNT], ids=str)
@pytest.mark.parametrize(
    "pairs",
    [
        [(Fraction(1, 3), Fraction(2))] * 3,
        [(Fraction(-1, 4), Fraction(0))] * 2,
        [(Fraction(1, 3), Fraction(k, 7)) for k in range(3)],
        [(Fraction(k, 5), Fraction(1, k)) for k in (1, 2, 3)],
        [(Fraction(0), Fraction(2)), (Fraction(1, 2), Fraction(0)), (Fraction(-1), Fraction(0))],
    ],
)
def test_differences_are_those_of_the_scores(
    pairs: list[Pair], x: IntType, margin: Fraction
) -> None:
    keys = margin_keys(pairs, x, margin)
    assert keys is not None
    check(keys, pairs, x, margin)


@pytest.mark.parametrize("seed", range(4))
def test_float_scales_are_rounded_and_proven(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scales, offsets = rng.uniform(0.1, 0.2, 4), rng.normal(0, 0.3, 4)
    by = Fraction(float(np.float32(0.0813)))  # a scale of the inputs, times one of the weights
    pairs = [
        (Fraction(float(np.float32(s))) * by, Fraction(float(np.float32(o))))
        for s, o in zip(scales, offsets, strict=True)
    ]
    margin = Fraction("0.125")
    x = IntType(-30, 40)
    keys = margin_keys(pairs, x, margin)
    assert keys is not None
    assert keys.bits(x) < 32  # in exact proportion they would have more than 40
    check(keys, pairs, x, margin)


def test_what_has_no_keys() -> None:
    flat = [(Fraction(0), Fraction(1)), (Fraction(0), Fraction(2))]
    assert margin_keys(flat, SMALL, Fraction(1)) is None
    wide = [(Fraction(3**20, 2**40), Fraction(0)), (Fraction(5**14, 2**40 - 1), Fraction(1, 7))]
    x = IntType(-(2**21), 2**21)  # too many crossings to prove rounded ones
    assert margin_keys(wide, x, Fraction(1)) is None
    assert MAX_KEY_BITS < 63


def test_one_scale_keeps_the_integers() -> None:
    keys = margin_keys([(Fraction(1, 8), Fraction(-3))] * 10, IntType(0, 255), Fraction("1.3"))
    assert keys == MarginKeys((1,) * 10, (0,) * 10, 10)
