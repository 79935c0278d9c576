"""Apply a quantizer to a form: the one place where a real function becomes integer hardware.

1. The chain of steps of every channel, ended by the quantizer, is a step function of the base's
   integer; its steps are solved exactly (quant/step_function.py).
2. The result's type is narrowed to the codes that are reached.
3. Nothing to do (the codes are the base's own integers): no node.
4. Few codes, up to MANY: Threshold. More: a proven multiply-shift (quant/multiply_shift.py), or
   thresholds after all, or an error; never an approximation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Node, TensorType
from gatesmith.ops.input import Input
from gatesmith.ops.join import Join
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold
from gatesmith.quant.form import Chain, Form, Rationals
from gatesmith.quant.join import join_directly
from gatesmith.quant.layout import input_axes, out_of_axes, reshape, settled
from gatesmith.quant.multiply_shift import Steps, implement
from gatesmith.quant.reloadable import reloads
from gatesmith.quant.rules import Context
from gatesmith.quant.step_function import (
    HALF,
    Bound,
    code_at,
    code_range,
    edge,
    evaluate,
    met,
    rises,
    uniform_edges,
)

MANY = 15
"""Most thresholds that are built where a multiply-shift exists: four bits."""

TOO_MANY = 1023
"""Most thresholds that are built where none exists."""


Entry: TypeAlias = tuple[Chain, tuple[Fraction, ...]]
"""Steps of an element, and the quantizer's parameters there."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantizer:
    """A monotone function of a real with few results.

    Attributes:
        codes: Its results.
        bound: Condition on v under which the result reaches code k, given k and the element's
            parameters.
        params: Parameters, broadcast to the value's shape.
        rounding: Of a uniform quantizer, whose parameters are (scale, zero point): its rounding.
    """

    codes: IntType
    bound: Callable[..., Bound]
    params: tuple[Rationals, ...] = ()
    rounding: str | None = None

    def bind(self, params: tuple[Fraction, ...]) -> Callable[[int], Bound]:
        """The bound of one element."""
        return lambda k: self.bound(k, *params)


def apply(ctx: Context, node: Node, form: Form, quantizer: Quantizer) -> Form:
    """Form of the quantizer's codes; makes at most one integer node beside movements."""
    if form.base is None:
        return _at_the_host(ctx, node, form, quantizer)
    entries = form.channel_chains(quantizer.params)
    if entries is None:  # copies of one element meet different parameters
        form = settled(ctx, form)
        entries = form.channel_chains(quantizer.params)
    base = form.base
    assert entries is not None and base is not None
    if len(entries) not in (1, base.type.channels):
        base = reshape(ctx, base, (base.type.size,))
    x = base.type.int_elem
    bound = {entry: quantizer.bind(entry[1]) for entry in dict.fromkeys(entries)}
    codes = quantizer.codes
    if any(step[0] == "lookup" for chain, _ in bound for step in chain[:1]):
        result = look_up(ctx, node, base, entries, bound, codes=codes)
        return Form(result, form.shape, order=form.order)
    if codes.step == 1:
        codes = code_range([(chain, bound[chain, p]) for chain, p in bound], codes, x)
    solved = {
        (chain, p): _steps(
            chain, b, codes, x, uniform_edges(chain, p, quantizer.rounding, codes, x)
        )
        for (chain, p), b in bound.items()
    }
    channels = [solved[entry] for entry in entries]
    result = _implement(ctx, node, base, codes, channels)
    return Form(result, form.shape, order=form.order)


def _at_the_host(ctx: Context, node: Node, form: Form, quantizer: Quantizer) -> Form:
    """The model's own first quantizer decides what the stream carries: its codes."""
    assert form.source is not None
    name = form.source.name
    known = ctx.host_quantizers.get(name)
    if known is not None and known is not node:
        raise ctx.error(
            "quant.two-input-quantizers",
            "the input goes to two quantizers",
            node,
            f'one stream carries the codes of "{known.name}", this one differs',
            "say which codes arrive on the stream: --input u8:1/255",
        )
    ctx.host_quantizers[name] = node
    return stream_input(ctx, form.source, node, form.shape, quantizer.codes)


def stream_input(
    ctx: Context, real: Node, at: Node, shape: tuple[int, ...], elem: IntType, **told: Any
) -> Form:
    """An input of the core: the integers of ``at``, in the order of axes that the layers want."""
    axes = input_axes(ctx.real, at)
    kind = TensorType(tuple(shape[axis] for axis in axes), elem)
    one = sum(isinstance(n.op, Input) for n in ctx.real) == 1
    base = ctx.node("x" if one else real.name, Input(kind), (), **told)
    ctx.inputs[base.name] = real.name
    ctx.axes[base.name] = axes
    return out_of_axes(Form(base, kind.shape), axes)


