"""Scales that learn.

They are ``start * 2 ** p`` with p trained, from 0: steps of an optimizer are then relative to the
scale, whatever its size, and it stays above 0. Where all scales of a grid are powers of two, they
stay so: p is rounded, straight through.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gatesmith.ir import Array
from gatesmith.quant.train.straight import through


class Scale(nn.Module):
    """Positive float32 numbers.

    Args:
        start: float64, float32 numbers above 0; broadcasts to the value.
        learns: Whether there is a parameter.
    """

    start: Tensor

    def __init__(self, start: Array, learns: bool) -> None:
        super().__init__()
        self.register_buffer("start", torch.tensor(start.data, dtype=torch.float32))
        mantissa, _ = np.frexp(start.data)
        self.pow2 = bool((mantissa == 0.5).all())
        spread = [_runs(start.data, axis) for axis in range(start.data.ndim)]
        self._grouped = [a for a, index in enumerate(spread) if index[-1] + 1 < len(index)]
        for axis in self._grouped:
            self.register_buffer(f"run{axis}", torch.tensor(spread[axis]), persistent=False)
        self.p: nn.Parameter | None = None
        if learns:
            shape = [int(index[-1]) + 1 for index in spread]
            self.p = nn.Parameter(torch.zeros(shape))

    def forward(self) -> Tensor:
        """float32, of the shape of ``start``."""
        if self.p is None:
            return self.start
        p: Tensor = through(self.p.round(), self.p) if self.pow2 else self.p
        for axis in self._grouped:
            p = p.index_select(axis, self.get_buffer(f"run{axis}"))
        return self.start * torch.exp2(p)


def _runs(scale: NDArray[np.float64], axis: int) -> NDArray[Any]:
    """The run of equal slices that each slice along an axis is in: groups of inputs.

    The last axis, output channels, is taken as it is.
    """
    size = scale.shape[axis]
    if axis == scale.ndim - 1:
        return np.arange(size)
    rows = np.moveaxis(scale, axis, 0).reshape(size, -1)
    return np.concatenate([[0], np.cumsum((rows[1:] != rows[:-1]).any(axis=1))])
