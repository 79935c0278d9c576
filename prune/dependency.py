"""What goes together when a channel goes, on any graph of real operators.

1. Channel shuffles become one Take each (shuffles.py).
2. Labels go through the graph, from its inputs to its outputs (spread.py); inputs are fixed.
   Then what is left of every value is made an array for any choice of units (labels.py).
3. What the outputs are is fixed.
4. Grouped convolutions keep their groups of one size: sets that take as many channels from each
   group stay, others are united, place by place.
5. A value of which one set is all is fixed: without it nothing would be left.
6. The sets that layers make are the units; layers that share one are a group.

In the spirit of DepGraph (Fang et al., CVPR 2023, section 3), on labels of elements instead of a
graph of layers, so that reshapes need no rules of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Graph, Ints, Node
from gatesmith.ops.conv import Conv
from gatesmith.ops.mat_mul import MatMul
from gatesmith.prune.constants import weight_const
from gatesmith.prune.labels import FIXED, Units, varying
from gatesmith.prune.shuffles import shuffles_as_takes
from gatesmith.prune.spread import BINARY, Reading, Spread
from gatesmith.prune.structure import Group, Slice, Structure


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """A graph with labels.

    Attributes:
        graph: The function that was given, its shuffles as Take.
        labels: Of each node that depends on an input: the unit of each element
            (:data:`~gatesmith.prune.labels.FIXED` where it cannot go); extent 1 along axes along
            which it does not vary.
        layers: Each Conv and MatMul with constant weights, with labels.
        structure: The units and groups.
        units: Label of each unit of each group, by its name.
    """

    graph: Graph
    labels: dict[Node, Ints]
    layers: tuple[Reading, ...]
    structure: Structure
    units: dict[str, Ints]


def find_structure(graph: Graph) -> Structure:
    """What can be cut from a graph of real operators, and what cannot, and why."""
    return analyse(graph).structure


def analyse(graph: Graph) -> Analysis:
    """The same, with what cut.py needs to do it."""
    graph = shuffles_as_takes(graph)
    units = Units()
    spread = Spread(units)
    for node in graph:
        spread.visit(node)
    spread.settle()
    for output in graph.outputs:
        if output in spread.labels:
            what = f"the network's output {output.name}"
            units.fix(spread.labels[output], what, "they are the network's output")
    while any([_balance(layer, units) for layer in spread.layers if layer.groups > 1]):
        pass
    for node, labels in spread.labels.items():
        _keep_one(node, labels, units)
    return _Result(graph, spread).analysis()


def _balance(layer: Reading, units: Units) -> bool:
    """Unite the outputs of a grouped convolution until each set has as many in every group."""
    labels = layer.makes.reshape(layer.groups, -1)
    roots = units.roots(labels)
    kinds: dict[tuple[int, ...], list[int]] = {}
    for root in dict.fromkeys(roots.reshape(-1).tolist()):
        counts = tuple((roots == root).sum(axis=1).tolist())
        if root != FIXED and len(set(counts)) > 1:
            kinds.setdefault(counts, []).append(root)
    if not kinds:
        return False
    by = f"{layer.node.name} (of {layer.groups} groups)"
    pairs = min(len(found) for found in kinds.values())
    if not _even(list(kinds)):
        pairs = 0
    lists = np.array([found[:pairs] for found in kinds.values()], np.int64)
    units.unite(lists, lists[:1], by)
    rest = [(root, kind) for kind, found in kinds.items() for root in found[pairs:]]
    if rest:
        left = np.array([root for root, _ in rest])
        units.unite(left, left[:1], by)
        if not _even([kind for _, kind in rest]):
            units.fix(left, by, f"{by} would get groups of several sizes")
    return True


def _even(counts: list[tuple[int, ...]]) -> bool:
    """Whether these, added up, are as many in every group."""
    return len({sum(column) for column in zip(*counts, strict=True)}) == 1


def _keep_one(node: Node, labels: Ints, units: Units) -> None:
    """Fix the only set of a value."""
    (first, *others) = np.unique(units.roots(labels)).tolist()
    if others or first == FIXED:
        return
    count, tie = node.type.channels, units.tie(first)
    if not isinstance(node.op, Conv | MatMul):
        why = f"without them nothing would be left of {node.name}"
    elif count == 1:
        why = "there is only one"
    else:
        why = f"all {count} would go together through {tie}"
    units.fix(labels, f"all of {node.name}", why)


class _Result:
    """Groups, slices and guards from the labels of a graph."""

    def __init__(self, graph: Graph, spread: Spread) -> None:
        self.graph, self.spread, self.units = graph, spread, spread.units
        self.labels = {node: self.units.roots(ids) for node, ids in spread.labels.items()}
        self.slices: dict[int, list[Slice]] = {}
        self.channels: dict[int, list[tuple[str, int]]] = {}

    def analysis(self) -> Analysis:
        """Everything together."""
        made = [(layer, self.units.roots(layer.makes)) for layer in self.spread.layers]
        fixed = {
            layer.node.name: self.units.why(int(layer.makes[0]))
            for layer, roots in made
            if (roots == FIXED).all()
        }
        for layer, roots in made:
            for root, index in _positions(roots):
                self.channels.setdefault(root, []).extend((layer.node.name, i) for i in index)
        self._collect_slices()
        members = self._groups(made)
        groups = tuple(self._group(roots) for roots in members)
        number = {
            root: (group.name, i)
            for group, roots in zip(groups, members, strict=True)
            for i, root in enumerate(roots)
        }
        structure = Structure(groups, fixed, self._guards(number))
        layers = tuple(
            Reading(layer.node, self.units.roots(layer.reads), roots) for layer, roots in made
        )
        numbers = {
            group.name: np.array(roots) for group, roots in zip(groups, members, strict=True)
        }
        return Analysis(self.graph, self.labels, layers, structure, numbers)

    def _groups(self, made: list[tuple[Reading, Ints]]) -> list[list[int]]:
        """Units of each group: layers that share a unit are in one."""
        group: dict[int, int] = {}  # unit and number of its group
        members: dict[int, list[int]] = {}
        for number, (_, roots) in enumerate(made):
            own = [root for root in dict.fromkeys(roots.tolist()) if root != FIXED]
            joined = sorted({group[root] for root in own if root in group})
            target = joined[0] if joined else number
            for other in joined[1:]:
                members[target] += members.pop(other)
            new = [root for root in own if root not in group]
            if new or joined:
                members.setdefault(target, []).extend(new)
                group.update(dict.fromkeys(members[target], target))
        return [members[number] for number in sorted(members)]

    def _group(self, roots: list[int]) -> Group:
        order = {layer.node.name: i for i, layer in enumerate(self.spread.layers)}
        channels = tuple(tuple(self.channels[root]) for root in roots)
        layers = sorted({name for unit in channels for name, _ in unit}, key=order.__getitem__)
        slices = tuple(tuple(dict.fromkeys(self.slices.get(root, ()))) for root in roots)
        return Group(layers[0], tuple(layers), len(roots), slices, channels)

    def _collect_slices(self) -> None:
        """Parts of constants, by unit: weights, then biases and scales."""
        for layer in self.spread.layers:
            const = weight_const(layer.node.args[1])
            if const is None:
                continue
            rank = len(const.type.shape)
            self._add(const, "out", rank - 1, self.units.roots(layer.makes))
            self._add(const, "in", rank - 2, self.units.roots(layer.reads))
        for node, labels in self.labels.items():
            axis = varying(labels) if isinstance(node.op, BINARY) else None
            if axis is None:
                continue
            for arg in node.args:
                const = None if arg in self.labels else weight_const(arg)
                own = axis - len(labels.shape) + len(arg.type.shape)
                if const is not None and own >= 0 and arg.type.shape[own] > 1:
                    self._add(const, "bias", own, labels.reshape(-1))

    def _add(self, const: Node, role: str, axis: int, roots: Ints) -> None:
        for root, index in _positions(roots):
            if root in self.channels:
                self.slices.setdefault(root, []).append(Slice(const.name, role, axis, index))

    def _guards(self, number: dict[int, tuple[str, int]]) -> tuple[frozenset[tuple[str, int]], ...]:
        """The least sets of units without which a value would be empty."""
        found: dict[frozenset[tuple[str, int]], None] = {}
        for labels in self.labels.values():
            roots = np.unique(labels).tolist()
            if all(root in number for root in roots):
                found[frozenset(number[root] for root in roots)] = None
        return tuple(one for one in found if not any(other < one for other in found))


def _positions(roots: Ints) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each unit with the positions that it has, in the order of the first of them."""
    order = np.argsort(roots, kind="stable")
    ends = np.flatnonzero(np.diff(roots[order])) + 1
    parts = [part for part in np.split(order, ends) if part.size]
    for part in sorted(parts, key=lambda part: int(part[0])):
        if roots[part[0]] != FIXED:
            yield int(roots[part[0]]), tuple(part.tolist())
