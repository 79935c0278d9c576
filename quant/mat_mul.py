"""MatMul with a constant matrix: an integer Dense and an affine map behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatesmith.ir import BIPOLAR, Array, Ints, Node
from gatesmith.ops.const import Const
from gatesmith.ops.dense import Dense
from gatesmith.ops.mat_mul import MatMul
from gatesmith.quant.form import Form
from gatesmith.quant.grid import integer_grid
from gatesmith.quant.layout import reshape, settled
from gatesmith.quant.product import (
    bipolar_input,
    by_channel,
    products,
    quantized_input,
    reloaded,
)
from gatesmith.quant.rules import Argument, Context, constant, no_host, rule


@rule(MatMul)
def lower_mat_mul(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Dense on the base, then scale and offset of each output channel."""
    form, const = args
    if not isinstance(form, Form) or not isinstance(const, Node):
        raise ctx.error(
            "quant.two-streams",
            "MatMul of two computed values is not built",
            node,
            "a matrix-vector unit has constant weights; here both operands are computed",
            "end the model before this node",
        )
    no_host(ctx, node, form)
    weights = constant(const)
    form = quantized_input(ctx, node, form)
    step = form.affine()
    assert step is not None
    mul, add = (by_channel(ctx, node, form, params) for params in (step.mul, step.add))
    found, reloadable = reloaded(ctx, node, products(ctx, node, weights, mul, add))
    if found.kind == BIPOLAR:
        turned = bipolar_input(ctx, form)
        if turned is not form:
            form, step = turned, turned.affine()
            assert step is not None
            mul, add = (by_channel(ctx, node, form, params) for params in (step.mul, step.add))
            found = replace(products(ctx, node, weights, mul, add), kind=found.kind)
    form, integers = _in_vectors(ctx, form, found.weights)
    assert form.base is not None
    op = Dense(Array(integers.T), found.kind, reloadable=reloadable)
    dense = ctx.node(node.name, op, (form.base,))
    return Form(dense, node.type.shape).then(found.step)  # the base may have other axes


def quantized(node: Node) -> bool:
    """Whether the weights of a MatMul or Conv lie on a grid; asked also where its input failed."""
    const = node.args[1]
    if not isinstance(const.op, Const):
        return True
    weights = constant(const)
    return integer_grid(weights.reshape(-1, weights.shape[-1])) is not None


def _in_vectors(ctx: Context, form: Form, integers: Ints) -> tuple[Form, Ints]:
    """The base as vectors of the inputs; another order within one vector goes into the weights."""
    base, ins = form.base, form.shape[-1]
    assert base is not None
    one_vector = form.order is not None and base.type.size == ins == form.order.size
    if one_vector and form.order is not None and len(np.unique(form.order)) == ins:
        moved = np.empty_like(integers)
        moved[form.order] = integers
        return Form(reshape(ctx, base, (ins,)), (ins,)), moved
    if form.order is None and base.type.channels == ins:
        return form, integers
    shape = (ins,) if form.size == ins else form.shape
    return settled(ctx, form, shape), integers
