"""Sums of products with constant weights, shared by MatMul and Conv.

    sum over i of W[i, o] * (a_i * n_i + b_i)  =  s_o * Dense(n)[o] + sum over i of W[i, o] * b_i

with W[i, o] * a_i = s_o * integer (quant/grid.py). Exact: a is taken out when it is the same for
all inputs, and multiplied into W before the grid is sought when it is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from gatesmith.errors import UserError
from gatesmith.ir import BIPOLAR, Array, Ints, IntType, Node, Reals
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.threshold import Threshold
from gatesmith.quant.form import Form, Rationals, Scale, numbered, rational, rationals
from gatesmith.quant.grid import MAX_BITS, integer_grid, rational_grid, weight_type
from gatesmith.quant.layout import per_channel, settled
from gatesmith.quant.rules import Context
from gatesmith.quant.whole import MOST_BITS, no_real_input, unit, whole

WIDER = 4
"""Bits that a fill may add to the input's type before other integers are preferred."""


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """Integer weights, and what the sums stand for.

    Attributes:
        weights: int64 (in, out).
        kind: Type of a weight.
        scale: Of each output.
        offset: Of each output.
    """

    weights: Ints
    kind: IntType
    scale: Rationals
    offset: Rationals

    @property
    def step(self) -> Scale:
        """From the integer sums to the real ones."""
        return Scale(self.scale, self.offset)


def quantized_input(ctx: Context, node: Node, form: Form) -> Form:
    """The input as an affine function of integers."""
    no_real_input(ctx, node, form)
    return whole(ctx, node, form)


def by_channel(ctx: Context, node: Node, form: Form, params: Rationals) -> Rationals:
    """Parameters of the last axis: a scalar, or one entry a channel."""
    codes, table = numbered(params)
    if len(table) == 1:
        return np.asarray(table[0], object).reshape(())
    codes = np.broadcast_to(codes, (*(1,) * (len(form.shape) - codes.ndim), *codes.shape))
    rows = codes.reshape(-1, codes.shape[-1])
    if not (rows == rows[0]).all() or codes.shape[-1] != form.shape[-1]:
        raise ctx.error(
            "quant.scale-per-position",
            "the scale of the input changes from position to position",
            node,
            "a layer with weights can take one scale an input channel, the same at every position",
            "give the quantizer before it one scale, or one scale a channel",
        )
    found: Rationals = table[rows[0]]
    return found


def products(ctx: Context, node: Node, weights: Reals, mul: Rationals, add: Rationals) -> Products:
    """Integer weights of a (in, out) matrix for inputs mul * n + add, scalars or one an input."""
    if mul.size == 1:
        found = integer_grid(weights)
    else:
        found = rational_grid(rationals(weights) * mul[:, None])
    if found is None and mul.size > 1 and integer_grid(weights) is not None:
        raise ctx.error(
            "quant.channel-scales",
            "the channels of the input have scales that no integer weights make up for",
            node,
            f"weights times scales lie on no integer grid of up to {MAX_BITS} bits",
            "quantize the input again, with one scale, for instance behind its Concat",
            "give what is concatenated one scale, or scales in small ratios",
        )
    if found is None:
        raise float_weights(ctx, node)
    integers, units = found
    scale: Rationals = np.array(units, object) * (mul.reshape(-1)[0] if mul.size == 1 else 1)
    return Products(integers, weight_type(integers), scale, _offsets(weights, add))


def bipolar_input(ctx: Context, form: Form) -> Form:
    """An input of two codes that meets bipolar weights: make it bipolar, so that it is an XNOR.

    a * n + b with n in {0, 1} is (a / 2) * m + (b + a / 2) with m in {-1, +1}.
    """
    base, step = form.base, form.affine()
    assert base is not None and step is not None
    if not isinstance(base.op, Threshold) or base.op.out != IntType(0, 1):
        return form
    key = ("bipolar", base)
    if key not in ctx.made:
        ctx.made[key] = replace(base, op=replace(base.op, out=BIPOLAR))
    half = np.asarray(step.mul / 2, object)
    return replace(form, base=ctx.made[key], steps=(Scale(half, step.add + half),))


