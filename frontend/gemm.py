"""ONNX Gemm: alpha * A' @ B' + beta * C, of a computed A and a constant B."""

from __future__ import annotations

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.frames import align
from gatesmith.frontend.mat_mul import product, require_weights
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import Activation, Constant
from gatesmith.ops.add import Add
from gatesmith.ops.mul import Mul


@converter(
    "Gemm",
    inputs=(2, 3),
    attributes=(
        Attribute("alpha", "float", 1.0),
        Attribute("beta", "float", 1.0),
        Attribute("transA", "int", 0),
        Attribute("transB", "int", 0),
    ),
    since=7,
)
def convert(call: Call) -> Activation:
    """MatMul, Mul by alpha where it is not 1, Add of beta * C where there is one.

    alpha is not folded into the weights: quantized weights stay a scale times integers.
    """
    require_weights(call)
    x = call.real_activation(0)
    weights = call.constant(1, "the weights")
    if len(x.full) != 2 or weights.ndim != 2:
        what = f"Gemm of shapes {list(x.full)} and {list(weights.shape)}"
        raise call.error("shape", what, "both must be matrices", "use MatMul, or Flatten before")
    node = x.node
    if call.flag("transA"):
        if x.batched:
            raise call.batch_error("transposes its data (transA 1)")
        node = call.transpose(node, (1, 0))
    if call.flag("transB"):
        weights = weights.T
    y = product(call, node, call.const(weights, call.node.input[1]))
    if call.real("alpha") != 1.0:
        y = call.emit(Mul(), y, call.const(call.real("alpha"), "alpha"), suffix="_alpha")
    result = Activation(y, x.batched, call.float_kind())
    return _bias(call, result) if call.has(2) and call.real("beta") != 0.0 else result


def _bias(call: Call, y: Activation) -> Activation:
    """Add beta * C; C broadcasts to the product and never the other way round."""
    c, beta = call.value(2), call.real("beta")
    if isinstance(c, Constant):
        c = Constant(as_float(call.constant(2, "the bias")) * beta, c.kind, c.name)
    elif beta != 1.0:
        scaled = call.emit(Mul(), c.node, call.const(beta, "beta"), suffix="_beta")
        c = Activation(scaled, c.batched, c.kind)
    (a, b), batched = align(call, (y, c))
    total = call.emit(Add(), a, b, suffix="_bias")
    if batched != y.batched or total.type.shape != y.frame:
        what = f"the bias of Gemm has the shape {list(c.full)}"
        raise call.error("shape", what, f"the product is {list(y.full)}", "export again")
    return Activation(total, batched, y.kind)