def look_up(
    ctx: Context,
    node: Node,
    base: Node,
    entries: list[Entry],
    bound: dict[Entry, Callable[[int], Bound]],
    *,
    codes: IntType,
) -> Node:
    """The quantized function of each value of the base: thresholds of few steps, or a table."""
    x = base.type.int_elem
    values = range(x.lo, x.hi + 1, x.step)
    solved = {
        entry: np.array([_code_of(entry[0], n, reach, codes) for n in values], np.int64)
        for entry, reach in bound.items()
    }
    rows = np.stack([solved[entry] for entry in entries])
    out = IntType(int(rows.min()), int(rows.max())) if codes.step == 1 else codes
    slopes = np.diff(rows, axis=1)
    rising = np.asarray((slopes >= 0).all(axis=1))
    falling = np.asarray((slopes <= 0).all(axis=1))
    if (rising | falling).all() and out.count - 1 <= MANY:
        ks = np.arange(out.lo + out.step, out.hi + 1, out.step)
        channels = []
        for row, up in zip(rows, rising, strict=True):
            met = (row[None, :] >= ks[:, None]).sum(axis=1)
            edges = x.lo + x.step * (x.count - met if up else met)
            channels.append(Steps(edges, bool(up), Fraction(0), Fraction(0)))
        return ctx.node(node.name, _threshold(channels, out, x), (base,))
    return ctx.node(node.name, Table(Array(rows), out, x), (base,))


def _code_of(chain: Chain, n: int, bound: Callable[[int], Bound], codes: IntType) -> int:
    """The quantizer's code of one value of the base."""
    if codes.step == 1:
        return code_at(evaluate(chain, n), bound, codes)
    assert codes.count == 2, "a stepped quantizer has two codes"
    return codes.hi if met(evaluate(chain, n), bound(codes.hi)) else codes.lo


def _steps(
    chain: Chain,
    bound: Callable[[int], Bound],
    codes: IntType,
    x: IntType,
    known: Ints | None = None,
) -> Steps:
    """All steps of one channel, in the order of the codes."""
    ks = range(codes.lo + codes.step, codes.hi + 1, codes.step)
    edges = known
    if edges is None:
        edges = np.array([edge(chain, bound(k), x) for k in ks], np.int64)
    slope, intercept = _line(chain)
    if len(ks) > 1:
        first, last = bound(ks[0]).value, bound(ks[-1]).value
        width = (last - first) / (len(ks) - 1)  # of one code, in the quantizer's reals
        if width:
            slope, intercept = slope / width, (intercept - first) / width + ks[0] - HALF
    return Steps(edges, rises(chain), slope, intercept)


def _line(chain: Chain) -> tuple[Fraction, Fraction]:
    """Slope and intercept of the chain between its clamps."""
    slope, intercept = Fraction(1), Fraction(0)
    for step in chain:
        if step[0] == "scale":
            slope, intercept = slope * step[1], intercept * step[1] + step[2]
    return slope, intercept


def _implement(ctx: Context, node: Node, base: Node, codes: IntType, channels: list[Steps]) -> Node:
    """Choose among nothing, Threshold and Requantize."""
    x = base.type.int_elem
    if reloads(base) and codes.count - 1 <= MANY:
        return ctx.node(node.name, _every_channel(_threshold(channels, codes, x), base), (base,))
    if isinstance(base.op, Join):
        joined = join_directly(base, channels, codes)
        if joined is not None:
            return ctx.node(node.name, joined, base.args)
    ks = np.arange(codes.lo + codes.step, codes.hi + 1, codes.step)
    same = x.step == codes.step == 1 and all(
        c.rising and np.array_equal(c.edges, ks.clip(x.lo, x.hi + 1)) for c in channels
    )
    if same and codes == x:
        return base
    if same:
        return ctx.node(node.name, Requantize(Array([1]), Array([0]), 0, codes), (base,))
    if codes.count - 1 > MANY and codes.step == 1:
        found = implement(channels, x, codes)
        if found is not None:
            return ctx.node(node.name, found, (base,))
        if codes.count - 1 > TOO_MANY:
            raise ctx.error(
                "quant.no-exact-form",
                f"no exact hardware for a quantizer with {codes.count} codes",
                node,
                f"no multiply-shift equals it on all of {x}, and {codes.count - 1} thresholds a "
                f"channel are over the limit of {TOO_MANY}",
                "quantize this value to 10 bits or fewer",
                "give it a power-of-two scale in proportion to the scales before it",
            )
    return ctx.node(node.name, _threshold(channels, codes, x), (base,))


def _every_channel(op: Threshold, base: Node) -> Threshold:
    """A row for each channel, to be replaced by any others."""
    rows = base.type.channels
    table = np.broadcast_to(op.thresholds.data, (rows, op.thresholds.shape[1]))
    falling = np.broadcast_to(op.falling.data, (rows,))
    return Threshold(Array(table), op.out, Array(falling), reloadable=True)


def _threshold(channels: list[Steps], codes: IntType, x: IntType) -> Threshold:
    """Rows ascend: a falling channel stops to meet its highest code first."""
    rows: list[Ints] = [c.edges if c.rising else c.edges[::-1] for c in channels]
    table = np.stack(rows).reshape(len(channels), codes.count - 1)
    return Threshold(Array(table), codes, Array([int(not c.rising) for c in channels]))
