"""Types of the IR: what a wire can carry, and in what shape.

An integer type is a closed range, not a width. Widths and signs are read off the range, so a
rewrite that narrows a range narrows the hardware with it. A range may have a step of two:
``BIPOLAR`` is {-1, +1}, and a sum of N bipolar products is {-N, -N + 2, ..., N}.

Wires carry **codes**. For step 1 the code is the value, in two's complement when the range
reaches below zero. For any other step the code is ``(value - lo) / step``: one bit for a bipolar
value (1 is +1), and the popcount itself for a sum of bipolar products.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Reals: TypeAlias = NDArray[np.float64]
Values: TypeAlias = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class Real:
    """Real numbers: a value before quantization. No hardware carries one."""

    def __repr__(self) -> str:
        return "real"


@dataclass(frozen=True, slots=True, repr=False)
class IntType:
    """The integers ``lo, lo + step, ..., hi``.

    >>> IntType(-128, 127), IntType(0, 100), IntType(-1, 1, 2), IntType(-64, 64, 2)
    (i8, u7[0..100], bipolar, u7[-64..64 by 2])
    """

    lo: int
    hi: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise ValueError(f"empty integer range: lo={self.lo} is above hi={self.hi}")
        if self.step < 1 or (self.hi - self.lo) % self.step:
            raise ValueError(f"step {self.step} does not lead from {self.lo} to {self.hi}")

    @property
    def signed(self) -> bool:
        """Whether the code needs a sign bit."""
        return self.step == 1 and self.lo < 0

    @property
    def bits(self) -> int:
        """Wires needed to carry every code, at least one."""
        if self.step != 1:
            return max(1, ((self.hi - self.lo) // self.step).bit_length())
        if not self.signed:
            return max(1, self.hi.bit_length())
        return 1 + max((~self.lo).bit_length(), max(self.hi, 0).bit_length())

    @property
    def count(self) -> int:
        """How many values there are."""
        return (self.hi - self.lo) // self.step + 1

    @property
    def code(self) -> IntType:
        """Range of the codes on the wire.

        >>> IntType(-64, 64, 2).code, IntType(-3, 3).code
        (u7[0..64], i3[-3..3])
        """
        return self if self.step == 1 else IntType(0, self.count - 1)

    def contains(self, values: Values) -> bool:
        """Whether every value of an array is in the type."""
        if values.size == 0:
            return True
        if values.min() < self.lo or values.max() > self.hi:
            return False
        return self.step == 1 or not ((values - self.lo) % self.step).any()

    def to_code(self, values: Ints) -> Ints:
        """Signed or unsigned code of each value (before it is cut to :attr:`bits` wires)."""
        return values if self.step == 1 else (values - self.lo) // self.step

    def of_code(self, codes: Ints) -> Ints:
        """Inverse of :meth:`to_code`."""
        return codes if self.step == 1 else codes * self.step + self.lo

    def encode(self, values: Ints) -> Ints:
        """Bits of each value as an unsigned number, as the RTL sees them.

        >>> IntType(-2, 1).encode(np.array([-2, 1])), BIPOLAR.encode(np.array([-1, 1]))
        (array([2, 1]), array([0, 1]))
        """
        if not self.contains(values):
            raise ValueError(f"values from {values.min()} to {values.max()} are outside {self}")
        return self.to_code(values) & ((1 << self.bits) - 1)

    def decode(self, words: Ints) -> Ints:
        """Inverse of :meth:`encode`."""
        if self.signed:
            words = words - ((words >> (self.bits - 1)) << self.bits)
        return self.of_code(words)

    def __repr__(self) -> str:
        if self == BIPOLAR:
            return "bipolar"
        name = f"{'i' if self.signed else 'u'}{self.bits}"
        if self.step != 1:
            return f"{name}[{self.lo}..{self.hi} by {self.step}]"
        half = 1 << (self.bits - 1)
        full = (-half, half - 1) if self.signed else (0, 2 * half - 1)
        return name if (self.lo, self.hi) == full else f"{name}[{self.lo}..{self.hi}]"


BIPOLAR = IntType(-1, 1, 2)
TERNARY = IntType(-1, 1)
Elem: TypeAlias = Real | IntType


@dataclass(frozen=True, slots=True, repr=False)
class TensorType:
    """A dense array, batch dimension left out; the last axis is the channel.

    >>> TensorType((32, 32, 16), IntType(-128, 127)), TensorType((10,), Real())
    (i8[32, 32, 16], real[10])
    """

    shape: tuple[int, ...]
    elem: Elem

    @property
    def size(self) -> int:
        """Elements in one frame."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def channels(self) -> int:
        """Extent of the last axis; 1 for a scalar."""
        return self.shape[-1] if self.shape else 1

    @property
    def vectors(self) -> int:
        """Channel vectors in one frame."""
        return self.size // self.channels

    @property
    def int_elem(self) -> IntType:
        """The element type of an integer tensor."""
        assert isinstance(self.elem, IntType), f"expected an integer tensor, not {self}"
        return self.elem

    def __repr__(self) -> str:
        return f"{self.elem}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Affine:
    """What integers stand for: ``real = scale * value + offset``, exact rationals.

    With a zero point z, ``offset = -scale * z``. Each of ``scale`` and ``offset`` has one entry
    (per tensor) or one entry per channel of the last axis.
    """

    scale: tuple[Fraction, ...]
    offset: tuple[Fraction, ...] = (Fraction(0),)

    def real(self, values: Ints) -> Reals:
        """Nearest float64 to each real value; channels on the last axis."""
        scale = np.array([float(s) for s in self.scale])
        offset = np.array([float(o) for o in self.offset])
        return np.asarray(values * scale + offset, dtype=np.float64)

    def per_channel(self, channels: int) -> tuple[tuple[Fraction, Fraction], ...]:
        """(scale, offset) of each channel."""
        scale = self.scale * channels if len(self.scale) == 1 else self.scale
        offset = self.offset * channels if len(self.offset) == 1 else self.offset
        return tuple(zip(scale, offset, strict=True))

    def __str__(self) -> str:
        def entry(values: tuple[Fraction, ...]) -> str:
            distinct = sorted(set(values))
            if len(distinct) == 1:
                return str(distinct[0])
            return f"{float(distinct[0]):.6g}..{float(distinct[-1]):.6g}"

        return f"{entry(self.scale)} * n + {entry(self.offset)}"
