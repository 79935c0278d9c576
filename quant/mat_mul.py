"""MatMul with a constant matrix: an integer Dense and an affine map behind it.

    sum over i of W[i, o] * (a_i * n_i + b_i)  =  s_o * Dense(n)[o] + sum over i of W[i, o] * b_i

with W[i, o] * a_i = s_o * integer (quant/grid.py). Exact: a is taken out when it is the same for
all inputs, and multiplied into W before the grid is sought when it is not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatesmith.errors import UserError
from gatesmith.ir import BIPOLAR, Array, Ints, IntType, Node, Reals
from gatesmith.ops.const import Const
from gatesmith.ops.dense import Dense
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold
from gatesmith.quant.form import Form, Rationals, Scale, rational, rationals
from gatesmith.quant.grid import MAX_BITS, integer_grid, rational_grid, weight_type
from gatesmith.quant.rules import Argument, Context, constant, no_host, rule


@rule(MatMul)
def lower_mat_mul(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Dense on the base, then scale and offset of each output channel."""
    form, const = args
    assert isinstance(form, Form) and isinstance(const, Node)
    no_host(ctx, node, form)
    weights = constant(const)
    mul, add = _affine(ctx, node, form)
    assert form.base is not None
    if mul.size == 1:
        found = integer_grid(weights)
    else:
        found = rational_grid(rationals(weights) * mul[:, None])
    if found is None:
        raise float_weights(ctx, node)
    integers, units = found
    kind = weight_type(integers)
    if kind == BIPOLAR:
        base, mul, add = _bipolar(form.base, mul, add)
        form = replace(form, base=base)
    base = _in_vectors(ctx, node, form)
    scales: Rationals = np.array(units, object) * (mul.reshape(-1)[0] if mul.size == 1 else 1)
    offsets = _offsets(weights, add)
    op = Dense(Array(_in_stream_order(form, integers).T), kind)
    dense = ctx.node(node.name, op, (base,))
    return Form(dense, dense.type.shape).then(Scale(scales, offsets))


def quantized(node: Node) -> bool:
    """Whether the constant matrix of a MatMul lies on a grid; asked also where its input failed."""
    const = node.args[1]
    return not isinstance(const.op, Const) or integer_grid(constant(const)) is not None


def _affine(ctx: Context, node: Node, form: Form) -> tuple[Rationals, Rationals]:
    """Scale and offset of the inputs: scalars, or one entry an input."""
    if form.base is None:
        raise ctx.error(
            "quant.real-input",
            "the model's input is real and meets a matrix product before any quantizer",
            node,
            "hardware needs to know which integers arrive on the stream and what they stand for",
            "say it: --input TYPE:SCALE[:ZERO], for raw pixels --input u8:1/255",
            "quantize the model's input when training it",
        )
    scale = form.affine()
    if scale is None:
        raise ctx.error(
            "quant.missing-quantizer",
            "no quantizer between an activation and this matrix product",
            node,
            "its input is a real number that no integer stands for",
            "quantize the network first, with a quantizer behind each activation: train it with "
            "Brevitas or QKeras, or export QDQ",
        )
    mul, add = scale.mul, scale.add
    return _per_input(ctx, node, form, mul), _per_input(ctx, node, form, add)


def _per_input(ctx: Context, node: Node, form: Form, params: Rationals) -> Rationals:
    if params.size == 1:
        return params.reshape(())
    rows = np.broadcast_to(params, form.shape).reshape(-1, form.shape[-1])
    if not (rows == rows[0]).all():
        raise ctx.error(
            "quant.scale-per-position",
            "the scale of the input changes from position to position",
            node,
            "a matrix product can take one scale an input channel, the same at every position",
            "give the quantizer before it one scale, or one scale a channel",
        )
    first: Rationals = rows[0]
    return first.reshape(()) if (first == first[0]).all() and first.size == 1 else first


def _in_vectors(ctx: Context, node: Node, form: Form) -> Node:
    """The base as vectors of the inputs; refuses an order that crosses vectors."""
    assert form.base is not None
    ins = form.shape[-1]
    if form.order is not None and form.base.type.size != ins:
        raise ctx.error(
            "quant.transpose",
            "a transpose moves elements between the vectors of this matrix product",
            node,
            f"only one vector of {ins} a frame can be taken in another order; here are "
            f"{form.base.type.size // ins}",
            "remove the transpose, or flatten before the matrix product",
        )
    if form.base.type.channels == ins:
        return form.base
    shape = (ins,) if form.base.type.size == ins else form.shape
    return ctx.node(f"{form.base.name}_flat", Reshape(shape), (form.base,))


def _in_stream_order(form: Form, integers: Ints) -> Ints:
    """Rows of the (in, out) matrix in the order in which the base's elements arrive."""
    if form.order is None:
        return integers
    moved = np.empty_like(integers)
    moved[form.order] = integers
    return moved


def _bipolar(base: Node, mul: Rationals, add: Rationals) -> tuple[Node, Rationals, Rationals]:
    """An input of two codes meets bipolar weights: make it bipolar, so that it is an XNOR.

    a * n + b with n in {0, 1} is (a / 2) * m + (b + a / 2) with m in {-1, +1}.
    """
    if not isinstance(base.op, Threshold) or base.op.out != IntType(0, 1):
        return base, mul, add
    half = np.asarray(mul / 2, object)
    return replace(base, op=replace(base.op, out=BIPOLAR)), half, np.asarray(add + half, object)


def _offsets(weights: Reals, add: Rationals) -> Rationals:
    """Sum over i of W[i, o] * b_i."""
    if not any(add.reshape(-1)):
        return rational(0)
    grid = integer_grid(weights) if add.size == 1 else None
    if grid is None:
        product = rationals(weights) * add.reshape(-1, 1)
        total: Rationals = product.sum(axis=0)
        return total
    sums = [int(s) * u for s, u in zip(grid[0].sum(axis=0), grid[1], strict=True)]
    scaled: Rationals = np.array(sums, object) * add.reshape(-1)[0]
    return scaled


def float_weights(ctx: Context, node: Node) -> UserError:
    """The error of a matrix product whose weights lie on no grid."""
    return ctx.error(
        "quant.float-weights",
        "the weights of this matrix product are not quantized",
        node,
        f"they lie on no integer grid of up to {MAX_BITS} bits a channel",
        "quantize the network first: train it with Brevitas or QKeras, or export QDQ",
    )
