from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatesmith.hls4ml_bridge.fixed import (
    OVERFLOWS,
    ROUNDINGS,
    Fixed,
    dyadic_bits,
    holding,
    to_codes,
    to_reals,
)


def one(kind: Fixed, value: Fraction) -> int:
    """The code of a value, from the words of UG1399."""
    scaled = value * Fraction(2) ** kind.frac
    down, up = floor(scaled), ceil(scaled)
    nearest = down if scaled - down < Fraction(1, 2) else up
    tie = scaled - down == Fraction(1, 2)
    code: int = {
        "TRN": down,
        "TRN_ZERO": down if scaled >= 0 else up,
        "RND": up if tie else nearest,
        "RND_MIN_INF": down if tie else nearest,
        "RND_ZERO": (down if scaled > 0 else up) if tie else nearest,
        "RND_INF": (up if scaled > 0 else down) if tie else nearest,
        "RND_CONV": (down if down % 2 == 0 else up) if tie else nearest,
    }[kind.rounding]
    lo = -(1 << (kind.width - 1)) if kind.signed else 0
    hi = lo + (1 << kind.width) - 1
    if kind.overflow == "SAT_SYM" and kind.signed and kind.width > 1:
        lo += 1
    if lo <= code <= hi:
        return code
    match kind.overflow:
        case "WRAP":
            return (code - lo) % (1 << kind.width) + lo
        case "SAT_ZERO":
            return 0
    return min(max(code, lo), hi)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("signed", [False, True])
def test_a_cast_is_what_the_vendor_says(rounding: str, overflow: str, signed: bool) -> None:
    for width, integer in ((4, 4), (4, 2), (3, 5), (1, 1)):
        kind = Fixed(width, integer, signed, rounding, overflow)
        codes = np.arange(-150, 151)
        wanted = [one(kind, Fraction(int(code), 8)) for code in codes]
        assert kind.cast(codes, 3).tolist() == wanted
        assert kind.cast(codes.astype(object), 3).tolist() == wanted


@given(st.integers(-(2**80), 2**80), st.integers(0, 70))
def test_wide_values_stay_exact(code: int, frac: int) -> None:
    kind = Fixed(40, 20, True, "RND_CONV", "SAT")
    found = kind.cast(np.array([code], object), frac)
    assert found.tolist() == [one(kind, Fraction(code, 2**frac))]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("fixed<16,6>", Fixed(16, 6)),
        ("fixed<2,2,RND_CONV,SAT_SYM,0>", Fixed(2, 2, True, "RND_CONV", "SAT_SYM")),
        ("ap_ufixed<4,-1,AP_TRN,AP_SAT,0>", Fixed(4, -1, False, "TRN", "SAT")),
        ("uint<1>", Fixed(1, 1, False)),
        ("int<12>", Fixed(12, 12)),
        ("xnor", None),
        ("auto", None),
    ],
)
def test_types_are_read(text: str, kind: Fixed | None) -> None:
    assert Fixed.parse(text) == kind
    assert kind is None or Fixed.parse(repr(kind)) == kind


@given(st.integers(-300, 300), st.integers(0, 300), st.integers(-2, 6))
def test_the_narrowest_type_holds_a_range(lo: int, wide: int, frac: int) -> None:
    ends = to_reals(np.array([lo, lo + wide]), frac)
    kind = holding(float(ends[0]), float(ends[1]), frac)
    codes = np.arange(lo, lo + wide + 1)
    assert (kind.cast(codes, frac) == codes).all()
    if kind.width > 1:
        less = Fixed(kind.width - 1, kind.integer - 1, kind.signed)
        assert (less.cast(codes, frac) != codes).any()


def test_fractional_bits() -> None:
    assert dyadic_bits(np.array([0.0, -3.0]), 4) == 0
    assert dyadic_bits(np.array([2.0**-5]), 4) is None
    assert to_codes(np.array([1 / 3]), 60).tolist() == [round(Fraction(1 / 3) * 2**60)]
    assert to_codes(np.array([2.0**10 + 1]), 60).tolist() == [1025 * 2**60]
