"""ONNX MatMul of a computed value and a constant matrix."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation, Constant
from gatesmith.ir import Node
from gatesmith.ops.mat_mul import MatMul


@converter("MatMul", inputs=2)
def convert(call: Call) -> Activation:
    """Product over the last axis; a vector w takes that axis away."""
    require_weights(call)
    x = call.real_activation(0)
    data = call.constant(1, "the weights")
    if len(x.frame) == 0:
        raise call.batch_error("sums over the batch axis")
    while data.ndim > 2 and data.shape[0] == 1 and data.ndim <= len(x.full):
        data = data[0]
    if not 1 <= data.ndim <= 2:
        what = f"the weights of MatMul have the shape {list(data.shape)}"
        raise call.error("shape", what, "one matrix is taken", "split it into one MatMul each")
    matrix = data[:, None] if data.ndim == 1 else data
    y = product(call, x.node, call.const(matrix, call.node.input[1]))
    if data.ndim == 1:
        y = call.reshape(y, y.type.shape[:-1])
    return Activation(y, x.batched, call.float_kind())


def product(call: Call, x: Node, w: Node) -> Node:
    """The IR node."""
    return call.emit(MatMul(), x, w)


def require_weights(call: Call) -> None:
    """The second operand of a matrix product must be the constant one."""
    a, b = call.value(0), call.value(1)
    if isinstance(b, Constant):
        return
    if isinstance(a, Constant):
        raise call.error(
            "constant-left",
            f"{call.node.op_type} has its constant {a.name!r} on the left",
            "a frame is a row, and a layer is row times matrix: x @ w",
            "write it as x @ transpose(w)",
        )
    raise call.error(
        "two-activations",
        f"{call.node.op_type} multiplies two values that the network computes",
        "the matrix-vector unit holds one operand as weights",
        "keep attention and other products of activations in software",
        "or make one of the two an initializer",
    )
