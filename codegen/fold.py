"""Folding: how many outputs (PE) and inputs (SIMD) of each matrix-vector unit work side by side.

For a target of C cycles a frame every layer may be built in any way with ``cycles <= C``. What
a way costs hangs on the layer alone, but for what stands between two layers at the lanes of both:
converters, buffers, element-wise layers. All ways and all of that are weighed together, so that
the choice is the cheapest there is by the cost formulas of the blocks, FIFOs aside (fold_model.py).
What the user wishes for a layer is in wish.py; targets that are no cycles in fold_search.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fold_model import Choice, Memory
from gatesmith.codegen.gather import granularity
from gatesmith.codegen.int_layer_norm import IntLayerNormStage
from gatesmith.codegen.int_softmax import IntSoftmaxStage
from gatesmith.codegen.lane_costs import RESOURCES
from gatesmith.codegen.matrix_unit import Fold, Naming, divisors
from gatesmith.codegen.matrix_units import UNITS, layer_of, with_threshold
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.wish import Wish, wished
from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Graph, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.gather import Gather
from gatesmith.ops.input import Input
from gatesmith.ops.int_layer_norm import IntLayerNorm
from gatesmith.ops.int_softmax import IntSoftmax
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
        unrolled: Whether layers may be unrolled unasked. That looks at the actual weights: not for
            networks whose costs are only to be compared.
        limits: Most of resources (those of lane_costs.RESOURCES); None for no limit. Without any
            other target the fastest design within them is wanted.
        latency: Most cycles from the first beat of a frame in to its last one out.
        input_lanes: Elements in a beat of every input; None: as few as do not slow the design down.
    """

    cycles: int | None = None
    by_hand: Mapping[str, Wish] = field(default_factory=dict)
    said: str = "the default target"
    unrolled: bool = False
    limits: Mapping[str, int] | None = None
    latency: int | None = None
    input_lanes: int | None = None

    @property
    def fastest(self) -> bool:
        """Whether limits alone decide the speed."""
        timed = self.cycles is not None or self.latency is not None
        return self.limits is not None and not timed and not self.folded

    @property
    def folded(self) -> bool:
        """Whether PE and SIMD of some layer were said."""
        return any(wish.folds for wish in self.by_hand.values())


def price(cost: Cost) -> float:
    """One number for a cost, in LUTs: a DSP block as 100, a kilobit of block RAM as 11."""
    return cost.lut + 0.25 * cost.ff + 100 * cost.dsp + 0.011 * cost.ram_bits


PRICES = np.array(
    [{"lut": 1, "ff": 0.25, "dsp": 100, "ram_bits": 0.011}.get(r, 0) for r in RESOURCES]
)
"""The weights of :func:`price`, for amounts."""


def choose_folds(graph: Graph, target: Target) -> dict[Node, Fold]:
    """Fold of every Dense. Errors: as of :func:`cheapest`."""
    return {node: taken.fold for node, taken in cheapest(graph, target).taken.items()}


def cheapest(graph: Graph, target: Target) -> Choice:
    """The folds with the least price for the cycles of a target, found together.

    Errors: ``codegen.fold``, ``codegen.unit``, ``codegen.target``; all of them at once.
    """
    cycles, errors = budget(graph, target), list[UserError]()
    memory = memory_of(graph, target, cycles, errors)
    errors += out_of_reach(memory, cycles, target)
    raise_all(errors)
    return cheapest_of(memory, cycles)


def cheapest_of(memory: Memory, cycles: int) -> Choice:
    """The cheapest folds at cycles a frame that are within reach."""
    choice = memory.model(cycles).choose(PRICES)
    assert choice is not None, "every layer has a fold, and lanes can always be converted"
    return choice


def memory_of(graph: Graph, target: Target, cycles: int, errors: list[UserError]) -> Memory:
    """What the search looks at; wishes that cannot be go to ``errors``."""
    layers = [node for node in graph if isinstance(node.op, Dense)]
    wishes = wished(layers, target.by_hand, cycles, errors)
    lanes = target.input_lanes
    if lanes is not None:
        odd = [n for n in graph if isinstance(n.op, Input) and n.type.size % lanes]
        errors += [_odd_lanes(node, lanes) for node in odd]
        lanes = None if odd else lanes
    return Memory(graph, wishes, unrolled=target.unrolled, lanes=lanes)


def _odd_lanes(node: Node, lanes: int) -> UserError:
    size = node.type.size
    return UserError(
        "codegen.input-lanes",
        f"{lanes} elements a beat do not divide a frame",
        where=f'--input-lanes {lanes}, input "{node.name}"',
        why=f"a frame has {size:,} elements, and every beat carries as many of them",
        fix=(f"one of {', '.join(map(str, divisors(size)))}", "leave --input-lanes out"),
    )


def out_of_reach(memory: Memory, cycles: int, target: Target) -> list[UserError]:
    """Layers that no fold makes as quick as these cycles a frame."""
    errors = []
    for node in memory.dense:
        options = memory.options(node, cycles)
        if not options.allowed(cycles).any():
            wish = memory.wishes.get(node, Wish())
            errors.append(_out_of_reach(node, int(options.cycles.min()), wish, target))
    return errors


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

    A Gather is as wide as the beats that it moves; softmax and layer norm wait for their unit.
    """
    op = node.op
    match op:
        case Window(groups=groups):
            return max(node.args[0].type.vectors, node.type.vectors * op.taps * groups)
        case Depthwise(kernel=(kh, kw)) | MaxPool(kernel=(kh, kw)):
            return max(node.args[0].type.vectors, node.type.vectors * kh * kw)
        case Dense(groups=groups):
            return node.type.vectors * groups
        case IntLayerNorm():
            return IntLayerNormStage("n", "n", (), "n", _widest(node), op).interval
        case IntSoftmax():
            return IntSoftmaxStage("n", "n", (), "n", _widest(node), op).interval
        case Gather():
            x, y = node.args[0].type, node.type
            most = granularity(op.index.data.reshape(-1), x.channels, y.channels)
            return max(x.size, y.size) // most
        case _:
            return node.type.vectors


def _widest(node: Node) -> Stream:
    """Its source with all channels in a beat."""
    x = node.args[0].type
    return Stream(x.int_elem, x.channels, x.vectors, x.channels)


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


def _out_of_reach(node: Node, least: int, wish: Wish, target: Target) -> UserError:
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
