"""hls4ml's number types (ap_fixed, ac_fixed) in exact integers.

A value is ``code * 2**-frac``. Casting a value to ``fixed<width, integer, rounding, overflow>``
rounds its code to ``width - integer`` fractional bits and then brings it into range. The modes are
those of the Vitis HLS user guide (UG1399, "Arbitrary Precision Fixed-Point Data Types"); ac_fixed
has the same ones under other names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Codes: TypeAlias = NDArray[Any]
"""int64, or Python integers where 62 bits are too few."""

ROUNDINGS = ("TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV")
OVERFLOWS = ("WRAP", "SAT", "SAT_ZERO", "SAT_SYM")
_TEXT = re.compile(
    r"(?:ap_|ac_)?(u?)(fixed|int)<(\d+)(?:,(-?\d+))?(?:,(?:AP_)?(\w+))?(?:,(?:AP_)?(\w+))?(?:,0)?>"
)


@dataclass(frozen=True, slots=True)
class Fixed:
    """``fixed<width, integer>``: 2's complement, ``integer`` bits left of the point, sign included.

    Attributes:
        width: Bits, 1 or more.
        integer: May be negative, or above ``width``.
        signed: Whether the first bit is a sign.
        rounding: One of :data:`ROUNDINGS`.
        overflow: One of :data:`OVERFLOWS`.

    >>> Fixed.parse("ufixed<3,1,RND_CONV,SAT,0>")
    ufixed<3,1,RND_CONV,SAT>
    """

    width: int
    integer: int
    signed: bool = True
    rounding: str = "TRN"
    overflow: str = "WRAP"

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS or self.overflow not in OVERFLOWS:
            raise ValueError(f"no modes {self.rounding}, {self.overflow}")
        if self.width < 1:
            raise ValueError(f"{self.width} bits")

    @classmethod
    def parse(cls, text: str) -> Fixed | None:
        """Read hls4ml's own spelling; None for a type that is no fixed-point number."""
        found = _TEXT.fullmatch(text.replace(" ", ""))
        if found is None:
            return None
        unsigned, kind, width, integer, rounding, overflow = found.groups()
        whole = int(width) if kind == "int" or integer is None else int(integer)
        return cls(int(width), whole, not unsigned, rounding or "TRN", overflow or "WRAP")

    @property
    def frac(self) -> int:
        """Fractional bits; negative where the least step is above 1."""
        return self.width - self.integer

    @property
    def least(self) -> int:
        """Smallest code that a cast may give."""
        if not self.signed:
            return 0
        return -(1 << (self.width - 1)) + (self.overflow == "SAT_SYM" and self.width > 1)

    @property
    def most(self) -> int:
        """Largest code."""
        return (1 << (self.width - self.signed)) - 1

    def cast(self, codes: Codes, frac: int) -> Codes:
        """Codes of this type for values ``codes * 2**-frac``.

        >>> Fixed(4, 4, True, "RND_CONV", "SAT").cast(np.array([3, 5, 7, 99]), 1)
        array([2, 2, 4, 7])
        """
        return self.limited(self.rounded(codes, frac))

    def rounded(self, codes: Codes, frac: int) -> Codes:
        """Round to the fractional bits of the type, without a limit."""
        drop = frac - self.frac
        if drop <= 0:
            return shifted(codes, -drop)
        if drop > 62 and codes.dtype != object:
            codes = codes.astype(object)
        floor, half = codes >> drop, 1 << (drop - 1)
        rest = codes - (floor << drop)
        match self.rounding:
            case "TRN":
                up = rest < 0  # nowhere: what was cut off is never below 0
            case "TRN_ZERO":
                up = (codes < 0) & (rest != 0)
            case "RND":
                up = rest >= half
            case "RND_ZERO":
                up = (rest > half) | ((rest == half) & (codes < 0))
            case "RND_INF":
                up = (rest > half) | ((rest == half) & (codes > 0))
            case "RND_MIN_INF":
                up = rest > half
            case "RND_CONV":
                up = (rest > half) | ((rest == half) & ((floor & 1) == 1))
            case _:
                raise AssertionError(self.rounding)
        result: Codes = floor + up.astype(np.int64)
        return result

    def limited(self, codes: Codes) -> Codes:
        """Bring codes into range as the type does."""
        least, most = self.least, self.most
        if codes.dtype != object and self.width > 61:
            return codes if self.signed else self.limited(codes.astype(object))
        match self.overflow:
            case "WRAP":
                part = codes & ((1 << self.width) - 1)
                return np.where(part > most, part - (most - least + 1), part)
            case "SAT_ZERO":
                return np.where((codes < least) | (codes > most), 0, codes)
            case "SAT" | "SAT_SYM":
                return np.clip(codes, least, most)
            case _:
                raise AssertionError(self.overflow)

    def outside(self, codes: Codes) -> NDArray[np.bool_]:
        """Which rounded codes do not fit."""
        found: NDArray[np.bool_] = np.asarray((codes < self.least) | (codes > self.most), bool)
        return found

    def __repr__(self) -> str:
        modes = [self.rounding, self.overflow] if self.modes else []
        sizes = [str(self.width), str(self.integer)]
        return f"{'' if self.signed else 'u'}fixed<{','.join(sizes + modes)}>"

    @property
    def modes(self) -> bool:
        """Whether it rounds or limits in another way than the default TRN, WRAP."""
        return (self.rounding, self.overflow) != ("TRN", "WRAP")


def shifted(codes: Codes, by: int) -> Codes:
    """``codes * 2**by`` for ``by >= 0``, in Python integers where 62 bits are too few."""
    if by == 0:
        return codes
    if codes.dtype != object:
        largest = int(np.abs(codes).max(initial=0))
        if largest.bit_length() + by <= 62:
            return codes << by
        codes = codes.astype(object)
    result: Codes = codes * (1 << by)
    return result


def to_codes(values: NDArray[Any], frac: int) -> Codes:
    """Nearest codes of float64 values, ties to even."""
    scaled = np.ldexp(np.asarray(values, np.float64), frac)
    if np.abs(scaled).max(initial=0.0) < 2.0**62:
        codes: Codes = np.rint(scaled).astype(np.int64)
        return codes
    big = np.array([round(v) for v in scaled.reshape(-1).tolist()], object)
    return big.reshape(scaled.shape)


def to_reals(codes: Codes, frac: int) -> NDArray[np.float64]:
    """Nearest float64 to each value."""
    result: NDArray[np.float64] = np.ldexp(codes.astype(np.float64), -frac)
    return result


def dyadic_bits(values: NDArray[Any], most: int) -> int | None:
    """Fractional bits that hold every value exactly; None where that takes more than ``most``.

    >>> dyadic_bits(np.array([0.75, 2.0]), 30), dyadic_bits(np.array([0.1]), 30)
    (2, None)
    """
    data = np.asarray(values, np.float64)
    for bits in range(most + 1):
        scaled = np.ldexp(data, bits)
        if (scaled == np.rint(scaled)).all():
            return bits
    return None


def holding(lo: float, hi: float, frac: int) -> Fixed:
    """The narrowest type with ``frac`` fractional bits for all of ``lo`` to ``hi``.

    >>> holding(-311, 311, 0), holding(0, 15, 0), holding(-0.5, 0.25, 2)
    (fixed<10,10>, ufixed<4,4>, fixed<2,0>)
    """
    low, high = (int(c) for c in to_codes(np.array([lo, hi]), frac).tolist())
    signed = low < 0
    need = (~low).bit_length() if signed else 0
    width = max(1, int(signed) + max(need, max(high, 0).bit_length()))
    return Fixed(width, width - frac, signed)
