"""Folding: how many outputs (PE) and inputs (SIMD) of each matrix-vector unit work side by side.

For a target of C cycles a frame the layers are independent: each takes the cheapest unit and
(PE, SIMD) with ``cycles <= C``. The search tries them all, so it is exact for the cost formulas of
the blocks; width converters are not weighed. What the user wishes for a layer is in wish.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.gather import granularity
from gatesmith.codegen.matrix_unit import Fold, Naming
from gatesmith.codegen.matrix_units import UNITS, fold_cycles, layer_of, with_threshold
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.wish import Wish, wished
from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Graph, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.gather import Gather
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.window import Window

DEFAULT_CYCLES = 1024
"""Target when the user names none: small, and 100,000 frames a second at about 100 MHz. A network
of more vectors a frame than that gets a cycle for each."""


MACS_A_CYCLE = 256
"""Multiplications a cycle that the default target aims at."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the user asked for.

    Attributes:
        cycles: Most clock cycles a frame; None lets us choose, see DEFAULT_CYCLES.
        by_hand: Wishes by layer: the name in the IR or of the ONNX node; later ones win.
        said: How the target was given, for messages.
    """

    cycles: int | None = None
    by_hand: Mapping[str, Wish] = field(default_factory=dict)
    said: str = "the default target"


def price(cost: Cost) -> float:
    """One number for a cost, in LUTs: a DSP block as 100, a kilobit of block RAM as 11."""
    return cost.lut + 0.25 * cost.ff + 100 * cost.dsp + 0.011 * cost.ram_bits


def choose_folds(graph: Graph, target: Target) -> dict[Node, Fold]:
    """Fold of every Dense. Errors: ``codegen.fold``, ``codegen.target``; all of them at once."""
    layers = [node for node in graph if isinstance(node.op, Dense)]
    errors: list[UserError] = []
    cycles = budget(graph, target)
    wishes = wished(layers, target.by_hand, cycles, errors)
    folds: dict[Node, Fold] = {}
    behind = {n.args[0]: n for n in graph if isinstance(n.op, Threshold)}
    for node in layers:
        wish = wishes.get(node, Wish())
        fold = _cheapest(node, behind.get(node), cycles, wish)
        if fold is None:
            errors.append(_out_of_reach(node, cycles, wish, target))
        else:
            folds[node] = fold
    raise_all(errors)
    return folds


def budget(graph: Graph, target: Target) -> int:
    """Most cycles a frame of every stage: the target, or a default.

    The default lets every sliding window give one tap a cycle and spends about MACS_A_CYCLE
    multiplications a cycle, so that a network of any size becomes a core of a moderate one.
    """
    if target.cycles is not None:
        return target.cycles
    work = sum(operations(node) for node in graph)
    slowest = max((fewest_cycles(node) for node in graph), default=1)
    return max(DEFAULT_CYCLES, slowest, work // MACS_A_CYCLE)


def operations(node: Node) -> int:
    """Multiplications, or what stands in their place, of one frame."""
    match node.op:
        case Dense(weights=weights):
            return weights.data.size * node.type.vectors
        case Depthwise(kernel=(kh, kw)) | MaxPool(kernel=(kh, kw)):
            return kh * kw * node.type.size
        case _:
            return 0


def fewest_cycles(node: Node) -> int:
    """Cycles of a stage as wide as its channels, and a tap of a window a cycle.

    A Gather is as wide as the beats that it moves.
    """
    op = node.op
    match op:
        case Window(groups=groups):
            return max(node.args[0].type.vectors, node.type.vectors * op.taps * groups)
        case Depthwise(kernel=(kh, kw)) | MaxPool(kernel=(kh, kw)):
            return max(node.args[0].type.vectors, node.type.vectors * kh * kw)
        case Dense(groups=groups):
            return node.type.vectors * groups
        case Gather():
            x, y = node.args[0].type, node.type
            most = granularity(op.index.data.reshape(-1), x.channels, y.channels)
            return max(x.size, y.size) // most
        case _:
            return node.type.vectors


def _cheapest(node: Node, threshold: Node | None, cycles: int, wish: Wish) -> Fold | None:
    """The least price among all folds that meet the target; None when none does.

    A fold named to the last number is taken whatever it takes.
    """
    best: tuple[float, Fold] | None = None
    candidates = [
        fold
        for fold in _candidates(node, cycles, wish)
        if wish.folds or fold_cycles(node, fold, cycles) <= cycles
    ]
    if len(candidates) == 1:  # whatever it costs: an unrolled layer's cost takes seconds
        return candidates[0]
    for fold in candidates:
        cost = price(fold_cost(node, threshold, fold, cycles))
        if best is None or cost < best[0]:
            best = cost, fold
    return None if best is None else best[1]


def _candidates(node: Node, cycles: int, wish: Wish) -> Iterable[Fold]:
    """Folds of the units that may build a layer."""
    layer = layer_of(node, cycles)
    for unit in UNITS.values():
        if wish.unit is None and not (unit.automatic or wish.rom is not None):
            continue
        if wish.unit not in (None, unit.name) or wish.rom_name not in unit.roms:
            continue
        if unit.refuses(layer, wish.rom_name) is None:
            yield from filter(wish.allows, unit.folds(layer, wish.rom_name))


def fold_cost(node: Node, threshold: Node | None, fold: Fold, cycles: int | None = None) -> Cost:
    """Cost of a Dense under a fold, with the Threshold behind it that runs at its lanes."""
    layer, unit = layer_of(node, cycles), UNITS[fold.unit]
    source = Stream(layer.x, layer.inputs, layer.vectors, unit.lanes(layer, fold))
    naming = Naming(node.name, node.name, (), node.name)
    dense = unit.stage(naming, layer, source, fold)
    if threshold is None:
        return dense.cost()
    assert isinstance(threshold.op, Threshold)
    if (whole := with_threshold(dense, threshold.op)) is not None:
        return whole.cost()
    sink = replace(dense.sink, channels=node.type.channels, vectors=node.type.vectors)
    behind = ThresholdStage("t", "t", (), "t", threshold.op, sink)
    return dense.cost() + behind.cost()


def _out_of_reach(node: Node, cycles: int, wish: Wish, target: Target) -> UserError:
    least = min(fold_cycles(node, fold, cycles) for fold in _candidates(node, cycles, wish))
    why = f"a matrix-vector unit takes at least one cycle for each of the {least} vectors"
    if wish != Wish():
        why = f"built as {wish} it takes {least} cycles or more"
    return UserError(
        "codegen.target",
        f"{target.cycles} cycles a frame are out of reach",
        where=f'layer "{node.name}", {target.said}',
        why=why,
        fix=(f"ask for {least} cycles or more",),
    )
