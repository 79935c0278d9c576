"""Quantize: ends a chain (quant/quantizer.py). Behind what the host computes it is the host's."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.quantize import Quantize
from gatesmith.quant.form import Form, rationals
from gatesmith.quant.quantizer import Quantizer, apply
from gatesmith.quant.rules import Argument, Context, one_form, rule
from gatesmith.quant.step_function import quantize_bound


@rule(Quantize)
def lower_quantize(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """clamp(round(v / scale + zero_point))."""
    op = cast(Quantize, node.op)
    (form,) = args
    if isinstance(form, Form) and form.host:
        return replace(form, host=(*form.host, f"quantization to {op.clip}"))
    quantizer = Quantizer(
        op.clip,
        lambda _k, scale, zero: quantize_bound(op.rounding, scale, zero)(_k),
        (rationals(op.scale.data), rationals(op.zero_point.data)),
        op.rounding,
    )
    return apply(ctx, node, one_form(ctx, node, args), quantizer)
