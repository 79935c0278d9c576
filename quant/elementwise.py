"""Shared by the element-wise operators of two operands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from gatesmith.ir import Node
from gatesmith.quant.form import Form, Lookup, Rationals, numbered, rationals
from gatesmith.quant.one_value import of_one_value
from gatesmith.quant.rules import Argument, Context, constant, no_host
from gatesmith.quant.whole import no_real_input


def two_forms(ctx: Context, node: Node, args: tuple[Argument, ...]) -> tuple[Form, Form] | None:
    """Both operands when both are computed."""
    a, b = args
    if not isinstance(a, Form) or not isinstance(b, Form):
        return None
    for form in (a, b):
        no_host(ctx, node, form)
        no_real_input(ctx, node, form)
    return a, b


def of_one_base(
    a: Form, b: Form, function: Callable[[Fraction, Fraction], Fraction]
) -> Form | None:
    """A function of two functions of the same few integers, as a look-up; None if it is none."""
    same = a.shape == b.shape and (
        a.order is b.order
        or (a.order is not None and b.order is not None and bool((a.order == b.order).all()))
    )
    both = of_one_value(a, b) if same else None
    if both is None:
        return None
    rows = [form.steps[0].rows for form in both]  # type: ignore[union-attr]
    (codes_a, table_a), (codes_b, table_b) = (numbered(row) for row in rows)
    pair = codes_a * len(table_b) + codes_b
    known: dict[int, Any] = {}
    for number in np.unique(pair).tolist():
        x, y = table_a[number // len(table_b)], table_b[number % len(table_b)]
        known[number] = tuple(function(v, w) for v, w in zip(x, y, strict=True))
    merged: Rationals = np.empty(pair.shape, object)
    for index in np.ndindex(*pair.shape):
        merged[index] = known[int(pair[index])]
    origin = tuple(dict.fromkeys(both[0].origin + both[1].origin))
    return replace(both[0], steps=(Lookup(merged),), origin=origin)


def form_and_constant(
    ctx: Context, node: Node, args: tuple[Argument, ...]
) -> tuple[Form, Rationals, bool]:
    """The form, the constant, and whether the form is the first operand.

    A form that is smaller than the constant is repeated.
    """
    a, b = args
    first = isinstance(a, Form)
    form, const = (a, b) if first else (b, a)
    assert isinstance(form, Form) and isinstance(const, Node), "constants are folded before"
    no_host(ctx, node, form)
    value = rationals(constant(const))
    shape = tuple(np.broadcast_shapes(form.shape, value.shape))
    if shape != form.shape:
        form = form.moved(lambda a: np.broadcast_to(a, shape))
    return form, value, first
