"""TopK and ArgMax: on integers that are ordered as the real values are.

one scale, one offset          the integers themselves
one scale, offsets by channel  key = (n + floor(r)) * R + rank of frac(r), r = offset / scale:
                               exact, because integers differ by one and fractions by less
scales by channel              key = n * A_c + B_c, the least integers in that proportion
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import floor, gcd, lcm
from typing import cast

from gatesmith.ir import Array, IntType, Node
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.top_k import TopK
from gatesmith.quant.form import Form
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
    if len(params) not in (1, channels):
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
    mul, add = _proportion(pairs * (channels if len(pairs) == 1 else 1))
    x = form.base.type.int_elem
    ends = [m * n + a for m, a in zip(mul, add, strict=True) for n in (x.lo, x.hi)]
    if IntType(min(ends), max(ends)).bits > 62:
        raise ctx.error(
            "quant.top-k-keys",
            "the channels' scales have no small common measure",
            node,
            f"exact comparison needs {IntType(min(ends), max(ends)).bits} bits",
            "give all channels one scale, or put a quantizer before it",
        )
    op = Requantize(Array(mul), Array(add), 0, IntType(min(ends), max(ends)))
    return ctx.node(f"{node.name}_key", op, (form.base,)), True


def _proportion(pairs: list[tuple[Fraction, Fraction]]) -> tuple[list[int], list[int]]:
    """Integers (A_c, B_c) such that A_c * n + B_c is ordered as a_c * n + b_c."""
    scales = {scale for scale, _ in pairs}
    if len(scales) == 1 and (scale := scales.pop()) != 0:
        sign = 1 if scale > 0 else -1
        r = [offset / abs(scale) for _, offset in pairs]
        fractions = sorted({v - floor(v) for v in r})
        ranks = len(fractions)
        add = [floor(v) * ranks + fractions.index(v - floor(v)) for v in r]
        least = min(add) // ranks * ranks  # a common offset changes no order
        return [sign * ranks] * len(pairs), [a - least for a in add]
    base = min(offset for _, offset in pairs)
    pairs = [(scale, offset - base) for scale, offset in pairs]
    denominator = lcm(*(v.denominator for pair in pairs for v in pair))
    whole = [(int(a * denominator), int(b * denominator)) for a, b in pairs]
    divisor = reduce(gcd, (v for pair in whole for v in pair), 0) or 1
    return [a // divisor for a, _ in whole], [b // divisor for _, b in whole]
