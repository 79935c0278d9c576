"""Folding: how many outputs (PE) and inputs (SIMD) of each matrix-vector unit work side by side.

For a target of C cycles a frame the layers are independent: each takes the cheapest (PE, SIMD) of
its divisors with ``vectors * (out / PE) * (in / SIMD) <= C``. The search tries them all, so it is
exact for the cost formulas of the blocks; width converters are not weighed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isqrt

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.gather import granularity
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.threshold import ThresholdStage
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
class Fold:
    """Fold of one matrix-vector unit."""

    pe: int
    simd: int

    def cycles(self, node: Node) -> int:
        """Cycles a frame of a Dense under this fold."""
        assert isinstance(node.op, Dense)
        outs, ins = node.op.weights.shape
        return node.type.vectors * (outs // self.pe) * (ins // self.simd)


@dataclass(frozen=True, slots=True)
class Target:
    """What the user asked for.

    Attributes:
        cycles: Most clock cycles a frame; None lets us choose, see DEFAULT_CYCLES.
        by_hand: (PE, SIMD) by layer: the name in the IR or of the ONNX node.
        said: How the target was given, for messages.
    """

    cycles: int | None = None
    by_hand: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    said: str = "the default target"


def divisors(n: int) -> list[int]:
    """All divisors, ascending.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    low = [d for d in range(1, isqrt(n) + 1) if n % d == 0]
    return low + [n // d for d in reversed(low) if d * d != n]


def price(cost: Cost) -> float:
    """One number for a cost, in LUTs: a DSP block as 100, a kilobit of block RAM as 11."""
    return cost.lut + 0.25 * cost.ff + 100 * cost.dsp + 0.011 * cost.ram_bits


def choose_folds(graph: Graph, target: Target) -> dict[Node, Fold]:
    """Fold of every Dense. Errors: ``codegen.fold``, ``codegen.target``; all of them at once."""
    layers = [node for node in graph if isinstance(node.op, Dense)]
    errors: list[UserError] = []
    hand = _by_hand(layers, target.by_hand, errors)
    folds: dict[Node, Fold] = {}
    cycles = budget(graph, target)
    behind = {n.args[0]: n for n in graph if isinstance(n.op, Threshold)}
    for node in layers:
        fold = hand.get(node) or _cheapest(node, behind.get(node), cycles)
        if fold is None:
            errors.append(_out_of_reach(node, target))
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


def _cheapest(node: Node, threshold: Node | None, cycles: int) -> Fold | None:
    """The least price among all folds that meet the target; None when none does."""
    assert isinstance(node.op, Dense)
    outs, ins = node.op.weights.shape
    best: tuple[float, int, int] | None = None
    for pe in divisors(outs // node.op.groups):
        for simd in divisors(ins):
            fold = Fold(pe, simd)
            if fold.cycles(node) > cycles:
                continue
            cost = fold_cost(node, threshold, fold)
            best = min(best, (price(cost), pe, simd)) if best else (price(cost), pe, simd)
    return None if best is None else Fold(best[1], best[2])


def fold_cost(node: Node, threshold: Node | None, fold: Fold) -> Cost:
    """Cost of a Dense under a fold, with the Threshold behind it that runs at its lanes."""
    assert isinstance(node.op, Dense)
    x = node.args[0].type
    groups, ins = node.op.groups, node.op.weights.shape[1]
    source = Stream(x.int_elem, ins, x.vectors * groups, fold.simd)
    dense = DenseStage(node.name, node.name, (), node.name, node.op, source, fold.pe)
    if threshold is None:
        return dense.cost()
    assert isinstance(threshold.op, Threshold)
    sink = replace(dense.sink, channels=node.type.channels, vectors=node.type.vectors)
    behind = ThresholdStage("t", "t", (), "t", threshold.op, sink)
    return dense.cost() + behind.cost()


def _by_hand(
    layers: list[Node], given: Mapping[str, tuple[int, int]], errors: list[UserError]
) -> dict[Node, Fold]:
    """Folds that the user named, checked."""
    named: dict[Node, Fold] = {}
    for name, (pe, simd) in given.items():
        found = [node for node in layers if name == node.name or name in node.origin[:1]]
        if len(found) != 1:
            errors.append(_unknown_layer(name, layers))
            continue
        (node,) = found
        outs, ins = _sides(node)
        if pe < 1 or simd < 1 or outs % pe or ins % simd:
            errors.append(_does_not_divide(node, pe, simd))
            continue
        named[node] = Fold(pe, simd)
    return named


def _unknown_layer(name: str, layers: list[Node]) -> UserError:
    return UserError(
        "codegen.fold",
        f'no layer "{name}" to fold',
        where="--fold",
        why="the foldable layers are " + ", ".join(node.name for node in layers),
        fix=("use one of these names", "gatesmith inspect MODEL.onnx lists them"),
    )


def _does_not_divide(node: Node, pe: int, simd: int) -> UserError:
    outs, ins = _sides(node)
    return UserError(
        "codegen.fold",
        f"PE={pe}, SIMD={simd} cannot fold {node.name}",
        where=f'--fold, layer "{node.name}" with {ins} inputs and {outs} outputs',
        why="PE must divide the number of outputs, and SIMD the number of inputs",
        fix=(
            f"PE: one of {', '.join(map(str, divisors(outs)))}",
            f"SIMD: one of {', '.join(map(str, divisors(ins)))}",
        ),
    )


def _sides(node: Node) -> tuple[int, int]:
    """Outputs of a group and inputs of one."""
    assert isinstance(node.op, Dense)
    outs, ins = node.op.weights.shape
    return outs // node.op.groups, ins


def _out_of_reach(node: Node, target: Target) -> UserError:
    least = fewest_cycles(node)
    return UserError(
        "codegen.target",
        f"{target.cycles} cycles a frame are out of reach",
        where=f'layer "{node.name}", {target.said}',
        why=f"a matrix-vector unit takes at least one cycle for each of the {least} vectors",
        fix=(f"ask for {least} cycles or more",),
    )
