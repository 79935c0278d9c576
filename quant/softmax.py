"""Softmax: left to the host at the end of a model, skipped before TopK, else an IntSoftmax.

It is strictly increasing in each element for fixed others, and equal elements stay equal, so it
changes no order. The host also quantizes what follows at the end of a model. Where anything else
reads it, it is built: as an integer algorithm with an error bound (gatesmith/ops/int_softmax.py),
which the user is told.

The algorithm takes integers on one grid. Scales by channel are brought to one by an exact
Requantize where that is small enough, else rounded to a grid of 2**-f: with every v off by at most
e, softmax is off by at most e / 2, because its derivatives p_c * (q_c - sum of p_j * q_j) are at
most 2 e * p_c * (1 - p_c).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import cast

from gatesmith.ir import Graph, Node
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.function import Function
from gatesmith.ops.int_softmax import GUARD, IntSoftmax
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.top_k import TopK
from gatesmith.quant.form import Form, Scale, rational
from gatesmith.quant.layout import settled
from gatesmith.quant.one_grid import LEAST_FINE, Grid, exact_grid, result_bits, rounded_grid
from gatesmith.quant.product import quantized_input
from gatesmith.quant.rules import Argument, Context, one_form, rule

USUAL = 16
"""Bits of a result that something else than a quantizer reads."""


@rule(Softmax)
def lower_softmax(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """Mark the form for the host (quant/lower.py tells the user), or build it."""
    form = one_form(ctx, node, args)
    axes = cast(Softmax, node.op).axes
    if not needed(ctx.real, node):
        return replace(form, host=(f"Softmax over the last {axes} axes",))
    count = prod(node.type.shape[-axes:])
    form = quantized_input(ctx, node, form)
    bits = result_bits(ctx.real, node, USUAL)
    grid, op = _operator(ctx, node, form, count, bits)
    base = settled(ctx, grid.put(ctx, node, form), (*node.type.shape[:-axes], count)).base
    assert base is not None
    result = ctx.node(node.name, op, (base,))
    bound = op.bound(count) + grid.error * (1 << op.bits) / 2
    ctx.notes.append(
        f"approximated: {', '.join(node.origin) or node.name}: Softmax in units of 2**-{op.bits}, "
        f"at most {float(bound):.3f} of them from the real function"
    )
    share = Scale(rational(Fraction(1, 1 << op.bits)), rational(0))
    return Form(result, result.type.shape, (share,)).reshaped(node.type.shape)


def needed(real: Graph, node: Node, quantized: bool = False) -> bool:
    """Whether anything computed reads a Softmax, or what a quantizer at the host makes of it.

    TopK needs the order only, but quantizers make elements equal. A logarithm behind it is
    LogSoftmax, which has no integer form.
    """
    for user in real:
        if node not in user.args:
            continue
        match user.op:
            case TopK():
                if quantized:
                    return True
            case Function(kind="log"):
                pass
            case Quantize() | Dequantize():
                if needed(real, user, quantized or isinstance(user.op, Quantize)):
                    return True
            case _:
                return True
    return False


def _operator(
    ctx: Context, node: Node, form: Form, count: int, bits: int
) -> tuple[Grid, IntSoftmax]:
    """Grid and operator of most bits that there are tables for."""
    exact = exact_grid(ctx, node, form)
    for n in range(bits, LEAST_FINE - 1, -1):
        for grid in (exact, rounded_grid(ctx, node, form, n + GUARD)):
            if grid is None:
                continue
            try:
                return grid, IntSoftmax.of(grid.scale, grid.x.count, count, n)
            except ValueError:
                continue
    raise ctx.error(
        "quant.missing-quantizer",
        "no quantizer before a Softmax",
        node,
        f"no tables hold the exponentials of all values of its input, {count} to be added",
        "quantize its input to 16 bits or fewer",
    )