def reloaded(ctx: Context, node: Node, found: Products) -> tuple[Products, bool]:
    """The products of the next layer, for any weights of a type where it can be reloaded."""
    names = (node.name, *node.origin[:1])
    try:
        kind = ctx.reloads.type_of(names, found.weights)
    except ValueError as error:
        raise ctx.error(
            "build.reloadable-bits",
            "the weights of this layer do not fit the type that they are reloaded in",
            node,
            str(error),
            "ask for more bits: --reloadable LAYER=BITS",
            "leave this layer out of --reloadable",
        ) from error
    return (found, False) if kind is None else (replace(found, kind=kind), True)


def _offsets(weights: Reals, add: Rationals) -> Rationals:
    """Sum over i of W[i, o] * b_i."""
    if not any(add.reshape(-1)):
        return rational(0)
    grid = integer_grid(weights) if add.size == 1 else None
    if grid is None:
        product = rationals(weights) * np.broadcast_to(add.reshape(-1, 1), weights.shape)
        total: Rationals = product.sum(axis=0)
        return total
    sums = [int(s) * u for s, u in zip(grid[0].sum(axis=0), grid[1], strict=True)]
    scaled: Rationals = np.array(sums, object) * add.reshape(-1)[0]
    return scaled


def float_weights(ctx: Context, node: Node) -> UserError:
    """The error of a layer whose weights lie on no grid."""
    return ctx.error(
        "quant.float-weights",
        "the weights of this layer are not quantized",
        node,
        f"they lie on no integer grid of up to {MAX_BITS} bits a channel",
        "quantize the network first: gatesmith quantize MODEL.onnx --data FILE -o OUT.onnx",
        "or train it with Brevitas or QKeras, or export QDQ",
    )


def filled(ctx: Context, node: Node, form: Form) -> tuple[Form, Ints]:
    """The form on integers of which one stands for the real zero, and that one, by channel."""
    pairs = _pairs(ctx, node, form)
    assert form.base is not None
    x = form.base.type.int_elem
    codes = [zero_code(mul, add) for mul, add in pairs]
    known = [code for code in codes if code is not None]
    wide = IntType(min([x.lo, *known]), max([x.hi, *known])).bits
    if len(known) == len(codes) and wide <= x.bits + WIDER:
        return form, np.array(known if len(set(known)) > 1 else known[:1], np.int64)
    return recentred(ctx, node, form), np.zeros(1, np.int64)


def recentred(ctx: Context, node: Node, form: Form) -> Form:
    """The form on integers that are 0 where the real value is."""
    pairs = _pairs(ctx, node, form)
    if len(pairs) > 1 and form.order is not None:
        form = settled(ctx, form)
        pairs = _pairs(ctx, node, form)
    if all(add == 0 for _, add in pairs):
        return form
    assert form.base is not None
    x = form.base.type.int_elem
    units = [unit([mul, add]) for mul, add in pairs]
    muls = [int(mul / u) for (mul, _), u in zip(pairs, units, strict=True)]
    adds = [int(add / u) for (_, add), u in zip(pairs, units, strict=True)]
    ends = [m * n + a for m, a in zip(muls, adds, strict=True) for n in (x.lo, x.hi)]
    out = IntType(min(ends), max(ends))
    if out.bits > MOST_BITS:
        raise ctx.error(
            "quant.zero-point",
            "no integer stands for the real zero",
            node,
            "scale and offset of its input have no small common measure",
            "quantize the input with an integer zero point",
        )
    base = ctx.node(f"{node.name}_in", Requantize(Array(muls), Array(adds), 0, out), (form.base,))
    scale: Rationals = np.array(units, object) if len(units) > 1 else rational(units[0])
    return replace(form, base=base, steps=(Scale(scale, rational(0)),))


def _pairs(ctx: Context, node: Node, form: Form) -> list[tuple[Fraction, Fraction]]:
    """Scale and offset of each channel, or one pair for all."""
    pairs = per_channel(form)
    if pairs is None:
        raise ctx.error(
            "quant.scale-per-position",
            "the scale of the input changes from position to position",
            node,
            "it needs an integer for the real zero, the same at every position",
            "give the quantizer before it one scale, or one scale a channel",
        )
    return pairs


def zero_code(mul: Fraction, add: Fraction) -> int | None:
    """The integer that stands for the real zero, if there is one."""
    if mul == 0:
        return 0 if add == 0 else None
    code = -add / mul
    return int(code) if code.denominator == 1 else None
