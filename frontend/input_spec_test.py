from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import BIPOLAR, TERNARY, IntType


@pytest.mark.parametrize(
    ("text", "elem", "scale", "zero"),
    [
        ("u8:1/255", IntType(0, 255), Fraction(1, 255), 0),
        ("i4:0.5:3", IntType(-8, 7), Fraction(1, 2), 3),
        ("bipolar:1", BIPOLAR, 1, 0),
        ("ternary:1e-3", TERNARY, Fraction(1, 1000), 0),
        ("u5:1/16", IntType(0, 31), Fraction(1, 16), 0),
        ("u1:2", IntType(0, 1), 2, 0),
        ("u32:1", IntType(0, 2**32 - 1), 1, 0),
        ("i32:.25:-1/2", IntType(-(2**31), 2**31 - 1), Fraction(1, 4), Fraction(-1, 2)),
        (" i2 : 1. : 0 ", IntType(-2, 1), 1, 0),
    ],
)
def test_parse(text: str, elem: IntType, scale: Fraction, zero: Fraction) -> None:
    spec = InputSpec.parse(text)
    assert spec == InputSpec(elem, Fraction(scale), Fraction(zero))
    a, b, d = spec.affine
    for code in (elem.lo, elem.hi):
        assert Fraction(a * code + b, d) == scale * (code - zero)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("u8", "it has 1 parts between colons, not 2 or 3"),
        ("", "it has 1 parts between colons, not 2 or 3"),
        ("u8:1:2:3", "it has 4 parts between colons, not 2 or 3"),
        ("u0:1", "TYPE must be u1..u32, i2..i32, bipolar or ternary, not 'u0'"),
        ("i1:1", "TYPE must be u1..u32, i2..i32, bipolar or ternary, not 'i1'"),
        ("u33:1", "TYPE must be u1..u32, i2..i32, bipolar or ternary, not 'u33'"),
        ("f8:1", "TYPE must be u1..u32, i2..i32, bipolar or ternary, not 'f8'"),
        ("u8:0", "SCALE must be above 0, not 0"),
        ("u8:-1", "SCALE must be above 0, not -1"),
        ("u8:x", "SCALE must be a decimal number or a fraction p/q, not 'x'"),
        ("u8:nan", "SCALE must be a decimal number or a fraction p/q, not 'nan'"),
        ("u8:1/0", "SCALE divides by zero: 1/0"),
        ("u8:1:", "ZERO must be a decimal number or a fraction p/q, not ''"),
        (
            "u8:0.123456789012345678",
            "scale times zero needs more than 53 bits above the fraction bar",
        ),
    ],
)
def test_bad_text(text: str, why: str) -> None:
    with pytest.raises(UserError) as caught:
        InputSpec.parse(text)
    assert (caught.value.code, caught.value.why) == ("cli.input-spec", why)


def test_message() -> None:
    with pytest.raises(UserError) as caught:
        InputSpec.parse("u8")
    assert str(caught.value) == (
        "error[cli.input-spec]: 'u8' does not say what arrives on the input stream\n"
        "  at   --input u8\n"
        "  why  it has 1 parts between colons, not 2 or 3\n"
        "  fix  write --input TYPE:SCALE or TYPE:SCALE:ZERO, for instance u8:1/255 for raw pixels, "
        "i8:0.5:3, bipolar:1"
    )


def test_a_float32_printed_in_full_is_that_float32() -> None:
    printed, exact = 0.33674246072769165, Fraction(float(np.float32(0.33674246)))

    assert InputSpec.parse(f"i8:{printed!r}:83").scale == exact
    assert InputSpec.parse("i8:0.1").scale == Fraction(1, 10)
    assert InputSpec.parse("u8:1e-30").scale == Fraction(1, 10**30)


def test_a_scale_beyond_float32_is_refused_with_a_message() -> None:
    with pytest.raises(UserError, match="53 bits"):
        InputSpec.parse("u8:1e45")
