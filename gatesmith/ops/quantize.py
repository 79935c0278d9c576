"""Quantize: q = clamp(round(x / scale + zero_point), clip.lo, clip.hi), real to integer.

Sources: QONNX Quant and its rounding_mode (qonnx.custom_op.general.quant); ONNX QuantizeLinear,
which rounds half to even before it adds the zero point: with an even one that is ROUND, with an odd
one the ties go to the odd code, HALF_ODD.
The exact meaning is in rational arithmetic; :meth:`Quantize.exact` computes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np

from gatesmith.ir import Array, IntType, Op, Reals, TensorType, Values
from gatesmith.ops.elementwise import broadcast

_HALF = Fraction(1, 2)


def _half_up(x: Fraction) -> int:
    return floor(x + _HALF)


def _half_down(x: Fraction) -> int:
    return ceil(x - _HALF)


ROUNDING: dict[str, Callable[[Fraction], int]] = {
    "ROUND": round,  # half to even
    "CEIL": ceil,
    "FLOOR": floor,
    "ROUND_TO_ZERO": lambda x: floor(x) if x >= 0 else ceil(x),
    "UP": lambda x: ceil(x) if x >= 0 else floor(x),  # away from zero
    "HALF_UP": lambda x: _half_up(x) if x >= 0 else _half_down(x),  # ties away from zero
    "HALF_DOWN": lambda x: _half_down(x) if x >= 0 else _half_up(x),  # ties towards zero
    "HALF_ODD": lambda x: round(x - 1) + 1,
}
"""Rounding modes by QONNX name; QONNX's DOWN is ROUND_TO_ZERO and HALF_EVEN is ROUND.

HALF_ODD is no name of QONNX; see the top of this file.
"""

_FLOAT: dict[str, Callable[[Reals], Reals]] = {
    "ROUND": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "ROUND_TO_ZERO": np.trunc,
    "UP": lambda x: np.copysign(np.ceil(np.abs(x)), x),
    "HALF_UP": lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x),
    "HALF_DOWN": lambda x: np.copysign(np.ceil(np.abs(x) - 0.5), x),
    "HALF_ODD": lambda x: np.rint(x - 1) + 1,
}

_STEPS_AT_HALF = {"ROUND", "HALF_UP", "HALF_DOWN", "HALF_ODD"}
_ADDS_A_HALF = {"HALF_UP", "HALF_DOWN", "HALF_ODD"}  # in _FLOAT, where the sum may round


@dataclass(frozen=True, slots=True)
class Quantize(Op):
    """Uniform quantizer.

    Attributes:
        scale: float64, above 0, broadcasts to the frame shape.
        zero_point: float64, broadcasts to the frame shape.
        clip: Range of the codes.
        rounding: A key of :data:`ROUNDING`.

    >>> op = Quantize(Array(0.5), Array(0.0), IntType(-8, 7))
    >>> op.run(np.array([[0.25, 0.75, -9.0]]))
    array([[ 0,  2, -8]])
    """

    scale: Array
    zero_point: Array
    clip: IntType
    rounding: str = "ROUND"

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDING:
            raise ValueError(f"rounding must be one of {', '.join(ROUNDING)}, not {self.rounding}")
        if not (self.scale.data > 0).all():
            raise ValueError("scale must be above 0")

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, the clip range."""
        shape = broadcast(*args).shape
        if np.broadcast_shapes(shape, self.scale.shape, self.zero_point.shape) != shape:
            raise ValueError(f"scale or zero point is larger than the value of shape {shape}")
        return TensorType(shape, self.clip)

    def exact(self, x: Fraction, scale: Fraction, zero_point: Fraction) -> int:
        """Code of one rational."""
        code = ROUNDING[self.rounding](x / scale + zero_point)
        return min(max(code, self.clip.lo), self.clip.hi)

    def run(self, *args: Values) -> Values:
        """float64; elements so near a step that float64 cannot tell are redone in rationals."""
        (x,) = args
        t = np.asarray(x / self.scale.data + self.zero_point.data)
        lo, hi = float(self.clip.lo), float(self.clip.hi)
        code = _FLOAT[self.rounding](np.clip(t, lo - 1, hi + 1)).clip(lo, hi).astype(np.int64)
        if not self._division_is_exact():
            self._redo(np.asarray(x, np.float64), t, code)
        return code

    def _division_is_exact(self) -> bool:
        """Powers of two divide without rounding; any addition may round."""
        mantissa, _ = np.frexp(self.scale.data)
        added = self.zero_point.data.any() or self.rounding in _ADDS_A_HALF
        return bool((mantissa == 0.5).all()) and not added

    def _redo(self, x: Reals, t: Reals, code: Values) -> None:
        """Redo exactly, in place, every code whose ``t`` is within rounding of a step."""
        tie = 0.5 if self.rounding in _STEPS_AT_HALF else 0.0
        doubt = np.abs(t - tie - np.rint(t - tie)) <= 2.0**-45 * (
            1 + np.abs(t) + np.abs(self.zero_point.data)
        )
        doubt &= (t >= self.clip.lo - 1) & (t <= self.clip.hi + 1)
        scale, zero = (np.broadcast_to(a.data, x.shape) for a in (self.scale, self.zero_point))
        known: dict[tuple[float, ...], int] = {}  # raw pixels repeat: few distinct cases
        for at in zip(*np.nonzero(doubt), strict=True):
            case = (float(x[at]), float(scale[at]), float(zero[at]))
            if case not in known:
                known[case] = self.exact(*map(Fraction, case))
            code[at] = known[case]
