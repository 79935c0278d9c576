"""FakeQuant: a real value put on a grid; what a quantizer and the dequantizer behind it make of it.

    y = scale * (code - zero_point),  code = clamp(round(x / scale + zero_point), clip.lo, clip.hi)

One operator for every kind of quantizer, so that calibration and training can treat them alike;
before lowering it becomes Quantize and Dequantize, or constants (quant/fake_quant.py). A zero point
is even, so that QONNX, which rounds after adding it, and ONNX, which rounds before, give the same
code at a tie.

Kinds: ``int`` is uniform; ``bipolar`` is XNOR-Net's sign times a scale (Rastegari et al., 2016,
section 3.1); ``ternary`` {-1, 0, +1} times a scale (TWN, Li et al., 2016) or two scales (TTQ, Zhu
et al., 2017); ``pow2`` sums of powers of two (LightNN, Ding et al., 2017); ``codebook`` values that
weights share (Deep Compression, Han et al., 2016, section 3). The last two, and two scales, are
integers on a grid of which only some, :attr:`Grid.levels`, are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from gatesmith.ir import BIPOLAR, Array, Ints, IntType, Op, Reals, TensorType, Values
from gatesmith.ops.elementwise import broadcast
from gatesmith.ops.quantize import ROUNDING, Quantize

KINDS = ("int", "bipolar", "ternary", "pow2", "codebook")


@dataclass(frozen=True, slots=True)
class Grid:
    """The values that a quantizer can give: ``scale * (code - zero_point)``.

    Attributes:
        kind: One of :data:`KINDS`.
        clip: Range of the codes; BIPOLAR for ``bipolar``.
        scale: float64, each element a float32 number above 0; broadcasts to the value, without a
            batch axis.
        zero_point: int64, even, broadcasts like ``scale``.
        rounding: A key of :data:`gatesmith.ops.quantize.ROUNDING`.
        levels: Codes that are taken, rising, int64 (n,); None when all of ``clip`` are.

    >>> grid = Grid("int", IntType(-2, 1), Array(0.5))
    >>> grid.fake(np.array([0.3, -9.0]))
    array([ 0.5, -1. ])
    >>> Grid("pow2", IntType(-4, 4), Array(1.0), levels=Array([-4, -2, -1, 0, 1, 2, 4])).bits
    3
    """

    kind: str
    clip: IntType
    scale: Array
    zero_point: Array = Array(0)  # noqa: RUF009 - immutable
    rounding: str = "ROUND"
    levels: Array | None = None

    def __post_init__(self) -> None:
        scale = self.scale.data
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind}")
        if self.rounding not in ROUNDING:
            raise ValueError(f"rounding must be one of {', '.join(ROUNDING)}, not {self.rounding}")
        if not ((scale > 0) & np.isfinite(scale)).all():
            raise ValueError("a scale must be finite and above 0")
        if (scale.astype(np.float32) != scale).any():
            raise ValueError("a scale must be a float32 number, or files could not hold it")
        if self.zero_point.data.dtype != np.int64 or (self.zero_point.data % 2).any():
            raise ValueError("a zero point must be an even integer")
        if (self.kind == "bipolar") != (self.clip == BIPOLAR):
            raise ValueError("bipolar codes are {-1, +1}")
        if self.levels is not None:
            self._check_levels(self.levels.data)

    def _check_levels(self, levels: Values) -> None:
        rising = levels.ndim == 1 and levels.size > 0 and bool((np.diff(levels) > 0).all())
        if not rising or levels.dtype != np.int64 or not self.clip.contains(levels):
            raise ValueError(f"levels must be rising codes of {self.clip}")
        if self.zero_point.data.any():
            raise ValueError("a grid with levels has no zero point")

    @property
    def bits(self) -> int:
        """Bits that name one of the values."""
        if self.levels is None:
            return self.clip.bits
        return max(1, int(self.levels.data.size - 1).bit_length())

    @property
    def quantizer(self) -> Quantize:
        """The uniform quantizer onto all of ``clip``; exact on values that are on the grid."""
        return Quantize(
            self.scale, Array(self.zero_point.data.astype(float)), self.clip, self.rounding
        )

    def codes(self, x: Reals) -> Ints:
        """Code of each value; exact, but for values within 2**-50 of the middle of two levels."""
        if self.kind == "bipolar":
            return np.where(x >= 0, 1, -1).astype(np.int64)
        if self.levels is None:
            return self.quantizer.run(np.asarray(x, np.float64)).astype(np.int64)
        levels = self.levels.data
        middles = (levels[1:] + levels[:-1]) / 2
        codes: Ints = levels[np.searchsorted(middles, x / self.scale.data)]
        return codes

    def values(self, codes: Ints) -> Reals:
        """What the codes stand for: exact in float64, as scales are float32."""
        real: Reals = (codes - self.zero_point.data) * self.scale.data
        return real

    def fake(self, x: Reals) -> Reals:
        """Values of the codes of ``x``."""
        return self.values(self.codes(x))

    @property
    def reach(self) -> tuple[Fraction, Fraction]:
        """Least and largest value of a grid of one scale."""
        scale, zero = Fraction(float(self.scale.data.max())), int(self.zero_point.data.max())
        return scale * (self.clip.lo - zero), scale * (self.clip.hi - zero)


@dataclass(frozen=True, slots=True)
class FakeQuant(Op):
    """A real value put on a grid.

    Attributes:
        grid: The values it may take.
    """

    grid: Grid

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, real."""
        shape = broadcast(*args).shape
        grid = self.grid
        if np.broadcast_shapes(shape, grid.scale.shape, grid.zero_point.shape) != shape:
            raise ValueError(f"scale or zero point is larger than the value of shape {shape}")
        return broadcast(*args)

    def run(self, *args: Values) -> Values:
        """float64."""
        (x,) = args
        return self.grid.fake(np.asarray(x, np.float64))
