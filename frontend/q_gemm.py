"""onnxruntime's QGemm: alpha * a_scale * b_scale * (A' @ B' + C) of codes, quantized or not."""

from __future__ import annotations

from gatesmith.frontend.call import Call, as_float
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
from gatesmith.frontend.registry import MICROSOFT, Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node
from gatesmith.ops.add import Add
from gatesmith.ops.mul import Mul


@converter(
    "QGemm",
    domain=MICROSOFT,
    inputs=(6, 9),
    attributes=(
        Attribute("alpha", "float", 1.0),
        Attribute("transA", "int", 0),
        Attribute("transB", "int", 0),
    ),
)
def convert(call: Call) -> Activation:
    """MatMul and Add on whole numbers, Mul by the scales and by alpha, Quantize.

    C is int32, of the scale of the product. Without y_scale the result is real.
    """
    x = codes(call)
    turned = call.flag("transB")
    w = weights(call, 3, 5, axis=0 if turned else -1)
    if len(x.full) != 2 or w.ndim != 2:
        what = f"QGemm of shapes {list(x.full)} and {list(w.shape)}"
        raise call.error("shape", what, "both must be matrices", "use QLinearMatMul")
    real = centered(call, x, 2)
    node = real.node
    if call.flag("transA"):
        if x.batched:
            raise call.batch_error("transposes its data (transA 1)")
        node = call.transpose(node, (1, 0))
    y = product(call, node, call.const(w.T if turned else w, call.node.input[3]))
    y = _bias(call, y) if call.has(6) else y
    y = scaled(call, y, scale_of(call, 1), weight_scale(call, 4, w, axis=0 if turned else -1))
    if call.real("alpha") != 1.0:
        y = call.emit(Mul(), y, call.const(call.real("alpha"), "alpha"), suffix="_alpha")
    result = Activation(y, x.batched, real.kind)
    return requantized(call, result, 7, 8, x.kind) if call.has(7) else result


def _bias(call: Call, y: Node) -> Node:
    """C broadcasts to the product: one number, or one a column."""
    c = as_float(call.constant(6, "the bias"))
    columns = y.type.channels
    if c.size not in (1, columns) or (c.ndim and max(c.shape) != c.size):
        what = f"the bias of QGemm has the shape {list(c.shape)}"
        raise call.error("shape", what, f"it must be ({columns},)", "export again")
    return call.emit(Add(), y, call.const(c.reshape(-1), call.node.input[6]), suffix="_bias")
