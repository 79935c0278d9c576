"""Sign: -1, 0 or +1. It is its own quantizer: the result has integers to travel as.

Where no integer of the range gives 0, the result is bipolar and takes one bit; a sum of an odd
number of bipolar products, or one with a batch norm behind it, never gives 0.
"""

from __future__ import annotations

from gatesmith.ir import BIPOLAR, TERNARY, Node
from gatesmith.ops.sign import Sign
from gatesmith.quant import form as forms
from gatesmith.quant.form import Form
from gatesmith.quant.quantizer import Quantizer, apply
from gatesmith.quant.rules import Argument, Context, one_form, rule
from gatesmith.quant.step_function import Bound, edge


@rule(Sign)
def lower_sign(ctx: Context, node: Node, args: tuple[Argument, ...]) -> Form:
    """V -> sign(v), as a quantizer with the codes -1, 0, 1."""
    form = one_form(ctx, node, args)
    above, at_least = Bound(forms.ZERO, strict=True), Bound(forms.ZERO, strict=False)
    if form.base is not None:
        x = form.base.type.int_elem
        chains = {chain for chain, _ in form.channel_chains() or ()}
        tabled = any(step[0] == "lookup" for chain in chains for step in chain)
        if not tabled and all(
            edge(chain, above, x) == edge(chain, at_least, x) for chain in chains
        ):
            return apply(ctx, node, form, Quantizer(BIPOLAR, lambda _k: at_least))
    return apply(ctx, node, form, Quantizer(TERNARY, lambda k: above if k == 1 else at_least))
