"""ONNX MatMulInteger: product of a - a_zero and b - b_zero, whole numbers of 32 bits."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.mat_mul import product
from gatesmith.frontend.q_linear_mat_mul import matrix
from gatesmith.frontend.q_operators import centered, centered_range, codes, int32, weights
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("MatMulInteger", inputs=(2, 4), since=10)
def convert(call: Call) -> Activation:
    """MatMul on whole numbers, Quantize to a type that holds every sum."""
    x = codes(call)
    w = matrix(call, x, weights(call, 1, 3, axis=-1))
    real = centered(call, x, 2)
    y = product(call, real.node, call.const(w, call.node.input[1]))
    result = Activation(y, x.batched, real.kind)
    return int32(call, result, centered_range(call, x, 2), w)
