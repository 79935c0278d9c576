"""What softmax and layer norm need: integers of one scale before them, a fine enough grid behind.

Scales by channel are brought to a common unit, exactly, where the integers stay narrow; else they
are rounded to a grid as fine as the caller wants.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from gatesmith.ir import Array, Graph, IntType, Node
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.div import Div
from gatesmith.ops.mul import Mul
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.sub import Sub
from gatesmith.ops.take import Take
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.form import Form
from gatesmith.quant.layout import per_channel
from gatesmith.quant.multiply_shift import MAX_PRODUCT
from gatesmith.quant.rules import Context
from gatesmith.quant.whole import MOST_BITS, unit

FINER = 4
"""Bits by which an approximated result is finer than a quantizer that reads it."""

MOST_FINE, LEAST_FINE = 16, 4
"""Most and fewest bits behind the point of an approximated result."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Integers of one scale that a form can be put on.

    Attributes:
        x: Their type.
        scale: Real step between neighbouring integers, above 0.
        op: What takes the form's integers there; None where they are these.
        error: Largest distance of a real value from what its integer stands for.
    """

    x: IntType
    scale: Fraction
    op: Requantize | None = None
    error: Fraction = Fraction(0)

    def put(self, ctx: Context, node: Node, form: Form) -> Form:
        """The form's integers on the grid."""
        if self.op is None or form.base is None:
            return replace(form, steps=())
        base = ctx.shared(f"{node.name}_in", self.op, form.base)
        return replace(form, base=base, steps=())


def exact_grid(ctx: Context, node: Node, form: Form) -> Grid | None:
    """The integers themselves, or multiples of a common unit; None where these are too wide.

    Offsets by channel are kept; one that all channels have is not.
    """
    pairs, x = _pairs(ctx, node, form)
    if len(pairs) == 1 and pairs[0][0] > 0 and x.step == 1:
        return Grid(x, pairs[0][0])
    zero = pairs[0][1]
    step = unit([v for mul, add in pairs for v in (mul, add - zero)])
    mul = [int(m / step) for m, _ in pairs]
    add = [int((a - zero) / step) for _, a in pairs]
    op = _requantize(mul, add, 0, x)
    if op is None or op.out.bits > MOST_BITS:
        return None
    return Grid(op.out, step, op)


def rounded_grid(ctx: Context, node: Node, form: Form, fraction: int) -> Grid | None:
    """Multiples of 2**-fraction, rounded; None where the multiplication would be too wide."""
    pairs, x = _pairs(ctx, node, form)
    shift = max(abs(x.lo), abs(x.hi), 1).bit_length() + 2
    one, zero = 1 << (fraction + shift), pairs[0][1]
    mul = [round(m * one) for m, _ in pairs]
    add = [round((a - zero) * one) + (1 << (shift - 1)) for _, a in pairs]
    op = _requantize(mul, add, shift, x)
    # Half a unit is rounding, a quarter what mul and add are off: |x| + 1 halves of 2**-shift.
    step = Fraction(1, 1 << fraction)
    return None if op is None else Grid(op.out, step, op, step * Fraction(3, 4))


def _pairs(ctx: Context, node: Node, form: Form) -> tuple[list[tuple[Fraction, Fraction]], IntType]:
    """Scale and offset of each channel of the base, or one pair for all; the base's type."""
    pairs = per_channel(form)
    if pairs is None:
        raise ctx.error(
            "quant.scale-per-position",
            "the scale of the input changes from position to position",
            node,
            "its elements are compared under one scale a channel, the same at every position",
            "put a quantizer before it",
        )
    assert form.base is not None
    return pairs, form.base.type.int_elem


def _requantize(mul: list[int], add: list[int], shift: int, x: IntType) -> Requantize | None:
    """(x * mul + add) >> shift with all its range; None where a product is too wide."""
    if max(abs(v) for v in (*mul, *add)).bit_length() > MAX_PRODUCT:
        return None
    ends = [(m * n + a) >> shift for m, a in zip(mul, add, strict=True) for n in (x.lo, x.hi)]
    op = Requantize(_array(mul), _array(add), shift, IntType(min(ends), max(ends)))
    return op if op.product(x).bits <= MAX_PRODUCT else None


def _array(values: list[int]) -> Array:
    return Array(values[:1] if len(set(values)) == 1 else values)


def result_bits(real: Graph, node: Node, usual: int) -> int:
    """Bits behind the point: FINER than the quantizers that read a node, or the usual number."""
    finest = _finest(real, node, Fraction(1))
    if finest is None:
        return usual
    bits = next((n for n in range(MOST_FINE) if finest * 2**n >= 1), MOST_FINE)
    return min(MOST_FINE, max(LEAST_FINE, bits + FINER))


def _finest(real: Graph, node: Node, gain: Fraction) -> Fraction | None:
    """Least scale of the quantizers behind constant factors; None where others read it, or none."""
    found: list[Fraction | None] = []
    for user in real:
        if node not in user.args:
            continue
        factor = _gain(user, node)
        if isinstance(user.op, Quantize):
            found.append(Fraction(float(user.op.scale.data.min())) / gain)
        else:
            found.append(None if factor is None else _finest(real, user, gain * factor))
    known = [scale for scale in found if scale is not None]
    return min(known) if known and len(known) == len(found) else None


def _gain(user: Node, node: Node) -> Fraction | None:
    """How much a step of ``node`` moves what an operator makes of it; None where that varies."""
    consts = [arg.op.value.data for arg in user.args if isinstance(arg.op, Const)]
    match user.op:
        case Reshape() | Transpose() | Take():
            return Fraction(1)
        case Add() | Sub() if consts:
            return Fraction(1)
        case Mul() if consts and abs(consts[0]).max() > 0:
            return Fraction(float(abs(consts[0]).max()))
        case Div() if consts and user.args[0] is node and abs(consts[0]).min() > 0:
            return 1 / Fraction(float(abs(consts[0]).min()))
    return None
