"""Trainable quantizers: a Grid as a torch module, and the Grid back from it.

What a module computes going forward is ``scale * (code - zero_point)`` with the float32 scale and
the levels that ``grid`` reports, in float32; only the way back differs. The estimators:

    lsq      learned step (Esser et al., 2020)
    pact     learned clipping (Choi et al., 2018): only values above the clip teach the scale
    dorefa   weights through tanh, fixed step (Zhou et al., 2016, section 2.3)
    ste      fixed step, straight through
    xnor     bipolar weights: scale = mean of abs(w) (Rastegari et al., 2016, section 3.1)
    twn      ternary weights: 0 up to 0.7 * mean of abs(w), scale = mean above (Li et al., 2016)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from gatesmith.ir import Array
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.train.scale import Scale
from gatesmith.quant.train.straight import rounded, through
from gatesmith.quant.train.uniform import bipolar, coded, uniform

TINY = 2.0**-100
"""Least scale of a channel whose weights are all zero."""


@dataclass(frozen=True, slots=True)
class Estimators:
    """How quantizers learn.

    Attributes:
        weights: ``lsq``, ``dorefa`` or ``ste``; int weights, and scales of pow2 and codebook.
        activations: ``lsq``, ``pact`` (unsigned ones; others lsq) or ``ste``.
        bipolar: ``xnor`` or ``lsq``; bipolar weights.
        ternary: ``lsq`` or ``twn``; ternary weights of one scale.
        reach: Bipolar activations pass gradients where abs(x) is at most this many scales: 1 is
            hard tanh (Hubara et al., 2016). Through nine layers of a VGG-like network slopes of 1
            further out mislead: 38.9 % with 3 (and unbalanced norms), see docs/quantization.md.
        inputs: Whether quantizers of graph inputs learn; their codes come from outside.
    """

    weights: str = "lsq"
    activations: str = "lsq"
    bipolar: str = "xnor"
    ternary: str = "lsq"
    reach: float = 1.0
    inputs: bool = False

    def __post_init__(self) -> None:
        for name, known in _KNOWN.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, not {getattr(self, name)}"
                )


_KNOWN = {
    "weights": ("lsq", "dorefa", "ste"),
    "activations": ("lsq", "pact", "ste"),
    "bipolar": ("xnor", "lsq"),
    "ternary": ("lsq", "twn"),
}


class Quantizer(nn.Module):
    """A grid that learns. ``off`` lets values through: for a float teacher, and for statistics."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.start = grid
        self.off = False

    def forward(self, x: Tensor) -> Tensor:
        """Values on the grid, float32."""
        return x if self.off else self.put(x.float())

    def put(self, x: Tensor) -> Tensor:
        """What :meth:`forward` does when it is not off."""
        raise NotImplementedError

    def grid(self, x: Tensor) -> Grid:
        """The grid as it is now, for the weights x; of an activation any x will do."""
        raise NotImplementedError

    def at_bits(self, bits: int | None) -> None:
        """Use a finer grid of at least this many bits and the same reach; None: its own."""

    def keep(self, x: Tensor) -> None:
        """Put weights, in place, to where they can still change their code; after a step."""


def make(grid: Grid, how: Estimators, *, weight: bool, features: int, fixed: bool) -> Quantizer:
    """The module of a grid.

    Args:
        grid: Where it begins.
        how: Estimators.
        weight: Whether it is for a constant.
        features: Elements of a frame, or of the constant.
        fixed: Keep the grid as it is.
    """
    if grid.kind == "bipolar":
        if weight:
            return BipolarWeights(grid, how.bipolar)
        return Bipolar(grid, how.reach, features, learns=not fixed and how.activations != "ste")
    if grid.levels is not None:
        if grid.kind == "ternary" and grid.levels.data.size == 3:
            return TwoScales(grid)
        return Levels(grid, features, learns=not fixed and how.weights != "ste")
    if grid.kind == "ternary" and weight and how.ternary == "twn":
        return Thresholded(grid)
    estimator = how.weights if weight else how.activations
    return Uniform(grid, "ste" if fixed else estimator, features)


