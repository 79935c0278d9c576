"""A quantizer whose number of bits is trained: FracBits (Yang and Jin, 2021, section 3.2).

    y = (1 - t) * q_n(x) + t * q_(n+1)(x)    with n = floor(b), t = b - n

so that dy/db is the difference of the two widths. Each width has a learned scale of its own. They
begin with the reach that is best for normal values at that width (Banner et al., "Post training
4-bit quantization", 2019, section 3), relative to that of the grid at its own width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from gatesmith.ir import Array, IntType
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.train.quantizers import Quantizer

REACH = {1: 1.2, 2: 1.71, 3: 2.15, 4: 2.55, 5: 2.93, 6: 3.28, 7: 3.61, 8: 3.92}
"""Best clipping of normal values, in deviations, by bits."""


class Fractional(Quantizer):
    """kind ``int``.

    Args:
        grid: At any width; the others are made from it.
        widths: Least and most bits.
        build: Makes the quantizer of one width.
    """

    def __init__(
        self, grid: Grid, widths: tuple[int, int], build: Callable[[Grid], Quantizer]
    ) -> None:
        super().__init__(grid)
        self.lo, self.hi = widths
        self.width = nn.ModuleDict(
            {str(bits): build(at_width(grid, bits)) for bits in range(self.lo, self.hi + 1)}
        )
        self.b = nn.Parameter(torch.tensor(float(self.hi) - 0.01))

    def bits(self) -> Tensor:
        """Bits now, in lo .. hi, any real; the gradient passes at the ends."""
        return self.b + (self.b.clamp(self.lo, self.hi) - self.b).detach()

    def put(self, x: Tensor) -> Tensor:
        """Between the two nearest widths."""
        b = self.bits()
        below = min(int(b), self.hi - 1) if self.hi > self.lo else self.hi
        first = self.width[str(below)](x)
        if self.hi == self.lo:
            return torch.as_tensor(first)
        return torch.lerp(first, self.width[str(below + 1)](x), b - below)

    def keep(self, x: Tensor) -> None:
        """The bits too."""
        self.b.clamp_(self.lo, self.hi)

    def grid(self, x: Tensor) -> Grid:
        """Of the nearest width."""
        quantizer = self.width[str(round(float(self.bits())))]
        assert isinstance(quantizer, Quantizer)
        return quantizer.grid(x)


def at_width(grid: Grid, bits: int) -> Grid:
    """The same grid with another number of bits, and the reach that suits it.

    >>> at_width(Grid("int", IntType(-127, 127), Array(1.0)), 2).clip
    i2[-1..1]
    """
    zero = grid.zero_point.data
    if bits == grid.clip.bits:
        return grid
    unsigned, narrow = grid.clip.lo == 0, grid.clip.lo == -grid.clip.hi
    top = (1 << bits) - 1 if unsigned else (1 << (bits - 1)) - 1
    clip = IntType(0 if unsigned else (-top if narrow else -top - 1), top)
    share = REACH.get(bits, 3.92) / REACH.get(grid.clip.bits, 3.92)
    scale = grid.scale.data * (grid.clip.hi - grid.clip.lo) / (clip.hi - clip.lo) * share
    moved = 2 * np.rint(zero / grid.clip.count * clip.count / 2)
    scale = scale.astype(np.float32).astype(np.float64)
    return replace(grid, clip=clip, scale=Array(scale), zero_point=Array(moved.astype(np.int64)))
