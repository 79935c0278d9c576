"""The zeros of a pruned network: whether quantizing keeps them."""

from __future__ import annotations

from collections.abc import Mapping

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.prune.patterns import PRUNED, Masks, masks_of_zeros
from gatesmith.quant.prepare.scheme import Scheme


def kept_zeros(
    graph: Graph, recipe: Mapping[str, Scheme], wanted: bool | None, notes: list[str]
) -> Masks:
    """Masks of the layers whose zeros stay, by name of the weights; True is free.

    Args:
        graph: Tidied.
        recipe: Scheme of each site.
        wanted: What the user said; None takes layers of which PRUNED or more is 0.
        notes: Told what happens unasked.

    Errors: ``quantize.no-zero``.
    """
    if wanted is False:
        return {}
    found = {
        name: mask
        for name, mask in masks_of_zeros(graph).items()
        if (~mask).any() and (wanted or 1 - mask.mean() >= PRUNED)
    }
    without = [name for name in found if name in recipe and recipe[name].kind == "bipolar"]
    if without and wanted:
        raise UserError(
            "quantize.no-zero",
            "bipolar weights cannot keep zeros",
            where=f"--keep-zeros, weights {', '.join(without)}",
            why="they are -1 or +1",
            fix=("quantize them to ternary or int2", "leave out --keep-zeros"),
        )
    for name in without:
        zeros = int((~found.pop(name)).sum())
        notes.append(f"{zeros} zeros of {name} are lost: bipolar weights have none")
    if found and wanted is None:
        zeros = sum(int((~mask).sum()) for mask in found.values())
        size = sum(mask.size for mask in found.values())
        notes.append(f"{zeros} of {size} weights of {len(found)} layers are 0 and stay so")
    return found
