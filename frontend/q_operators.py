"""Shared by the operators that read and make codes: QLinearConv, QGemm, ConvInteger, ...

Each is Dequantize, an operator on reals, Quantize:

    y = clamp(round(real(x) / y_scale) + y_zero),  real(x) = x_scale * (x - x_zero)

Where products are summed, the scales are taken out of the sum: it is over whole numbers x - x_zero
and w - w_zero, plus the int32 bias, times x_scale * w_scale. That product of two float32 is exact
in float64; an int32 times it would not be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.quantizers import (
    Reals,
    dequantize,
    dequantized_constant,
    linear_quantizer,
    positive_scale,
    quantizer,
)
from gatesmith.frontend.values import INT_BITS, Activation, Constant, T, exact_product, kind_name
from gatesmith.ir import Array, IntType, Node
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.mul import Mul
from gatesmith.ops.quantize import Quantize

INT32 = IntType(-(2**31), 2**31 - 1)


def codes(call: Call, index: int = 0) -> Activation:
    """A computed operand that holds integers."""
    x = call.activation(index)
    if isinstance(x.node.type.elem, IntType):
        return x
    what = f"{call.node.op_type} reads reals, {x.node.name} of type {x.node.type}"
    raise call.error("element-type", what, "it works on integers", "put QuantizeLinear before it")


def one(call: Call, data: Reals, role: str) -> Reals:
    """A parameter of a whole tensor, as a scalar."""
    if data.size != 1:
        raise call.error(
            "shape",
            f"{role} of {call.node.op_type} has the shape {list(data.shape)}",
            "it must be one number for the whole tensor; one a channel is taken for weights only",
            "quantize activations per tensor",
        )
    return data.reshape(())


def scale_of(call: Call, index: int) -> Reals:
    """Scale of an activation."""
    return one(call, positive_scale(call, index), "the scale")


def zero_of(call: Call, index: int) -> Reals:
    """Zero point of an activation; 0 when it is absent."""
    if not call.has(index):
        return np.zeros(())
    return one(call, as_float(call.constant(index, "the zero point")), "the zero point")


def real(call: Call, data: int, scale: int, zero: int) -> Activation | Constant:
    """What an operand stands for; the arguments are indices of inputs."""
    s, z = scale_of(call, scale), zero_of(call, zero)
    value = call.value(data)
    if isinstance(value, Constant):
        _must_be_integers(call, value)
        return dequantized_constant(call, value.data, s, z, int(T.FLOAT))
    return real_activation(call, data, scale, zero)


def real_activation(call: Call, data: int, scale: int, zero: int) -> Activation:
    """The same, of an operand that must be computed."""
    x, s, z = codes(call, data), scale_of(call, scale), zero_of(call, zero)
    return Activation(dequantize(call, x, x.node, s, z), x.batched, int(T.FLOAT))


def centered(call: Call, x: Activation, zero: int) -> Activation:
    """``x - zero`` as reals; ``zero`` is the index of an input."""
    offset = 0.0 - zero_of(call, zero)
    node = call.emit(Dequantize(Array(1.0), Array(offset)), x.node, suffix="_centered")
    return Activation(node, x.batched, int(T.FLOAT))


def weights(call: Call, index: int, zero: int, axis: int) -> Reals:
    """Constant codes less their zero point, one for the tensor or one a channel of ``axis``."""
    value = call.value(index)
    data = as_float(call.constant(index, "the weights"))
    assert isinstance(value, Constant), "call.constant refuses anything else"
    _must_be_integers(call, value)
    if not call.has(zero):
        return data
    offset = as_float(call.constant(zero, "the zero point of the weights"))
    return data - _channels(call, offset, data, axis, "zero point")


def weight_scale(call: Call, index: int, data: Reals, axis: int) -> Reals:
    """Scale of the weights: a scalar, or (channels,)."""
    scale = positive_scale(call, index)
    return _channels(call, scale, data, axis, "scale").reshape(-1) if scale.size > 1 else one(
        call, scale, "the scale"
    )  # fmt: skip


def _channels(call: Call, found: Reals, data: Reals, axis: int, role: str) -> Reals:
    """One value, or one a channel, shaped to broadcast over the weights."""
    if found.size == 1:
        return found.reshape(())
    extent = data.shape[axis] if data.ndim else 1
    if found.size != extent or max(found.shape) != extent:
        what = f"the {role} of the weights of {call.node.op_type} has the shape {list(found.shape)}"
        why = f"it must be one number, or one for each of {extent} output channels"
        raise call.error("shape", what, why, "export again")
    return found.reshape([extent if a == axis % data.ndim else 1 for a in range(data.ndim)])


def _must_be_integers(call: Call, value: Constant) -> None:
    if value.kind not in INT_BITS:
        what = f"{value.name!r}, an operand of {call.node.op_type}, is {kind_name(value.kind)}"
        raise call.error("element-type", what, "it must hold integers", "export again")


def scaled(call: Call, y: Node, x_scale: Reals, w_scale: Reals) -> Node:
    """``y`` times both scales, which have one element or one for each of the last axis."""
    factor, exact = exact_product(x_scale, w_scale)
    if not exact:
        what = f"the scales of {call.node.op_type} cannot be multiplied exactly"
        why = "their product needs more than the 53 bits of float64"
        raise call.error("inexact-constant", what, why, "store the scales as FLOAT")
    return call.emit(Mul(), y, call.const(factor, "scale"), suffix="_scale")


def requantized(call: Call, y: Activation, scale: int, zero: int, kind: int) -> Activation:
    """Codes of a real; ``scale`` and ``zero`` are indices of inputs.

    Args:
        call: The node.
        y: The real.
        scale: Input that is the scale.
        zero: Input that is the zero point; its element type is that of the codes.
        kind: Element type of the codes where there is no zero point.
    """
    kind = call.kind(zero) if call.has(zero) else kind
    op = linear_quantizer(call, scale_of(call, scale), zero_of(call, zero), kind)
    return Activation(
        call.emit(quantizer(call, y, op), y.node, suffix="_quantize"), y.batched, kind
    )


def int32(call: Call, y: Activation, x: IntType, w: NDArray[Any]) -> Activation:
    """Whole sums of products as integers.

    Args:
        call: The node.
        y: The sums, as reals.
        x: Range of the data less its zero point.
        w: Weights less their zero point, (terms, channels).
    """
    lo, hi = min(x.lo, 0), max(x.hi, 0)  # padding is 0
    up, down = np.maximum(w, 0).sum(axis=0), np.minimum(w, 0).sum(axis=0)
    clip = IntType(int((up * lo + down * hi).min()), int((up * hi + down * lo).max()))
    if clip.lo < INT32.lo or clip.hi > INT32.hi:
        what = f"the sums of {call.node.op_type} reach {clip.lo}..{clip.hi}"
        raise call.error("element-type", what, "an INT32 would wrap around", "use fewer inputs")
    op = Quantize(Array(1.0), Array(0.0), clip)
    return Activation(call.emit(op, y.node, suffix="_int32"), y.batched, int(T.INT32))


def centered_range(call: Call, x: Activation, zero: int) -> IntType:
    """Range of ``x - zero``."""
    elem, z = x.node.type.int_elem, int(zero_of(call, zero))
    return IntType(elem.lo - z, elem.hi - z)
