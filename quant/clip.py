"""Clip: a clamp with the exact limits, folded into the quantizer behind it."""

from __future__ import annotations

from fractions import Fraction
from math import isinf
from typing import cast

from gatesmith.ir import Node
from gatesmith.ops.clip import Clip
from gatesmith.quant.form import Clamp, Form
from gatesmith.quant.rules import Argument, Context, one_form, rule


@rule(Clip)
def lower_clip(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """min(max(v, lo), hi)."""
    op = cast(Clip, node.op)
    lo, hi = (None if isinf(end) else Fraction(end) for end in (op.lo, op.hi))
    return one_form(ctx, node, args).then(Clamp(lo, hi))
