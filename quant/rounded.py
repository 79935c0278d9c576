"""Floor, Ceil and Round that no quantizer follows: themselves a quantizer of scale 1.

    clamp(floor(v), lo, hi)  =  Quantize(v) with scale 1 and clip lo..hi, for integers lo and hi

Integer networks are written so: MatMul, Add, Div by a power of two, Floor, Clip. An affine map with
dyadic constants before the rounding is one Requantize, whose number of results does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

from gatesmith.ir import Array, IntType, Node
from gatesmith.ops.requantize import Requantize
from gatesmith.quant.form import Clamp, Form, Monotone, rational
from gatesmith.quant.layout import settled
from gatesmith.quant.multiply_shift import MAX_PRODUCT, MAX_SHIFT
from gatesmith.quant.quantizer import Quantizer, apply
from gatesmith.quant.rules import Context
from gatesmith.quant.step_function import ROUNDED, evaluate, quantize_bound

MOST_CODES = 1 << 16
"""Most results of a rounding whose steps are solved one by one."""


def rounded(ctx: Context, node: Node, form: Form) -> Form | None:
    """The form on the integers that its first rounding gives; None where there is no rounding."""
    at = next((i for i, step in enumerate(form.steps) if _rounds(step)), None)
    if at is None or form.base is None:
        return None
    step, rest = form.steps[at], form.steps[at + 1 :]
    assert isinstance(step, Monotone)
    before = replace(form, steps=form.steps[:at])
    if before.channel_chains() is None:  # copies of one element meet different parameters
        before = settled(ctx, before)
    lo, hi = _reached(before, step.kind)
    while rest and isinstance(rest[0], Clamp) and _is_whole(rest[0]):
        lo, hi = (_within(end, rest[0]) for end in (lo, hi))
        rest = rest[1:]
    at_node = replace(node, name=f"{node.name}_in")
    codes = IntType(lo, hi)
    result = _dyadic(ctx, at_node, before, step.kind, codes)
    if result is None and codes.count <= MOST_CODES:
        rounding = ROUNDED[step.kind]
        quantizer = Quantizer(
            codes,
            lambda k, scale, zero: quantize_bound(rounding, scale, zero)(k),
            (rational(1), rational(0)),
            rounding,
        )
        result = apply(ctx, at_node, before, quantizer)
    return None if result is None else replace(result, steps=(*result.steps, *rest), host=form.host)


def _rounds(step: object) -> bool:
    return isinstance(step, Monotone) and step.kind in ROUNDED


def _is_whole(clamp: Clamp) -> bool:
    """Whether the limits are integers."""
    return all(end is None or end.denominator == 1 for end in (clamp.lo, clamp.hi))


def _within(value: int, clamp: Clamp) -> int:
    value = value if clamp.lo is None else max(value, int(clamp.lo))
    return value if clamp.hi is None else min(value, int(clamp.hi))


def _reached(form: Form, kind: str) -> tuple[int, int]:
    """Least and largest result of the rounding."""
    assert form.base is not None
    x = form.base.type.int_elem
    chains = {chain for chain, _ in form.channel_chains() or ()}
    ends = [evaluate(chain, n) for chain in chains for n in (x.lo, x.hi)]
    functions: dict[str, Callable[[Fraction], int]] = {"floor": floor, "ceil": ceil, "round": round}
    found = [functions[kind](end) for end in ends]
    return min(found), max(found)


def _dyadic(ctx: Context, node: Node, form: Form, kind: str, codes: IntType) -> Form | None:
    """The rounding of (n * mul + add) / 2**shift as one Requantize."""
    scale, base = form.affine(), form.base
    assert base is not None
    entries = form.channel_chains()
    if scale is None or entries is None or len(entries) not in (1, base.type.channels):
        return None
    pairs = [c[0][1:] if c else (Fraction(1), Fraction(0)) for c, _ in entries]
    denominators = [value.denominator for pair in pairs for value in pair]
    shift = max(denominators).bit_length() - 1
    if shift > MAX_SHIFT or any(d & (d - 1) for d in denominators):
        return None
    up = (1 << shift) - 1 if kind == "ceil" else 0
    muls, adds = ([int(pair[i] * (1 << shift)) for pair in pairs] for i in (0, 1))
    if max(abs(value) for value in muls + adds).bit_length() >= MAX_PRODUCT:
        return None  # damaged weights: beyond any machine integer
    mul, add = _array(muls), _array([value + up for value in adds])
    op = Requantize(mul, add, shift, codes, even=kind == "round" and shift > 0)
    if op.product(base.type.int_elem).bits > MAX_PRODUCT:
        return None
    return Form(ctx.shared(node.name, op, base), form.shape, order=form.order)


def _array(values: list[int]) -> Array:
    return Array(values[:1] if len(set(values)) == 1 else values)
