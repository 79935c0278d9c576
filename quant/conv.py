"""Conv: a sliding window of integers before a Dense, or a Depthwise.

Padding is the real zero. Where an integer stands for it, windows are filled with that integer and
the sums need no notion of position. Where none does (a scale and an offset that do not divide), the
input goes onto a finer grid first, on which zero is 0.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from gatesmith.ir import BIPOLAR, Array, Ints, Node, Reals
from gatesmith.ops.conv import Conv
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.window import Window
from gatesmith.quant.form import Form, Rationals, Scale, rational
from gatesmith.quant.grid import weight_type
from gatesmith.quant.layout import settled
from gatesmith.quant.product import (
    Products,
    bipolar_input,
    by_channel,
    filled,
    products,
    quantized_input,
    reloaded,
)
from gatesmith.quant.rules import Argument, Context, constant, no_host, rule


@rule(Conv)
def lower_conv(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Window and Dense, or Depthwise, then scale and offset of each output channel."""
    form, const = args
    assert isinstance(const, Node)
    if not isinstance(form, Form):
        raise ctx.error(
            "quant.constant-stream",
            "a convolution of a constant",
            node,
            "its input does not depend on the input of the model",
            "fold the constant part of the model",
        )
    no_host(ctx, node, form)
    op = cast(Conv, node.op)
    weights = constant(const)
    form = settled(ctx, quantized_input(ctx, node, form))
    channels, outs = form.shape[-1], weights.shape[3]
    depthwise = op.group == channels == outs and channels > 1
    plain = products(ctx, node, _matrix(weights), *_scalars())
    if depthwise:
        _refuse_reload(ctx, node)
    reloadable = False
    if not depthwise:
        plain, reloadable = reloaded(ctx, node, plain)
    if plain.kind == BIPOLAR:
        form = bipolar_input(ctx, form)
    fill = np.zeros(1, np.int64)
    if any(op.pads):
        form, fill = filled(ctx, node, form)
    step = form.affine()
    assert step is not None and form.base is not None
    mul, add = (by_channel(ctx, node, form, params) for params in (step.mul, step.add))
    if depthwise:
        return _depthwise(ctx, node, form, fill, (mul, add))
    base = _windows(ctx, node, form.base, fill, (weights.shape[0], weights.shape[1]))
    found = _grouped(ctx, node, weights, (mul, add))
    kind = plain.kind if reloadable else found.kind
    if reloadable and not kind.contains(found.weights):
        raise ctx.error(
            "build.reloadable-bits",
            "the weights of this layer do not fit the type that they are reloaded in",
            node,
            f"with the scales of its input they are {int(found.weights.min())} to"
            f" {int(found.weights.max())}, not {kind}",
            "ask for more bits: --reloadable LAYER=BITS",
            "leave this layer out of --reloadable",
        )
    dense = Dense(Array(found.weights.T), kind, op.group, reloadable)
    result = ctx.node(node.name, dense, (base,))
    return Form(result, result.type.shape).then(found.step)


def _refuse_reload(ctx: Context, node: Node) -> None:
    """A depthwise layer that was named is an error; one that was meant among others, a note."""
    wish = ctx.reloads.wish((node.name, *node.origin[:1]))
    if wish is None:
        return
    if wish.names_many:
        ctx.notes.append(f"{node.name} is not reloadable: a depthwise convolution")
        return
    raise ctx.error(
        "build.reloadable-unit",
        f"{node.name} cannot be reloaded",
        node,
        "it is a depthwise convolution, whose unit has no memory that can be written",
        "leave this layer out of --reloadable",
    )


def _scalars() -> tuple[Rationals, Rationals]:
    return rational(1), rational(0)


def _matrix(weights: Reals) -> Reals:
    """(kh, kw, in, out) as (kh * kw * in, out)."""
    return weights.reshape(-1, weights.shape[3])


def _depthwise(
    ctx: Context, node: Node, form: Form, fill: Ints, step: tuple[Rationals, Rationals]
) -> Form:
    """A weighted sum for each channel, whose own scale comes out of the sum."""
    op, weights = cast(Conv, node.op), constant(node.args[1])
    assert form.base is not None
    found = products(ctx, node, _matrix(weights), *_scalars())
    kernel = (weights.shape[0], weights.shape[1])
    integers, kind = Array(found.weights), found.kind
    sums = [int(v) for v in found.weights.sum(axis=0)]
    mul, add = (np.broadcast_to(params, found.scale.shape) for params in step)
    depthwise = Depthwise(kernel, op.strides, op.pads, op.dilations, Array(fill), integers, kind)
    result = ctx.node(node.name, depthwise, (form.base,))
    scale = Scale(found.scale * mul, found.scale * np.array(sums, object) * add)
    return Form(result, result.type.shape).then(scale)


def _windows(ctx: Context, node: Node, base: Node, fill: Ints, kernel: tuple[int, int]) -> Node:
    """The windows of a convolution; the base itself where they are single pixels."""
    op = cast(Conv, node.op)
    if kernel == (1, 1) and op.strides == (1, 1) and not any(op.pads):
        return base
    window = Window(kernel, op.strides, op.pads, op.dilations, Array(fill), op.group)
    key = ("window", base, window)
    if key not in ctx.made:
        ctx.made[key] = ctx.node(f"{node.name}_window", window, (base,))
    return ctx.made[key]


def _grouped(
    ctx: Context, node: Node, weights: Reals, step: tuple[Rationals, Rationals]
) -> Products:
    """Weights of every group: each sees its own input channels."""
    (mul, add), group = step, cast(Conv, node.op).group
    taps, per_group = weights.shape[0] * weights.shape[1], weights.shape[2]
    if mul.size == 1 and add.size == 1:
        return products(ctx, node, _matrix(weights), mul, add)
    found = []
    outs = weights.shape[3] // group
    for g in range(group):
        mine = [
            p if p.size == 1 else np.tile(p[g * per_group :][:per_group], taps) for p in (mul, add)
        ]
        part = weights[..., g * outs : (g + 1) * outs]
        found.append(products(ctx, node, _matrix(part), mine[0], mine[1]))
    integers = np.concatenate([part.weights for part in found], axis=1)
    scale = np.concatenate([np.broadcast_to(part.scale, (outs,)) for part in found])
    offset = np.concatenate([np.broadcast_to(part.offset, (outs,)) for part in found])
    return Products(integers, weight_type(integers), scale, offset)
