"""IntLayerNorm: layer normalization of integers, by an integer algorithm with a proven error.

For each vector of C integers, real value = scale * x + anything, with ``>>`` rounding down:

    s   = sum over c of x_c
    d_c = C * x_c - s                              exactly C times the distance from the mean
    V   = (sum over c of d_c**2) * 2**f + E        E = epsilon * C**3 / scale**2 * 2**f, rounded
    R   ~ 2**K * sqrt(C * 2**f / V)                reciprocal root, below
    y_c = (d_c * R + 2**(K - n - 1)) >> (K - n)    stands for y / 2**n, n = bits

because (x - mean) / sqrt(variance + epsilon) = d * sqrt(C) / sqrt(sum d**2 + E / 2**f). V has W
bits (W even) and E is at least 1. The reciprocal root, with ``entry`` counted from 2**(A - 2):

    z    = pairs of zero bits above the first 1 of V          M = V << 2 z, W bits
    slope, root = tables[M >> (W - A)]                        2**t / mid and 2**T * k / sqrt(mid)
    g    = (3 * 2**(p + t) - (M >> (W - p)) * slope) >> (p + t - q)
    R    = (root * g) >> (B - z)                              B = T + q + 1 - K - j + W / 2

``mid`` is the middle of the entry's interval of M / 2**W, k * 2**j = sqrt(C * 2**f) with k in 1..2.
That is a table and one step of Newton's iteration, r * (3 - M * r**2) / 2 from r = 1 / sqrt(mid).

Against the real function of the integers,

    |y_c - 2**n * real| <= 1/2 + D * 2**(n - K) + 2**n * sqrt(C - 1) * e

1/2 is the last rounding; R is cut off by less than 1 and |d| <= D; |real| <= sqrt(C - 1) for every
vector, and e bounds the relative error of R before it is cut off, a product of 1 + each of

    Newton    3/8 h**2 (1 + h) / (1 - h)**3            h = 2**(1 - A) bounds |M / (2**W mid) - 1|
    g         (4 * 2**-p + 2**-(t + 1) + 2**-q) / (2 - h)    M cut to p bits, slope, g rounded
    root      2**-(T + 1)                              rounded
    E         v / (1 - v)                              v = its error / (C * (C - 1) * 2**f)

where C * (C - 1) is the least sum of d**2 that is not 0; if it is 0, y is 0 and exact.
:meth:`IntLayerNorm.bound` computes the sum in rationals.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Op, TensorType, Values
from gatesmith.ops.function import precise

GUARD = 3
"""Bits by which the algorithm is finer than its result."""

MOST_ADDRESS = 13
"""Largest A: bits that address the tables."""

MOST_BITS = 62
"""Widest product that is taken; only V may be wider."""


@dataclass(frozen=True, slots=True)
class IntLayerNorm(Op):
    """Layer normalization over the last axis; the result stands for ``y / 2**bits``.

    Attributes:
        channels: C, 2 or more.
        epsilon: E.
        epsilon_error: Largest distance of E from the real number that it stands for, in 2**-8.
        fraction: f.
        width: W, even.
        slope: int64 (3 * 2**(A - 2),).
        root: int64, likewise.
        slope_bits: t.
        mantissa: p.
        middle: q.
        shift: B.
        scale_bits: K.
        bits: n.
        root_bits: T.

    >>> op = IntLayerNorm.of(Fraction(1, 16), Fraction(1, 10**5), IntType(-128, 127), 4, 8)
    >>> op.run(np.array([[1, 2, 3, 4], [5, 5, 5, 5], [-128, 127, 127, 127]]))
    array([[-343, -114,  114,  343],
           [   0,    0,    0,    0],
           [-443,  148,  148,  148]])
    """

    channels: int
    epsilon: int
    epsilon_error: int
    fraction: int
    width: int
    slope: Array
    root: Array
    slope_bits: int
    mantissa: int
    middle: int
    shift: int
    scale_bits: int
    bits: int
    root_bits: int

    def __post_init__(self) -> None:
        if self.channels < 2 or self.epsilon < 1 or self.width % 2:
            raise ValueError("two channels or more, E of 1 or more, and an even width")
        if self.slope.shape != self.root.shape or self.mantissa > self.width:
            raise ValueError("two tables of one length, and a mantissa within the width")
        if self.shift < self.most_zeros:
            raise ValueError(f"a shift of {self.shift} - z goes below 0")
        widest = max(int(self.slope.data.max()).bit_length() + self.mantissa, self.product_bits)
        if widest > MOST_BITS:
            raise ValueError(f"a product of {widest} bits")

    @property
    def address(self) -> int:
        """A."""
        return (self.slope.shape[0] // 3).bit_length() + 1

    @property
    def most_zeros(self) -> int:
        """Largest z: that of V = E."""
        return (self.width - self.epsilon.bit_length()) // 2

    @property
    def product_bits(self) -> int:
        """Bits of the largest root * g."""
        return int(self.root.data.max()).bit_length() + self.middle + 2

    @property
    def most_factor(self) -> int:
        """A bound on R."""
        cells = np.arange(self.slope.shape[0]) + (1 << (self.address - 2))
        low = cells << max(self.mantissa - self.address, 0)
        g = self._middle(low >> max(self.address - self.mantissa, 0), self.slope.data)
        return int((self.root.data * g).max()) >> (self.shift - self.most_zeros)

    def distance(self, x: IntType) -> int:
        """D: largest |d|."""
        return (self.channels - 1) * (x.hi - x.lo)

    def squares(self, x: IntType) -> int:
        """Largest sum of d**2: at most C / 4 squares of the range (Popoviciu), times C**2."""
        return self.channels**3 * (x.hi - x.lo) ** 2 // 4

    @staticmethod
    def of(
        scale: Fraction,
        epsilon: Fraction,
        x: IntType,
        channels: int,
        bits: int,
        *,
        guard: int = GUARD,
    ) -> IntLayerNorm:
        """The operator whose error is little above 1/2 + 2 * 2**-guard.

        Args:
            scale: Real step between neighbouring integers, above 0.
            epsilon: Added to the variance, above 0.
            x: Integers that occur.
            channels: C.
            bits: n.
            guard: Bits by which it computes finer than the result.

        Raises:
            ValueError: a product is wider than int64, or a table too large.
        """
        if scale <= 0 or epsilon <= 0:
            raise ValueError("scale and epsilon must be above 0")
        need = bits + guard + ((channels - 1).bit_length() + 1) // 2  # of the largest result
        address = max(3, (need + 3) // 2)
        if address > MOST_ADDRESS:
            raise ValueError(f"tables of {address} address bits")
        fraction = max(0, need + 4 - (channels * (channels - 1)).bit_length())
        wanted = epsilon * channels**3 / scale**2 * (1 << fraction)
        e = max(1, round(wanted))
        top = (channels**3 * (x.hi - x.lo) ** 2 // 4 << fraction) + e
        width = max(2 * ((top.bit_length() + 1) // 2), 2 * ((need + 5) // 2))
        mantissa, middle, slope_bits = need + 4, need + 3, need + 2
        scale_bits = bits + guard + ((channels - 1) * (x.hi - x.lo)).bit_length()
        j = ((channels << fraction).bit_length() - 1) // 2
        zeros = (width - e.bit_length()) // 2
        fixed = middle + 1 - scale_bits - j + width // 2
        root_bits = max(need + 2, zeros - fixed)
        k = (Fraction(channels << fraction)) / (1 << (2 * j))
        cells = range(1 << (address - 2), 1 << address)
        mids = [Fraction(2 * cell + 1, 2 << address) for cell in cells]
        return IntLayerNorm(
            channels=channels,
            epsilon=e,
            epsilon_error=-int(-abs(e - wanted) * 256 // 1),
            fraction=fraction,
            width=width,
            slope=Array([round((1 << slope_bits) / mid) for mid in mids]),
            root=Array([round(precise("sqrt", k / mid) * (1 << root_bits)) for mid in mids]),
            slope_bits=slope_bits,
            mantissa=mantissa,
            middle=middle,
            shift=root_bits + fixed,
            scale_bits=scale_bits,
            bits=bits,
            root_bits=root_bits,
        )

    def bound(self, x: IntType) -> Fraction:
        """Largest |y - 2**bits * layer norm|, see the top of this file.

        >>> x = IntType(-128, 127)
        >>> round(float(IntLayerNorm.of(Fraction(1, 16), Fraction(1, 10**5), x, 64, 8).bound(x)), 3)
        0.72
        """
        h = Fraction(2, 1 << self.address)
        v = Fraction(self.epsilon_error, 256 * self.channels * (self.channels - 1) << self.fraction)
        parts = (
            Fraction(3, 8) * h**2 * (1 + h) / (1 - h) ** 3,
            (_power(2 - self.mantissa) + _power(-self.slope_bits - 1) + _power(-self.middle))
            / (2 - h),
            _power(-self.root_bits - 1),
            v / (1 - v),
        )
        relative = Fraction(1)
        for part in parts:
            relative *= 1 + part
        largest = Fraction(isqrt((self.channels - 1) << 32) + 1, 1 << 16) * (1 << self.bits)
        cut = self.distance(x) * _power(self.bits - self.scale_bits)
        return Fraction(1, 2) + cut + largest * (relative - 1)

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, sqrt(C - 1) either way."""
        (x,) = args
        if x.channels != self.channels or not x.shape:
            raise ValueError(f"vectors of {x.channels}, not {self.channels}")
        elem = x.int_elem
        if elem.step != 1:
            raise ValueError(f"integers in steps of {elem.step}")
        if (self.squares(elem) << self.fraction) + self.epsilon >> self.width:
            raise ValueError(f"{elem} has a variance of more than {self.width} bits")
        if self.distance(elem).bit_length() + self.most_factor.bit_length() > MOST_BITS:
            raise ValueError(f"{elem} has a last product of more than {MOST_BITS} bits")
        most = isqrt((self.channels - 1) << (2 * self.bits)) + 1
        top = most + int(self.bound(elem))
        return TensorType(x.shape, IntType(-top, top))

    def _middle(self, mantissa: Ints, slope: Ints) -> Ints:
        """G."""
        one = 1 << (self.mantissa + self.slope_bits)
        g: Ints = (3 * one - mantissa * slope) >> (self.mantissa + self.slope_bits - self.middle)
        return g

    def factor(self, squares: Ints) -> Ints:
        """R of each sum of d**2; Python integers where V is wider than int64."""
        kind = object if self.width > MOST_BITS else np.int64
        v = squares.astype(kind) * (1 << self.fraction) + self.epsilon
        z = np.zeros(v.shape, np.int64)
        for pair in range(1, self.width // 2):
            z += (v < 1 << (self.width - 2 * pair)).astype(np.int64)
        m = v << (2 * z).astype(kind)
        cell = (m >> (self.width - self.address)).astype(np.int64) - (1 << (self.address - 2))
        mantissa = (m >> (self.width - self.mantissa)).astype(np.int64)
        g = self._middle(mantissa, self.slope.data[cell])
        found: Ints = (self.root.data[cell] * g) >> (self.shift - z)
        return found

    def run(self, *args: Values) -> Values:
        """int64, but for V where it is wider."""
        x = args[0].astype(np.int64)
        d = self.channels * x - x.sum(axis=-1, keepdims=True)
        wide = d.astype(object) if self.width > MOST_BITS else d
        r = self.factor((wide * wide).sum(axis=-1, keepdims=True))
        shift = self.scale_bits - self.bits
        y: Ints = (d * r + (1 << (shift - 1))) >> shift
        return y


def _power(exponent: int) -> Fraction:
    """2**exponent."""
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)