class Uniform(Quantizer):
    """kind ``int``, and ``ternary`` with one scale.

    Args:
        grid: The start.
        how: lsq, pact, dorefa or ste.
        features: Elements of one frame (LSQ's gradient scale, section 2.2).
    """

    limits: Tensor

    def __init__(self, grid: Grid, how: str, features: int) -> None:
        super().__init__(grid)
        zero = grid.zero_point.data
        unsigned = bool((grid.clip.lo - zero == 0).all())
        self.how = "lsq" if how == "pact" and not unsigned else how
        self.scale = Scale(grid.scale, learns=self.how in ("lsq", "pact"))
        self.features = features
        self.register_buffer("limits", torch.zeros(2), persistent=False)
        self.at_bits(None)

    def at_bits(self, bits: int | None) -> None:
        """Limits less zero points, of a grid that is finer by a power of two."""
        zero = self.start.zero_point.data
        lo, hi = self.start.clip.lo - zero, self.start.clip.hi - zero
        more = 1 << (0 if bits is None else max(0, bits - self.start.clip.bits))
        top = (hi + 1) * more - 1
        low = np.where(lo == -hi, -top, lo * more)
        self.finer = float((top / np.maximum(hi, 1)).max())
        limits = torch.tensor(np.stack(np.broadcast_arrays(low, top)), dtype=torch.float32)
        self.ends = (float(limits[0]), float(limits[1])) if limits.numel() == 2 else None
        self.limits = limits.to(self.limits.device)
        top_code = max(1.0, float(np.max(top)))
        self.slope = 1.0 / math.sqrt(max(1.0, self.features * top_code))

    def put(self, x: Tensor) -> Tensor:
        """As the estimator has it."""
        scale: Tensor = self.scale()
        if self.finer != 1.0:
            scale = scale / self.finer
        match self.how:
            case "dorefa":
                squashed = torch.tanh(x)
                unit = squashed / squashed.abs().max().clamp(min=TINY)
                return self._fake(unit * (scale * self.limits[1]), scale.detach())
            case "pact":
                value = self._fake(x.detach(), scale.detach())
                return through(value, torch.minimum(torch.relu(x), scale * self.limits[1]))
            case _:
                return self._fake(x, scale)

    def _fake(self, x: Tensor, scale: Tensor) -> Tensor:
        rounding = self.start.rounding
        if scale.numel() == 1 and self.ends is not None and not self._shifted():
            return uniform(x, scale, self.ends, rounding, self.slope)
        lo, hi = self.limits
        zero = 0.0 if not self._shifted() else torch.tensor(self.start.zero_point.data).to(x)
        with torch.no_grad():
            t = x / scale
            inside = (t > lo) & (t < hi)
            codes = (rounded(t + zero, rounding) - zero).maximum(lo).minimum(hi)
        return coded(x, scale, codes, inside, self.slope)

    def _shifted(self) -> bool:
        """Whether the zero point matters to the rounding: towards or from zero, that is."""
        return self.start.rounding not in ("ROUND", "FLOOR", "CEIL") and bool(
            self.start.zero_point.data.any()
        )

    def grid(self, x: Tensor) -> Grid:
        """Of the learned scale."""
        if self.finer != 1.0:
            raise ValueError("a grid that is trained at more bits than its own")
        return replace(self.start, scale=array(self.scale()))


class Bipolar(Quantizer):
    """Activations -scale or +scale."""

    def __init__(self, grid: Grid, reach: float, features: int, learns: bool) -> None:
        super().__init__(grid)
        self.scale = Scale(grid.scale, learns)
        self.reach, self.slope = reach, 1.0 / math.sqrt(max(1, features))

    def put(self, x: Tensor) -> Tensor:
        """The sign, with the slope of hard tanh."""
        scale: Tensor = self.scale()
        if scale.numel() == 1:
            return bipolar(x, scale, self.reach, self.slope)
        sign = torch.where(x >= 0, 1.0, -1.0)
        limit = self.reach * scale.detach()
        return through(sign * scale.detach(), x.maximum(-limit).minimum(limit)) + sign * (
            scale - scale.detach()
        )

    def grid(self, x: Tensor) -> Grid:
        """Of the learned scale."""
        return replace(self.start, scale=array(self.scale()))


