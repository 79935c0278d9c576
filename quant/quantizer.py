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

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Node, TensorType
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold
from gatesmith.quant.form import Chain, Form, Rationals
from gatesmith.quant.multiply_shift import Steps, implement
from gatesmith.quant.rules import Context
from gatesmith.quant.step_function import HALF, Bound, code_range, edge, rises

MANY = 15
"""Most thresholds that are built where a multiply-shift exists: four bits."""

TOO_MANY = 1023
"""Most thresholds that are built where none exists."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantizer:
    """A monotone function of a real with few results.

    Attributes:
        codes: Its results.
        bound: Condition on v under which the result reaches code k, given k and the element's
            parameters.
        params: Parameters, broadcast to the value's shape.
    """

    codes: IntType
    bound: Callable[..., Bound]
    params: tuple[Rationals, ...] = ()

    def bind(self, params: tuple[Fraction, ...]) -> Callable[[int], Bound]:
        """The bound of one element."""
        return lambda k: self.bound(k, *params)


def apply(ctx: Context, node: Node, form: Form, quantizer: Quantizer) -> Form:
    """Form of the quantizer's codes; makes at most one integer node."""
    if form.base is None:
        return _at_the_host(ctx, node, form, quantizer)
    entries = form.channel_chains(quantizer.params)
    base = form.base
    if len(entries) not in (1, base.type.channels):
        base = ctx.node(f"{base.name}_flat", Reshape((base.type.size,)), (base,))
    x = base.type.int_elem
    bound = {entry: quantizer.bind(entry[1]) for entry in dict.fromkeys(entries)}
    codes = quantizer.codes
    if codes.step == 1:
        codes = code_range([(chain, bound[chain, p]) for chain, p in bound], codes, x)
    solved = {(chain, p): _steps(chain, b, codes, x) for (chain, p), b in bound.items()}
    channels = [solved[entry] for entry in entries]
    result = _implement(ctx, node, base, codes, channels)
    return Form(result, form.shape, order=form.order)


def _at_the_host(ctx: Context, node: Node, form: Form, quantizer: Quantizer) -> Form:
    """The model's own first quantizer decides what the stream carries: its codes."""
    if ctx.host_quantizer is not None and ctx.host_quantizer is not node:
        raise ctx.error(
            "quant.two-input-quantizers",
            "the input goes to two quantizers",
            node,
            f'one stream carries the codes of "{ctx.host_quantizer.name}", this one differs',
            "say which codes arrive on the stream: --input u8:1/255",
        )
    ctx.host_quantizer = node
    return Form(ctx.node("x", Input(TensorType(form.shape, quantizer.codes)), ()), form.shape)


def _steps(chain: Chain, bound: Callable[[int], Bound], codes: IntType, x: IntType) -> Steps:
    """All steps of one channel, in the order of the codes."""
    ks = range(codes.lo + codes.step, codes.hi + 1, codes.step)
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


def _threshold(channels: list[Steps], codes: IntType, x: IntType) -> Threshold:
    """Rows ascend: a falling channel stops to meet its highest code first."""
    rows: list[Ints] = [c.edges if c.rising else c.edges[::-1] for c in channels]
    table = np.stack(rows).reshape(len(channels), codes.count - 1)
    return Threshold(Array(table), codes, Array([int(not c.rising) for c in channels]))
