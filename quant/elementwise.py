"""Shared by Add, Sub, Mul and Div: a form and a constant, either way round."""

from __future__ import annotations

import numpy as np

from gatesmith.ir import Node
from gatesmith.quant.form import Form, Rationals, rationals
from gatesmith.quant.rules import Argument, Context, constant, no_host


def form_and_constant(
    ctx: Context, node: Node, args: tuple[Argument, ...]
) -> tuple[Form, Rationals, bool]:
    """The form, the constant, and whether the form is the first operand."""
    a, b = args
    if isinstance(a, Form) and isinstance(b, Form):
        raise ctx.error(
            "quant.two-streams",
            f"{type(node.op).__name__} of two streams is not built yet",
            node,
            "both operands are computed; one of them must be a constant",
            "end the model before this node, or remove the residual connection",
        )
    first = isinstance(a, Form)
    form, const = (a, b) if first else (b, a)
    assert isinstance(form, Form) and isinstance(const, Node)
    no_host(ctx, node, form)
    value = rationals(constant(const))
    if np.broadcast_shapes(form.shape, value.shape) != form.shape:
        raise ctx.error(
            "quant.broadcast",
            f"{type(node.op).__name__} makes its input larger",
            node,
            f"the constant of shape {value.shape} spreads the input of shape {form.shape}",
            "repeat the input explicitly, or give the constant the input's shape",
        )
    return form, value, first
