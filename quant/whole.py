"""Forms on integer grids: what joins, convolutions and outputs need when no quantizer came before.

A chain of affine maps and clamps with rational constants takes rational values on a common grid:
u * integer. The integers are one more exact Requantize; of a base with few values any function of
it is a Table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np

from gatesmith.errors import UserError
from gatesmith.ir import Array, IntType, Node
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.table import Table
from gatesmith.quant.form import (
    Chain,
    Clamp,
    Form,
    Lookup,
    Rationals,
    Scale,
    combined,
    objects,
    rational,
)
from gatesmith.quant.rules import Context
from gatesmith.quant.step_function import evaluate

MOST_BITS = 40
"""Widest integers that stand for an unquantized activation."""

SMALL = 4096
"""Most values of a base whose functions are tabled."""


def unit(values: list[Fraction]) -> Fraction:
    """The largest rational of which all are integer multiples; 1 when all are 0.

    >>> unit([Fraction(3, 4), Fraction(1, 2)]), unit([Fraction(0)])
    (Fraction(1, 4), Fraction(1, 1))
    """
    denominator = lcm(*(v.denominator for v in values))
    divisor = gcd(*(int(v * denominator) for v in values))
    return Fraction(divisor, denominator) if divisor else Fraction(1)


def tabled(form: Form) -> Form | None:
    """The whole chain as one look-up by the base's value; None when the base has too many."""
    if form.base is None or form.base.type.int_elem.count > SMALL:
        return None
    if len(form.steps) == 1 and isinstance(form.steps[0], Lookup):
        return form
    elem = form.base.type.int_elem
    values = range(elem.lo, elem.hi + 1, elem.step)
    rows = each(form, lambda chain: tuple(evaluate(chain, n) for n in values))
    return replace(form, steps=(Lookup(rows),))


def each(form: Form, function: Callable[[Chain], Any]) -> Rationals:
    """``function`` of the chain of each element, broadcast to the value's shape."""
    numbers, rows = combined(form.arrays())
    results = objects([function(form.entry(row)[0]) for row in rows])
    return results.reshape(()) if numbers.ndim == 0 else results[numbers]


def whole(ctx: Context, node: Node, form: Form) -> Form:
    """The form, or an equal one, whose steps are a single affine map of an integer node."""
    from gatesmith.quant.rounded import rounded

    if form.affine() is not None:
        return form
    integers = rounded(ctx, node, form)
    if integers is not None:
        return whole(ctx, node, integers)
    result = _clamped(ctx, node, form) or _table(ctx, node, form)
    if result is None:
        raise missing(ctx, node)
    return result


def no_real_input(ctx: Context, node: Node, form: Form) -> None:
    """Refuse what needs integers and reads the model's real input."""
    if form.base is None:
        raise ctx.error(
            "quant.real-input",
            "the model's input is real and meets this node before any quantizer",
            node,
            "hardware needs to know which integers arrive on the stream and what they stand for",
            "say it: --input TYPE:SCALE[:ZERO], for raw pixels --input u8:1/255",
            "quantize the model's input when training it",
        )


def missing(ctx: Context, node: Node) -> UserError:
    """The error of a real number that no integer stands for."""
    return ctx.error(
        "quant.missing-quantizer",
        "no quantizer between an activation and this node",
        node,
        "its input is a real number that no integer stands for",
        "quantize the network first: gatesmith quantize MODEL.onnx --data FILE -o OUT.onnx",
        "or train it with a quantizer behind each activation (Brevitas, QKeras), or export QDQ",
    )


def _clamped(ctx: Context, node: Node, form: Form) -> Form | None:
    """An affine map and a clamp, the same for all channels or one a channel."""
    match form.steps:
        case (Scale() as first, Clamp() as clamp):
            last = None
        case (Scale() as first, Clamp() as clamp, Scale() as last):
            pass
        case (Clamp() as clamp,):
            first, last = Scale(rational(1), rational(0)), None
        case (Clamp() as clamp, Scale() as last):
            first = Scale(rational(1), rational(0))
        case _:
            return None
    if form.base is None:
        return None
    bare = replace(form, steps=(first,))
    entries = bare.channel_chains()
    if entries is None or len(entries) not in (1, form.base.type.channels):
        return None
    pairs = [(chain[0][1], chain[0][2]) for chain, _ in entries]
    limits = [limit for limit in (clamp.lo, clamp.hi) if limit is not None]
    step = unit([v for pair in pairs for v in pair] + limits)
    mul = [int(m / step) for m, _ in pairs]
    add = [int(a / step) for _, a in pairs]
    if max(abs(v).bit_length() for v in (*mul, *add)) > MOST_BITS:
        return None  # constants of an Array are 64 bits
    x = form.base.type.int_elem
    ends = [m * n + a for m, a in zip(mul, add, strict=True) for n in (x.lo, x.hi)]
    lo, hi = (_within(end, clamp, step) for end in (min(ends), max(ends)))
    out = IntType(lo, hi)
    op = Requantize(Array(mul), Array(add), 0, out)
    if max(out.bits, op.product(x).bits) > MOST_BITS:
        return None
    base = ctx.shared(f"{node.name}_in", op, form.base)
    result = replace(form, base=base, steps=(Scale(rational(step), rational(0)),))
    return result if last is None else result.then(last)


def _within(end: int, clamp: Clamp, step: Fraction) -> int:
    """An end of the range behind a clamp, in units of ``step``."""
    end = end if clamp.lo is None else max(end, int(clamp.lo / step))
    return end if clamp.hi is None else min(end, int(clamp.hi / step))


def _table(ctx: Context, node: Node, form: Form) -> Form | None:
    """Any function of few values, if its results are on a grid."""
    small = tabled(form)
    if small is None or small.base is None:
        return None
    entries = small.channel_chains()
    if entries is None or len(entries) not in (1, small.base.type.channels):
        return None
    rows = [chain[0][1] for chain, _ in entries]
    step = unit([v for row in rows for v in row])
    table = np.array([[int(v / step) for v in row] for row in rows], object)
    out = IntType(int(table.min()), int(table.max()))
    if out.bits > MOST_BITS:
        return None
    op = Table(Array(table.astype(np.int64)), out, small.base.type.int_elem)
    base = ctx.node(f"{node.name}_in", op, (small.base,))
    return replace(small, base=base, steps=(Scale(rational(step), rational(0)),))


def applied(ctx: Context, node: Node, form: Form) -> Form:
    """A form with steps that only a table can hold, as that table."""
    if form.base is None:
        raise missing(ctx, node)
    try:
        small = tabled(form)
    except ValueError as error:
        raise ctx.error(
            "quant.undefined",
            f"{type(node.op).__name__} is not defined for every input",
            node,
            str(error),
            "clip or quantize its input to the domain of the function",
        ) from error
    if small is None:
        raise ctx.error(
            "quant.missing-quantizer",
            f"no quantizer before {type(node.op).__name__}",
            node,
            f"its input has {form.base.type.int_elem.count} values, and a table may have {SMALL}",
            "quantize its input to 12 bits or fewer",
        )
    return small
