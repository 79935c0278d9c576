"""The sum of two streams, and a quantizer behind it.

Two affine forms s_a * a + o_a and s_b * b + o_b have the sum u * (m_a * a + m_b * b) + (o_a + o_b),
u the largest rational of which both scales are multiples: an exact integer Join. Float32 scales
make m_a and m_b wide, so a quantizer behind it is sought as

    clamp((a * mul_a + b * mul_b + add) >> shift)

with the least shift at which some multipliers next to the real ones leave an interval of ``add``
under which it gives the right code for **every** pair (a, b). Every pair is looked at, so what is
returned is proven. (Numerics as in docs/semantics.md, joins.)
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Node
from gatesmith.ops.join import Join
from gatesmith.quant.elementwise import of_one_base
from gatesmith.quant.form import Form, Rationals, Scale
from gatesmith.quant.layout import (
    in_axes,
    nearest_axes,
    out_of_axes,
    per_channel,
    settled,
    stream_axes,
)
from gatesmith.quant.multiply_shift import Steps
from gatesmith.quant.rules import Context
from gatesmith.quant.whole import unit, whole

NARROW = 4
"""Bits of a multiplier up to which the exact sum is cheap enough to stay."""

PAIRS = 1 << 22
"""Most pairs of values that are looked at for one channel."""

MAX_SHIFT = 30
MAX_BITS = 62


def aligned(ctx: Context, node: Node, *forms: Form) -> tuple[list[Form], tuple[int, ...]]:
    """The forms with affine steps and bases of one shape, and the axes that these stand in.

    Operands that are smaller are repeated; where the orders differ the elements are moved.
    """
    shape = tuple(np.broadcast_shapes(*(form.shape for form in forms)))
    done = []
    for form in forms:
        exact = whole(ctx, node, form)
        if exact.shape != shape:
            exact = exact.moved(lambda a: np.broadcast_to(a, shape))
        done.append(exact)
    axes = [stream_axes(form) for form in done]
    wanted = next((a for a in axes if a is not None), None) or nearest_axes(done[0])
    result = []
    for form, found in zip(done, axes, strict=True):
        moved = form.transposed(wanted)
        base = in_axes(ctx, form, wanted) if found == wanted else settled(ctx, moved).base
        assert base is not None
        bare = Form(base, base.type.shape, steps=_turned(form, wanted), origin=form.origin)
        result.append(bare)
    return result, wanted


def _turned(form: Form, axes: tuple[int, ...]) -> tuple[Scale, ...]:
    """The affine step with its parameters in stream order."""
    scale = form.affine()
    assert scale is not None
    turned = Form(None, form.shape, (scale,)).transposed(axes)
    (step,) = turned.steps
    assert isinstance(step, Scale)
    return (step,)


def add_forms(ctx: Context, node: Node, a: Form, b: Form) -> Form:
    """The exact sum."""
    together = _of_one_base(a, b) if a.base is b.base and _same_order(a, b) else None
    if together is None:  # Elu and its like are sums of two functions of one value
        together = of_one_base(a, b, lambda x, y: x + y)
    if together is not None:
        return together
    (a, b), axes = aligned(ctx, node, a, b)
    pairs = [per_channel(form) for form in (a, b)]
    if pairs[0] is None or pairs[1] is None:
        raise ctx.error(
            "quant.scale-per-position",
            "the scale of an operand changes from position to position",
            node,
            "streams can be added under one scale a channel, the same at every position",
            "put a quantizer before this node",
        )
    count = max(len(p) for p in pairs if p is not None)
    rows = [tuple(p * (count // len(p))) for p in pairs if p is not None]
    units = [unit([x[0], y[0]]) for x, y in zip(*rows, strict=True)]
    mul_a, mul_b = ([int(r[0] / u) for r, u in zip(row, units, strict=True)] for row in rows)
    assert a.base is not None and b.base is not None
    out = _range(a.base.type.int_elem, b.base.type.int_elem, mul_a, mul_b)
    if out.bits > MAX_BITS:
        raise ctx.error(
            "quant.join-width",
            f"the exact sum needs {out.bits} bits",
            node,
            "the scales of its operands have no small common measure",
            "quantize an operand with a scale nearer to the other's, or to fewer bits",
        )
    op = Join(_array(mul_a), _array(mul_b), Array([0]), 0, out)
    base = ctx.node(node.name, op, (a.base, b.base))
    scale = Scale(_short(units), _short([x[1] + y[1] for x, y in zip(*rows, strict=True)]))
    return out_of_axes(Form(base, base.type.shape, (scale,)), axes)


def _short(values: list[Fraction]) -> Rationals:
    """One entry a channel, or a scalar."""
    array: Rationals = np.array(values, object)
    return array.reshape(()) if len(values) == 1 else array


def _array(values: list[int]) -> Array:
    return Array(values[:1] if len(set(values)) == 1 else values)


def _range(a: IntType, b: IntType, mul_a: list[int], mul_b: list[int]) -> IntType:
    """Every value of the exact sum."""
    lo, hi = [], []
    for m, n in zip(mul_a, mul_b, strict=True):
        lo.append(min(m * a.lo, m * a.hi) + min(n * b.lo, n * b.hi))
        hi.append(max(m * a.lo, m * a.hi) + max(n * b.lo, n * b.hi))
    return IntType(min(lo), max(hi))


def _same_order(a: Form, b: Form) -> bool:
    if a.shape != b.shape or (a.order is None) != (b.order is None):
        return False
    return a.order is None or b.order is None or bool((a.order == b.order).all())


def _of_one_base(a: Form, b: Form) -> Form | None:
    """A sum of two affine functions of the same integers is one."""
    first, second = a.affine(), b.affine()
    if first is None or second is None:
        return None
    return Form(
        a.base,
        a.shape,
        (Scale(first.mul + second.mul, first.add + second.add),),
        a.order,
    )


# ---- with a quantizer behind --------------------------------------------------------------------


def join_directly(base: Node, channels: list[Steps], codes: IntType) -> Join | None:
    """A Join that gives the codes at once, proven on all pairs; None where the exact sum stays."""
    op = base.op
    assert isinstance(op, Join)
    if op.shift or codes.step != 1:
        return None
    widest = max(abs(int(v)) for v in (*op.mul_a.data, *op.mul_b.data))
    a, b = (arg.type.int_elem for arg in base.args)
    if widest.bit_length() <= NARROW or a.count * b.count > PAIRS:
        return None
    count = max(len(channels), op.mul_a.shape[0], op.mul_b.shape[0])
    rows = [
        (int(m), int(n), channel)
        for m, n, channel in zip(
            np.broadcast_to(op.mul_a.data, (count,)),
            np.broadcast_to(op.mul_b.data, (count,)),
            channels * (count // len(channels)),
            strict=True,
        )
    ]
    problems: dict[tuple[int, int, bytes], _Problem] = {}
    keys = []
    for m, n, channel in rows:
        key = (m, n, channel.edges.tobytes())
        keys.append(key)
        if key not in problems:
            problems[key] = _Problem((a, b), (m, n), channel, codes)
    for shift in range(MAX_SHIFT + 1):
        found = {key: problem.solve(shift) for key, problem in problems.items()}
        if all(v is not None for v in found.values()):
            solved = [v for key in keys if (v := found[key]) is not None]
            mul_a, mul_b, add = (list(column) for column in zip(*solved, strict=True))
            return Join(_array(mul_a), _array(mul_b), _array(add), shift, codes)
    return None


class _Problem:
    """One channel: all pairs, with the code that each must have.

    Only pairs on the border of a code can bound ``add``; all are kept, there are few enough.
    """

    def __init__(
        self, types: tuple[IntType, IntType], muls: tuple[int, int], steps: Steps, codes: IntType
    ) -> None:
        (a, b), (mul_a, mul_b) = types, muls
        self.a = np.arange(a.lo, a.hi + 1, a.step, dtype=np.int64)[:, None]
        self.b = np.arange(b.lo, b.hi + 1, b.step, dtype=np.int64)[None, :]
        exact = self.a * mul_a + self.b * mul_b
        count = np.searchsorted(np.sort(steps.edges), exact, side="right")
        self.code: Ints = codes.lo + (count if steps.rising else codes.count - 1 - count)
        self.codes = codes
        self.slopes = (steps.slope * mul_a, steps.slope * mul_b)
        self.upper = self.code < codes.hi
        self.lower = self.code > codes.lo

    def solve(self, shift: int) -> tuple[int, int, int] | None:
        """(mul_a, mul_b, add) for one shift."""
        near = [slope * (1 << shift) for slope in self.slopes]
        for mul_a in _nearest(near[0]):
            for mul_b in _nearest(near[1]):
                add = self._add(mul_a, mul_b, shift)
                if add is not None:
                    return mul_a, mul_b, add
        return None

    def _add(self, mul_a: int, mul_b: int, shift: int) -> int | None:
        """A constant under which every pair has its code."""
        value = self.a * mul_a + self.b * mul_b
        floor = self.code << shift
        least = (floor - value)[self.lower].max(initial=-(1 << 60))
        most = (floor + (1 << shift) - 1 - value)[self.upper].min(initial=1 << 60)
        if least > most:
            return None
        if least <= 0 <= most:
            return 0
        low, high = int(least), int(most)
        for zeros in range(60, -1, -1):
            candidate = -(-low >> zeros) << zeros
            if candidate <= high:
                return candidate
        raise AssertionError("an interval of integers holds one")


def _nearest(value: Fraction) -> list[int]:
    """The two integers nearest to a multiplier, the nearer first."""
    near = round(value)
    return [near, near + (1 if value > near else -1)]
