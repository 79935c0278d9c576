"""Shared by the element-wise operators: NumPy broadcasting of frame shapes."""

from __future__ import annotations

import numpy as np

from gatesmith.ir import Real, TensorType


def broadcast(*args: TensorType) -> TensorType:
    """Real type of the broadcast of ``args``; ValueError when the shapes do not fit."""
    for arg in args:
        if not isinstance(arg.elem, Real):
            raise ValueError(f"expected a real operand, not {arg}")
    return TensorType(tuple(np.broadcast_shapes(*(arg.shape for arg in args))), Real())
