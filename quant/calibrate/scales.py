"""Scales that files hold and that float32 runtimes multiply without rounding.

A scale has so few significant bits that each ``scale * code`` is a float32 number. So weights on
their grid are float32 numbers, and a runtime's dequantizer gives the very value that we mean.
"""

from __future__ import annotations

import numpy as np

from gatesmith.ir import IntType, Reals

_MANTISSA = 24
_LEAST, _MOST = -120, 100
"""Exponents of the scales that are given out: far inside float32, so that products are too."""


def exact_scale(scale: Reals | float, clip: IntType) -> Reals:
    """The nearest scale whose product with every code of ``clip`` is a float32 number.

    >>> float(exact_scale(0.1, IntType(-127, 127))), float(exact_scale(0.1, IntType(-1, 1)))
    (0.10000038146972656, 0.09999999403953552)
    """
    span = max(abs(clip.lo), abs(clip.hi), clip.hi - clip.lo if clip.step == 1 else 1)
    digits = _MANTISSA - (span - 1).bit_length()
    mantissa, exponent = np.frexp(np.asarray(scale, np.float64))
    rounded = np.ldexp(np.rint(np.ldexp(mantissa, digits)), exponent - digits)
    return np.asarray(np.clip(rounded, 2.0**_LEAST, 2.0**_MOST), np.float64)


def pow2_below(scale: Reals | float) -> Reals:
    """The largest power of two that is not above."""
    _, exponent = np.frexp(np.asarray(scale, np.float64))
    return np.asarray(np.ldexp(1.0, np.clip(exponent - 1, _LEAST, _MOST)), np.float64)


def all_pow2(scale: Reals) -> bool:
    """Whether each scale is a power of two."""
    return bool((pow2_below(scale) == scale).all())
