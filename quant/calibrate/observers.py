"""Grids of activations from the values seen: which part of their range is worth the codes.

    minmax      all of it
    percentile  all but the largest magnitudes, one in 10,000 by default
    mse         the part with the least squared error of the quantizer (Sung et al., 2015)
    entropy     the part with the least Kullback-Leibler divergence (Migacz, "8-bit inference with
                TensorRT", GTC 2017, slide 38)

Bipolar values get XNOR-Net's scale, the mean magnitude (Rastegari et al., 2016, section 3.1), and
ternary ones the scale of least squared error, whatever the method.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.ir import BIPOLAR, TERNARY, Array, IntType, Reals
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.calibrate.histogram import HALF, Histogram
from gatesmith.quant.calibrate.scales import exact_scale, pow2_below
from gatesmith.quant.prepare.scheme import Scheme

METHODS = ("minmax", "percentile", "mse", "entropy")
PERCENTILE = 99.99

_OCTAVES = 8
"""How far below the largest value the search for a clipping range goes."""
_STEPS = 12  # scales tried an octave
_SIDE = 24  # and for each end of a range with a zero point


def observer(
    method: str, scheme: Scheme, *, percentile: float = PERCENTILE, name: str = "value"
) -> Observer:
    """An observer of one activation.

    Args:
        method: One of :data:`METHODS`.
        scheme: What the grid shall be: ``int``, ``bipolar`` or ``ternary``, one scale.
        percentile: Part of the values kept by ``percentile``, in percent.
        name: The value's, for messages.
    """
    return Observer(method, scheme, percentile, name)


class Observer:
    """Sees values, batch by batch, and makes a grid of what it saw; keeps counts, no values.

    Attributes:
        name: Of the value.
        seen: What came.
    """

    def __init__(self, method: str, scheme: Scheme, percentile: float, name: str) -> None:
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method}")
        if scheme.kind not in ("int", "bipolar", "ternary"):
            raise ValueError(f"no activation is {scheme.kind}")
        if not 0 < percentile <= 100:
            raise ValueError(f"a percentile is above 0 and at most 100, not {percentile}")
        self.name, self.seen = name, Histogram()
        self._method, self._scheme, self._part = method, scheme, percentile / 100

    def update(self, values: NDArray[np.floating[Any]]) -> None:
        """See values of any shape; UserError quantize.non-finite."""
        if not np.isfinite(values).all():
            bad = int(values.size - np.isfinite(values).sum())
            raise UserError(
                "quantize.non-finite",
                "the float network computes values that are no numbers",
                where=f"node {self.name}",
                why=f"{bad} of {values.size} values are infinite or NaN",
                fix=("check the calibration data for NaN and for its range", "check the model"),
            )
        self.seen.update(values)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the values."""
        seen = self.seen
        if seen.lo == seen.hi:
            return (f"{self.name} is always {seen.lo:g} on the calibration data",)
        if self._scheme.signed is False and not self._scheme.affine and seen.lo < 0:
            return (f"{self.name} is unsigned, and values down to {seen.lo:g} become 0",)
        return ()

    def grid(self) -> Grid:
        """The grid for what was seen; ValueError when that is nothing."""
        seen, scheme = self.seen, self._scheme
        if not seen.total:
            raise ValueError(f"no value of {self.name} was seen")
        if scheme.kind == "bipolar":
            return Grid("bipolar", BIPOLAR, Array(self._mean()))
        clip = TERNARY if scheme.kind == "ternary" else self._clip()
        scale, zero = self._uniform(clip)
        return Grid(scheme.kind, clip, Array(scale), Array(zero))

    def _mean(self) -> Reals:
        """Mean magnitude as a scale; as a power of two the one that is nearer."""
        mean = self.seen.sum_abs / self.seen.total or 1.0
        below = pow2_below(mean)
        if self._scheme.pow2_scale:
            return np.asarray(below if mean < 1.5 * below else 2 * below)
        return exact_scale(mean, BIPOLAR)

    def _clip(self) -> IntType:
        """Codes of an ``int`` grid."""
        scheme = self._scheme
        most = (1 << scheme.bits) - 1
        signed = self.seen.lo < 0 and not scheme.affine if scheme.signed is None else scheme.signed
        if not signed:
            return IntType(0, most)
        half = (most + 1) // 2
        return IntType(1 - half if scheme.narrow else -half, half - 1)

    def _uniform(self, clip: IntType) -> tuple[float, int]:
        """Scale and zero point."""
        searched = self._method == "mse" or self._scheme.kind == "ternary"
        lo, hi = (self.seen.lo, self.seen.hi) if searched else self._range(clip)
        lo, hi = min(lo, 0.0), max(hi, 0.0)
        if clip.lo == 0 and not self._scheme.affine:
            lo = 0.0
        if lo == hi:
            return 1.0, _even(clip)
        ends = _ends(lo, hi, searched, self._scheme.affine)
        scales, zeros = _fit(ends, clip, self._scheme.affine)
        if self._scheme.pow2_scale:
            below = pow2_below(scales)
            return self._best(np.concatenate([below * 2, below]), np.tile(zeros, 2), clip)
        scale, zero = self._best(exact_scale(scales, clip), zeros, clip)
        if not searched:
            return scale, zero
        near = scale * 2.0 ** (np.arange(-8, 9) / (8 * _STEPS))
        near = np.append(scale, exact_scale(near, clip))
        return self._best(near, np.full(len(near), float(zero)), clip)

    def _best(self, scales: Reals, zeros: Reals, clip: IntType) -> tuple[float, int]:
        """The pair of the least error; of equals the first."""
        best = int(np.argmin(self._errors(scales, zeros, clip))) if len(scales) > 1 else 0
        return float(scales[best]), int(zeros[best])

    def _errors(self, scales: Reals, zeros: Reals, clip: IntType) -> Reals:
        """Squared error of each quantizer over everything seen, from the bins."""
        centres, counts = self.seen.bins()
        errors = np.empty(len(scales))
        for at, (scale, zero) in enumerate(zip(scales, zeros, strict=True)):
            codes = np.rint(centres / scale) + zero
            cut = np.clip(codes, clip.lo, clip.hi)
            error = np.square(centres - (cut - zero) * scale)
            if scale < 8 * self.seen.width:  # the bins are too coarse: values are spread evenly
                error[(cut == codes) & (centres != 0)] = scale * scale / 12
            errors[at] = error @ counts
        return errors

    def _range(self, clip: IntType) -> tuple[float, float]:
        """The part of the range that the method keeps."""
        seen = self.seen
        if seen.zeros == seen.total:
            return 0.0, 0.0
        if self._method == "percentile":
            if self._scheme.affine:
                tail = (1 - self._part) / 2
                return seen.quantile(tail), seen.quantile(1 - tail)
            most = self._magnitude()
        elif self._method == "entropy":
            most = _least_divergence(seen.magnitudes(), max(clip.hi, -clip.lo)) * seen.width
        else:
            return seen.lo, seen.hi
        return max(seen.lo, -most), min(seen.hi, most)

    def _magnitude(self) -> float:
        """Magnitude that the part to keep is not above."""
        below = np.cumsum(self.seen.magnitudes()) + self.seen.zeros
        place = int(np.searchsorted(below, self._part * self.seen.total)) + 1
        return float(min(place, HALF) * self.seen.width)


