"""TopK and ArgMax: on integers that are ordered as the real values are.

one scale, one offset          the integers themselves
one scale, offsets by channel  key = (n + floor(r)) * R + rank of frac(r), r = offset / scale:
                               exact, because integers differ by one and fractions by less
scales by channel              key = n * A_c + B_c, the least integers in that proportion
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

from gatesmith.ir import Array, IntType, Node
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.top_k import TopK
from gatesmith.quant.form import Form
from gatesmith.quant.layout import settled
from gatesmith.quant.order_keys import order_keys
from gatesmith.quant.rules import Argument, Context, rule


@rule(TopK)
def lower_top_k(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """TopK of integer keys; a Softmax before it changes nothing."""
    (form,) = args
    assert isinstance(form, Form)
    base, largest = _keys(ctx, node, form)
    op = cast(TopK, node.op)
    op = replace(op, largest=op.largest == largest)
    result = ctx.node(node.name, op, (base,))
    return Form(result, node.type.shape)


def _keys(ctx: Context, node: Node, form: Form) -> tuple[Node, bool]:
    """Integer node ordered as the form is, and whether it is so upwards."""
    if form.order is not None and form.base is not None:
        form = settled(ctx, form)
    scale = form.affine()
    channels = form.shape[-1] if form.shape else 1
    plain = form.base is not None and form.order is None and form.base.type.channels == channels
    if scale is None or not plain:
        raise ctx.error(
            "quant.top-k-input",
            f"no integers to compare for {type(node.op).__name__}",
            node,
            "its input is neither a quantized value nor a scaled and shifted accumulator with one "
            "channel vector after another",
            "put a quantizer before it",
        )
    assert form.base is not None
    params = form.channel_chains()
    if params is None or len(params) not in (1, channels):
        raise ctx.error(
            "quant.scale-per-position",
            "the scale of the input changes from position to position",
            node,
            "channels can be compared under one scale each, the same at every position",
            "put a quantizer before it",
        )
    pairs = [chain[0][1:] if chain else (Fraction(1), Fraction(0)) for chain, _ in params]
    if len(pairs) == 1 and pairs[0][0] != 0:
        return form.base, pairs[0][0] > 0
    x = form.base.type.int_elem
    keys = order_keys(pairs * (channels if len(pairs) == 1 else 1), x)
    if keys is None:
        raise ctx.error(
            "quant.top-k-keys",
            "the channels' scales have no small common measure",
            node,
            "no integer keys of up to 56 bits are proven to keep the order of the real values",
            "give all channels one scale, or put a quantizer before it",
        )
    mul, add = keys
    ends = [m * n + a for m, a in zip(mul, add, strict=True) for n in (x.lo, x.hi)]
    op = Requantize(Array(mul), Array(add), 0, IntType(min(ends), max(ends)))
    return ctx.node(f"{node.name}_key", op, (form.base,)), True
