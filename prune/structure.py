"""What can be cut from a network, and what goes together: the result of dependency.py.

A **unit** is a set of channels (filters, neurons) that only go together: a channel of a layer, the
channels of other layers that are added to it, its place in the batch norm behind, its part of the
weights of every layer that reads it. A **group** holds the units that layers tied to each other
make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slice:
    """Elements of one constant that belong to one unit.

    Attributes:
        node: Name of the Const.
        role: ``out``: weights that make the unit; ``in``: weights that read it; ``bias``: a bias or
            scale by channel.
        axis: Axis of the constant.
        index: Positions along that axis.
    """

    node: str
    role: str
    axis: int
    index: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Units that are ranked against each other.

    Attributes:
        name: Of the first layer (Conv, MatMul) that makes them.
        layers: All layers whose outputs they are.
        count: Units.
        slices: Of each unit.
        channels: Of each unit: (layer, output channel) of the layers that make it.
    """

    name: str
    layers: tuple[str, ...]
    count: int
    slices: tuple[tuple[Slice, ...], ...]
    channels: tuple[tuple[tuple[str, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """All that can be cut from a graph.

    Attributes:
        groups: In the order of the graph. A channel that cannot be cut is in none.
        fixed: Name of each layer of whose outputs none can be cut, and why: "they are the network's
            output".
        guards: Sets of units, as (group, unit): one of each must stay, or a value would be empty.
    """

    groups: tuple[Group, ...]
    fixed: Mapping[str, str]
    guards: tuple[frozenset[tuple[str, int]], ...] = ()

    def group(self, name: str) -> Group:
        """The group of that name; ValueError for another one."""
        for group in self.groups:
            if group.name == name:
                return group
        raise ValueError(f"no group {name}: there are {', '.join(g.name for g in self.groups)}")