def _even(clip: IntType) -> int:
    """The zero point of a constant 0."""
    return 0 if clip.contains(np.array([0])) else clip.lo


def _ends(lo: float, hi: float, searched: bool, affine: bool) -> Reals:
    """Ranges to try, (n, 2); the whole one first."""
    if not searched:
        return np.array([[lo, hi]])
    if not affine or lo == 0 or hi == 0:
        parts = 2.0 ** (-np.arange(_OCTAVES * _STEPS + 1) / _STEPS)
        return np.asarray(parts[:, None] * np.array([[lo, hi]]))
    parts = 2.0 ** (-np.arange(_SIDE) * _OCTAVES / 2 / _SIDE)
    return np.array([[lo * a, hi * b] for a in parts for b in parts])


def _fit(ends: Reals, clip: IntType, affine: bool) -> tuple[Reals, Reals]:
    """Least scale, and zero point, that reach both ends of each range."""
    lo, hi = ends.T
    if not affine:
        below = -lo / -clip.lo if clip.lo < 0 else np.zeros_like(lo)
        return np.maximum(below, hi / clip.hi), np.zeros(len(ends))
    ideal = clip.lo - lo * (clip.hi - clip.lo) / (hi - lo)
    scales, zeros = np.full(len(ends), np.inf), np.zeros(len(ends))
    for zero in (2 * np.floor(ideal / 2), 2 * np.floor(ideal / 2) + 2):
        room_below, room_above = zero - clip.lo, clip.hi - zero
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.where(lo < 0, -lo / np.maximum(room_below, 0), 0)
            above = np.where(hi > 0, hi / np.maximum(room_above, 0), 0)
        scale = np.maximum(below, above)
        better = (scale < scales) & (room_below >= 0) & (room_above >= 0)
        scales, zeros = np.where(better, scale, scales), np.where(better, zero, zeros)
    return scales, zeros


def _least_divergence(magnitudes: Reals, levels: int) -> int:
    """Bins to keep so that ``levels`` steps lose the least information."""
    used = int(np.flatnonzero(magnitudes)[-1]) + 1
    if 2 * levels >= used:
        return used  # as fine as the histogram itself
    first = max(levels, HALF // 64)
    ends = np.unique(np.linspace(min(first, used), used, 256).astype(int))[::-1]
    divergences = [_divergence(magnitudes, int(end), levels) for end in ends]
    return int(ends[int(np.argmin(divergences))])


def _divergence(magnitudes: Reals, end: int, levels: int) -> float:
    """KL divergence of the first ``end`` bins, the rest in the last of them, from their steps."""
    kept = magnitudes[:end]
    step = np.arange(end) * levels // end
    filled = kept > 0
    sums = np.bincount(step, kept, levels)
    sizes = np.bincount(step, filled, levels)
    coarse = np.where(filled, (sums / np.maximum(sizes, 1))[step], 0.0)
    fine = kept.copy()
    fine[-1] += magnitudes[end:].sum()
    p, q = fine / fine.sum(), coarse / max(coarse.sum(), 1.0)
    at = p > 0
    return float((p[at] * np.log(p[at] / np.maximum(q[at], 1e-9))).sum())
