"""Operators that onnx.reference evaluates wrongly, or not at all, in older opsets.

1. BatchNormalization before opset 14: it takes the statistics of the batch.
2. QuantizeLinear and DequantizeLinear before opset 19: it has none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun


class BatchNormalization(OpRun):
    """Inference form, gamma * (x - mean) / sqrt(var + epsilon) + beta, in float32."""

    def _run(
        self,
        *args: NDArray[np.float32],
        epsilon: float | None = None,
        momentum: float | None = None,
        spatial: int | None = None,
        training_mode: int | None = None,
    ) -> tuple[NDArray[np.float32]]:
        x, *rest = args
        column = (-1,) + (1,) * (x.ndim - 2)
        scale, bias, mean, var = (array.reshape(column) for array in rest)
        root = np.sqrt(var + np.float32(1e-5 if epsilon is None else epsilon))
        return ((x - mean) / root * scale + bias,)


class QuantizeLinear(OpRun):
    """Opset 10, 13: clamp(rint(x / scale) + zero point); uint8 without a zero point."""

    def _run(
        self,
        x: NDArray[np.float32],
        scale: NDArray[np.float32],
        zero: NDArray[Any] | None = None,
        axis: int | None = None,
        **newer: object,  # attributes of later opsets, None here
    ) -> tuple[NDArray[Any]]:
        kind = np.dtype(np.uint8) if zero is None else zero.dtype
        limits = np.iinfo(kind)
        code = np.rint(x / _along(scale, x.ndim, axis))
        if zero is not None:
            code = code + _along(zero, x.ndim, axis).astype(np.float32)
        return (code.clip(limits.min, limits.max).astype(kind),)


class DequantizeLinear(OpRun):
    """Opset 10, 13: (x - zero point) * scale, in float32."""

    def _run(
        self,
        x: NDArray[Any],
        scale: NDArray[np.float32],
        zero: NDArray[Any] | None = None,
        axis: int | None = None,
        **newer: object,  # attributes of later opsets, None here
    ) -> tuple[NDArray[np.float32]]:
        difference = x.astype(np.int64)
        if zero is not None:
            difference = difference - _along(zero, x.ndim, axis).astype(np.int64)
        return (difference.astype(np.float32) * _along(scale, x.ndim, axis),)


def _along(parameter: NDArray[Any], rank: int, axis: int | None) -> NDArray[Any]:
    """One element, or one for each position along ``axis``, shaped to broadcast."""
    if parameter.size == 1:
        return parameter.reshape(())
    shape = [1] * rank
    shape[1 if axis is None else axis] = parameter.size
    return parameter.reshape(shape)


def replacements(opset: int) -> list[type[OpRun]]:
    """Operators to use instead of onnx.reference's own."""
    linear = [QuantizeLinear, DequantizeLinear] if opset < 19 else []
    return [BatchNormalization, *linear]
