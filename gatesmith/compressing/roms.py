"""How the weights of each layer are stored: the cheapest way, the smallest, or one that was named.

Sizes are those of prune/coding/sizes.py, codes with their tables; what a ROM of the hardware adds
to them, as several streams and their filling do, shows in the hardware's own count of bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from gatesmith.codegen.fold import Target, budget, choose_folds, fold_cost, price
from gatesmith.codegen.matrix_unit import FOLDED, PLAIN
from gatesmith.codegen.matrix_units import UNITS, layer_of
from gatesmith.codegen.wish import Wish
from gatesmith.compressing.steps import AUTO, LEAST
from gatesmith.compressing.tables import STORED
from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import Graph, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold
from gatesmith.prune.coding.sizes import network_sizes

Ways = Mapping[str, Sequence[str]]
"""Of each layer, the ways to store its weights that hardware can read; plain first."""


def stored_as(
    graph: Graph, wanted: str, cycles: int | None, fold: Mapping[str, Wish], notes: list[str]
) -> list[dict[str, Any]]:
    """A row for each layer: how its weights are stored, and the bits of every way.

    Args:
        graph: Of integers.
        wanted: A key of STORED; AUTO: what makes the cheapest hardware; LEAST: the fewest bits.
        cycles: A frame, that the hardware has.
        fold: Wishes of the user; layers whose unit or ROM they name stay as they are.
        notes: Told which layers cannot be stored as wanted.
    """
    nodes, target = {node.name: node for node in graph}, budget(graph, Target(cycles))
    layers = network_sizes(graph).layers
    ways = {row.name: _ways(nodes[row.name], wanted, fold, target) for row in layers}
    prices = _prices(graph, ways, target, fold) if wanted == AUTO else {}
    rows = []
    for sizes in layers:
        bits = {rom: sizes.bits[STORED[rom]] for rom in ways[sizes.name]}
        rom = _chosen(bits, wanted, prices.get(sizes.name, {}))
        if wanted not in (AUTO, LEAST, rom):
            notes.append(f"the weights of {sizes.name} cannot be stored as {wanted}, but as {rom}")
        rows.append(
            {
                "name": sizes.name,
                "weights": sizes.weights,
                "zeros": sizes.zeros,
                "width": sizes.width,
                "rom": rom,
                "bits": bits[rom],
                "sizes": dict(sizes.bits),
            }
        )
    return rows


def _chosen(bits: Mapping[str, int], wanted: str, prices: Mapping[str, float]) -> str:
    """One of the ways that have bits; of equal ones the first."""
    match wanted:
        case "auto":
            return min(bits, key=lambda rom: prices.get(rom, float("inf")))
        case "least":
            return min(bits, key=lambda rom: bits[rom])
        case _:
            return wanted if wanted in bits else PLAIN


def with_roms(fold: Mapping[str, Wish], roms: Mapping[str, str]) -> dict[str, Wish]:
    """The user's wishes, and by layer the ways to store weights."""
    found = dict(fold)
    for name, rom in roms.items():
        if rom != PLAIN:
            found[name] = Wish(rom=rom).over(found.get(name, Wish()))
    return found


def _ways(node: Node, wanted: str, fold: Mapping[str, Wish], cycles: int) -> list[str]:
    names = (node.name, *node.origin[:1])
    held = any(
        (wish.unit is not None or wish.rom is not None)
        and any(fnmatchcase(name, pattern) for name in names)
        for pattern, wish in fold.items()
    )
    if held:
        return [PLAIN]
    tried = STORED if wanted in (AUTO, LEAST) else (PLAIN, wanted)
    return [rom for rom in dict.fromkeys(tried) if rom == PLAIN or _readable(node, rom, cycles)]


def _readable(node: Node, rom: str, cycles: int) -> bool:
    """Whether a folded unit can read the weights of a layer so, within these cycles a frame."""
    unit = UNITS[FOLDED]
    if not isinstance(node.op, Dense) or rom not in unit.roms:
        return False
    layer = layer_of(node, cycles)
    if unit.refuses(layer, rom) is not None:
        return False
    return any(unit.cycles(layer, fold) <= cycles for fold in unit.folds(layer, rom))


def _prices(
    graph: Graph, ways: Ways, cycles: int, fold: Mapping[str, Wish]
) -> dict[str, dict[str, float]]:
    """Of each layer and each way: the price of the cheapest unit; empty where none can be built."""
    behind = {node.args[0]: node for node in graph if isinstance(node.op, Threshold)}
    found: dict[str, dict[str, float]] = {}
    for rom in STORED:
        own = {name: rom for name, known in ways.items() if rom in known}
        if not own:
            continue
        try:
            folds = choose_folds(graph, Target(cycles, with_roms(fold, own)))
        except (UserError, UserErrors):  # the count of the hardware will say why
            continue
        for node, chosen in folds.items():
            if node.name in own:
                cost = fold_cost(node, behind.get(node), chosen, cycles)
                found.setdefault(node.name, {})[rom] = price(cost)
    return found
