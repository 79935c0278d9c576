"""MultiThreshold: already thresholds, but of a real value; they are moved to the integer."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from gatesmith.ir import IntType, Node
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.quant.form import Form, Rationals, rationals
from gatesmith.quant.quantizer import Quantizer, apply
from gatesmith.quant.rules import Argument, Context, one_form, rule
from gatesmith.quant.step_function import Bound


@rule(MultiThreshold)
def lower_multi_threshold(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Number of thresholds at or below v."""
    op = cast(MultiThreshold, node.op)
    form = one_form(ctx, node, args)
    table = rationals(op.thresholds.data)  # (channels or 1, K)
    rank, axis = len(form.shape), op.axis % max(1, len(form.shape))

    def column(k: int) -> Rationals:
        shape = [1] * rank
        shape[axis] = table.shape[0]
        spread: Any = np.broadcast_to(table[:, k].reshape(shape), shape)
        return cast("Rationals", spread)

    steps = table.shape[1]
    columns = tuple(column(k) for k in range(steps))
    return apply(
        ctx, node, form, Quantizer(IntType(0, steps), lambda k, *t: Bound(t[k - 1], False), columns)
    )
