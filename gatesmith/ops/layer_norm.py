"""LayerNorm: y = (x - mean) / sqrt(variance + epsilon) over the last axis, on reals.

Mean and (biased) variance are those of each vector of channels. Scale and bias are a Mul and an
Add behind. Source: ONNX LayerNormalization-17; Ba, Kiros, Hinton, arXiv:1607.06450, equation 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class LayerNorm(Op):
    """Each vector of the last axis to mean 0 and variance 1.

    Attributes:
        epsilon: Added to the variance; above 0.

    >>> LayerNorm(1.0).run(np.array([[0.0, 2.0 * np.sqrt(3.0)]])).round(3)
    array([[-0.866,  0.866]])
    """

    epsilon: float

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < np.inf:
            raise ValueError(f"epsilon must be above 0, not {self.epsilon}")

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, real."""
        (x,) = args
        if not x.shape:
            raise ValueError("a scalar has no vectors")
        return broadcast(x)

    def run(self, *args: Values) -> Values:
        """float64, in two passes: the variance is that of the centred values."""
        (x,) = args
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        y: Values = centred / np.sqrt(variance + self.epsilon)
        return y
