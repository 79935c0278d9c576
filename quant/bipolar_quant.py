"""BipolarQuant: one threshold, at zero; zero itself is +1."""

from __future__ import annotations

from gatesmith.ir import BIPOLAR, Node
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.quant.form import ZERO, Form
from gatesmith.quant.quantizer import Quantizer, apply
from gatesmith.quant.rules import Argument, Context, one_form, rule
from gatesmith.quant.step_function import Bound


@rule(BipolarQuant)
def lower_bipolar_quant(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """+1 where v >= 0."""
    at_least = Bound(ZERO, strict=False)
    return apply(ctx, node, one_form(ctx, node, args), Quantizer(BIPOLAR, lambda _k: at_least))
