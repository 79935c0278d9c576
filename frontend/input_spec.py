"""What arrives on the input stream: integer codes, and the real numbers that they stand for.

    real = scale * (code - zero)

Text form ``TYPE:SCALE[:ZERO]``. TYPE is u1..u32, i2..i32, bipolar or ternary; SCALE and ZERO are
decimal numbers or fractions p/q. Raw pixels that the network wants in [0, 1] are ``u8:1/255``.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import NoReturn

from gatesmith.errors import UserError
from gatesmith.ir import BIPOLAR, TERNARY, IntType

MOST_BITS = 32
LONGEST = 100
"""Characters of a number."""
_NUMBER = re.compile(r"[+-]?(\d+(/\d+)?|(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d{1,3})?)", re.ASCII)
_FIX = (
    "write --input TYPE:SCALE or TYPE:SCALE:ZERO, for instance u8:1/255 for raw pixels, "
    "i8:0.5:3, bipolar:1",
)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """Codes and their meaning.

    Attributes:
        elem: Range of the codes.
        scale: Above 0.
        zero: The code that stands for 0; need not be an integer.
    """

    elem: IntType
    scale: Fraction
    zero: Fraction = Fraction(0)

    @classmethod
    def parse(cls, text: str) -> InputSpec:
        """Read the text form; UserError cli.input-spec.

        >>> InputSpec.parse("u8:1/255")
        InputSpec(elem=u8, scale=Fraction(1, 255), zero=Fraction(0, 1))
        >>> InputSpec.parse("i4:0.5:3")
        InputSpec(elem=i4, scale=Fraction(1, 2), zero=Fraction(3, 1))
        """
        parts = text.strip().split(":")
        if len(parts) not in (2, 3):
            _refuse(text, f"it has {len(parts)} parts between colons, not 2 or 3")
        scale = _number(text, "SCALE", parts[1])
        if scale <= 0:
            _refuse(text, f"SCALE must be above 0, not {parts[1].strip()}")
        zero = _number(text, "ZERO", parts[2]) if len(parts) == 3 else Fraction(0)
        spec = cls(_elem(text, parts[0].strip()), scale, zero)
        if max(abs(spec.affine[0]), abs(spec.affine[1])) >= 2**53:
            _refuse(text, "scale times zero needs more than 53 bits above the fraction bar")
        if spec.affine[2] >= 2**200:
            _refuse(text, "scale times zero needs more than 200 bits below the fraction bar")
        return spec

    @property
    def affine(self) -> tuple[int, int, int]:
        """Integers a, b, d with ``real = (a * code + b) / d``."""
        denominator = self.scale.denominator * self.zero.denominator
        slope = self.scale * denominator
        offset = -self.scale * self.zero * denominator
        return int(slope), int(offset), denominator

    def __str__(self) -> str:
        return f"{self.elem!r}:{self.scale}" + (f":{self.zero}" if self.zero else "")


def _refuse(text: str, why: str) -> NoReturn:
    raise UserError(
        "cli.input-spec",
        f"{text!r} does not say what arrives on the input stream",
        where=f"--input {text}",
        why=why,
        fix=_FIX,
    )


def _number(text: str, part: str, digits: str) -> Fraction:
    digits = digits.strip()
    if len(digits) > LONGEST:
        _refuse(text, f"{part} has {len(digits)} characters, more than {LONGEST}")
    if not _NUMBER.fullmatch(digits):
        _refuse(text, f"{part} must be a decimal number or a fraction p/q, not {digits!r}")
    try:
        value = Fraction(digits)
    except ZeroDivisionError:
        _refuse(text, f"{part} divides by zero: {digits}")
    return _as_printed(value)


def _as_printed(value: Fraction) -> Fraction:
    """The float32 number that a program printed with 17 digits, where ``value`` is one.

    Nothing shorter is touched: 0.1 stays 1/10, which float32 misses by more than a part in 2**50.
    """
    try:
        (nearest,) = struct.unpack("f", struct.pack("f", float(value)))
    except OverflowError:  # of float, or of float32
        return value
    if not isfinite(nearest):  # some versions of Python pack what is too large as infinity
        return value
    single = Fraction(nearest)
    return single if abs(value - single) * 2**50 <= abs(single) else value


def _elem(text: str, name: str) -> IntType:
    if name == "bipolar":
        return BIPOLAR
    if name == "ternary":
        return TERNARY
    match = re.fullmatch(r"([ui])([1-9]\d?)", name, re.ASCII)
    bits = int(match[2]) if match else 0
    if not match or not (1 if match[1] == "u" else 2) <= bits <= MOST_BITS:
        _refuse(text, f"TYPE must be u1..u32, i2..i32, bipolar or ternary, not {name!r}")
    if match[1] == "u":
        return IntType(0, 2**bits - 1)
    return IntType(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