class BipolarWeights(Quantizer):
    """-scale or +scale; gradients pass as if that were the weight itself.

    Weights stay within ``reach`` of their mean magnitude, so that they can flip; BinaryConnect
    (Courbariaux et al., 2015, section 2.4) clips at 1 for the same reason.
    """

    reach = 3.0

    def __init__(self, grid: Grid, how: str) -> None:
        super().__init__(grid)
        self.scale = Scale(grid.scale, learns=True) if how == "lsq" else None

    def put(self, x: Tensor) -> Tensor:
        """XNOR-Net's, or with a learned scale."""
        sign = torch.where(x >= 0, 1.0, -1.0)
        if self.scale is None:
            return through(sign * self._mean(x), x)
        scale: Tensor = self.scale()
        return through(sign * scale.detach(), x) + sign * (scale - scale.detach())

    def keep(self, x: Tensor) -> None:
        """Within reach."""
        limit = self.reach * self._mean(x)
        x.copy_(x.maximum(-limit).minimum(limit))

    def _mean(self, x: Tensor) -> Tensor:
        return mean_to(x.detach().abs(), self.start.scale.shape).clamp(min=TINY)

    def grid(self, x: Tensor) -> Grid:
        """Of the mean magnitude, or the learned scale."""
        scale: Tensor = self._mean(x) if self.scale is None else self.scale()
        return replace(self.start, scale=array(scale))


class Thresholded(Quantizer):
    """TWN: 0 where abs(w) is at most 0.7 of its mean, else +- the mean of those above."""

    def put(self, x: Tensor) -> Tensor:
        """Gradients pass."""
        scale, codes = self._found(x)
        return through(codes * scale, x)

    def _found(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shape = self.start.scale.shape
        size = x.detach().abs()
        above = (size > 0.7 * mean_to(size, shape)).float()
        share = mean_to(above, shape).clamp(min=TINY)
        scale = (mean_to(size * above, shape) / share).clamp(min=TINY)
        return scale, torch.sign(x.detach()) * above

    def grid(self, x: Tensor) -> Grid:
        """Of the computed scale."""
        return replace(self.start, scale=array(self._found(x)[0]))


class TwoScales(Quantizer):
    """TTQ (Zhu et al., 2017): -a, 0 or +b, both learned; integers of a grid, straight through."""

    first: Tensor
    most: Tensor

    def __init__(self, grid: Grid) -> None:
        super().__init__(grid)
        assert grid.levels is not None
        below, _, above = grid.levels.data
        self.scale = Scale(grid.scale, learns=False)
        self.register_buffer("first", torch.tensor([-below, above], dtype=torch.float32))
        self.p = nn.Parameter(torch.zeros(2))
        most = torch.tensor([-grid.clip.lo, grid.clip.hi], dtype=torch.float32)
        self.register_buffer("most", most, persistent=False)

    def _levels(self) -> Tensor:
        real = self.first * torch.exp2(self.p)
        whole = real.detach().round().clamp(min=1.0).minimum(self.most)
        return through(whole, real)

    def put(self, x: Tensor) -> Tensor:
        """The nearest of the three."""
        scale: Tensor = self.scale()
        a, b = self._levels()
        t = x.detach() / scale
        codes = torch.where(t > b.detach() / 2, b, torch.where(t <= -a.detach() / 2, -a, 0.0))
        y = coded(x, scale, codes.detach(), torch.ones_like(x))
        return y + (codes - codes.detach()) * scale

    def grid(self, x: Tensor) -> Grid:
        """Of the learned levels."""
        a, b = (int(level) for level in self._levels().tolist())
        return replace(self.start, levels=Array(np.array([-a, 0, b])))


class Levels(Quantizer):
    """The nearest of fixed levels (pow2, codebook) of a learned scale."""

    levels: Tensor
    middles: Tensor

    def __init__(self, grid: Grid, features: int, learns: bool) -> None:
        super().__init__(grid)
        assert grid.levels is not None
        levels = grid.levels.data
        self.scale = Scale(grid.scale, learns)
        middles = torch.tensor((levels[1:] + levels[:-1]) / 2, dtype=torch.float32)
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)
        self.register_buffer("middles", middles, persistent=False)
        self.slope = 1.0 / math.sqrt(max(1, features) * max(1.0, float(np.abs(levels).max())))

    def put(self, x: Tensor) -> Tensor:
        """As LSQ."""
        scale: Tensor = self.scale()
        with torch.no_grad():
            t = x / scale
            codes = self.levels[torch.bucketize(t, self.middles)]
            inside = (t > self.levels[0]) & (t < self.levels[-1])
        return coded(x, scale, codes, inside, self.slope)

    def grid(self, x: Tensor) -> Grid:
        """Of the learned scale."""
        return replace(self.start, scale=array(self.scale()))


def mean_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Mean over the axes along which an array of ``shape`` is repeated to that of x."""
    full = (1,) * (x.ndim - len(shape)) + shape
    total = x.sum_to_size(full).reshape(shape)
    return total / (x.numel() / max(1, total.numel()))


def array(x: Tensor) -> Array:
    """float64."""
    return Array(x.detach().cpu().double().numpy())
