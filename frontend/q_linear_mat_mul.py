"""ONNX QLinearMatMul: a matrix product of codes; the second operand is constant."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.mat_mul import product
from gatesmith.frontend.q_operators import (
    centered,
    codes,
    requantized,
    scale_of,
    scaled,
    weight_scale,
    weights,
)
from gatesmith.frontend.quantizers import Reals
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("QLinearMatMul", inputs=8, since=10)
def convert(call: Call) -> Activation:
    """MatMul on whole numbers, Mul by the scales, Quantize."""
    x = codes(call)
    data = weights(call, 3, 5, axis=-1)
    w = matrix(call, x, data)
    real = centered(call, x, 2)
    y = product(call, real.node, call.const(w, call.node.input[3]))
    y = scaled(call, y, scale_of(call, 1), weight_scale(call, 4, data, axis=-1))
    return requantized(call, Activation(y, x.batched, real.kind), 6, 7, x.kind)


def matrix(call: Call, x: Activation, data: Reals) -> Reals:
    """Weights (in, out), without leading axes of extent 1."""
    if not x.frame:
        raise call.batch_error("sums over the batch axis")
    while data.ndim > 2 and data.shape[0] == 1 and data.ndim <= len(x.full):
        data = data[0]
    if data.ndim != 2:
        what = f"the weights of {call.node.op_type} have the shape {list(data.shape)}"
        raise call.error("shape", what, "one matrix is taken", "split it into one product each")
    return data
