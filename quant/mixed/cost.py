"""What a network costs as hardware, and the table of what its parts cost at each width.

The numbers come from outside (gatesmith/hardware_cost.py plans the design); here they are only
added up, so that the optimiser needs no hardware.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

RESOURCES = ("lut", "ff", "dsp", "ram_bits", "weight_bits", "cycles")
"""Everything a budget can limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Resources of a design or of a part of one.

    Attributes:
        lut: 6-input look-up tables.
        ff: Flip-flops.
        dsp: Multiplier blocks.
        ram_bits: Bits of block RAM.
        weight_bits: Bits of the weight memories, wherever they are put.
        cycles: Clock cycles from one frame to the next; parts run side by side, so a sum has the
            largest of its parts.

    >>> Cost(lut=3, cycles=8) + Cost(lut=4, cycles=5)
    Cost(lut=7, ff=0, dsp=0, ram_bits=0, weight_bits=0, cycles=8)
    """

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    ram_bits: int = 0
    weight_bits: int = 0
    cycles: int = 0

    def __add__(self, other: Cost) -> Cost:
        both = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        both["cycles"] = max(self.cycles, other.cycles)
        return Cost(**both)

    def of(self, resource: str) -> int:
        """Amount of one of :data:`RESOURCES`."""
        if resource not in RESOURCES:
            raise ValueError(f"resources are {', '.join(RESOURCES)}, not {resource}")
        amount: int = getattr(self, resource)
        return amount

    @property
    def price(self) -> float:
        """One number, in LUTs, as codegen/fold.py weighs DSP blocks and block RAM."""
        return self.lut + 0.25 * self.ff + 100 * self.dsp + 0.011 * self.ram_bits

    def __str__(self) -> str:
        return ", ".join(f"{f.name} {getattr(self, f.name):,}" for f in fields(self))


def total(costs: Iterable[Cost]) -> Cost:
    """Sum of several."""
    result = Cost()
    for cost in costs:
        result += cost
    return result


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the network whose cost hangs on the widths of at most two sites.

    A layer with its weights and what it reads, or a value that no layer reads (a branch of a sum).

    Attributes:
        name: Of the layer, or of the site that no layer reads.
        weight: Name of the site of its weights; None where it has none.
        activation: Name of the site of the value that it reads, or of its own; None where that is
            not quantized by choice of ours.
    """

    name: str
    weight: str | None
    activation: str | None

    def key(self, bits: Mapping[str, int]) -> Key:
        """Where its cost stands in the table, for these widths of all sites."""
        return (
            0 if self.weight is None else bits[self.weight],
            0 if self.activation is None else bits[self.activation],
        )


Key: TypeAlias = tuple[int, int]
"""(bits of the weights, bits of what is read); 0 where a unit has no such site."""

Table: TypeAlias = Mapping[str, Mapping[Key, Cost]]
"""Cost of each unit, by its name, for each choice of widths."""


def predicted(units: Iterable[Unit], table: Table, bits: Mapping[str, int]) -> Cost:
    """Cost of a choice of widths, by the table."""
    return total(table[unit.name][unit.key(bits)] for unit in units)


def cost_function(
    units: Sequence[Unit], table: Table, resource: str
) -> Callable[[Mapping[str, Any]], Any]:
    """A resource as a function of real widths, linear between those of the table.

    For training with bits as parameters (FracBits, Yang and Jin, 2021, section 3.2). The widths may
    be floats, NumPy scalars or torch scalars, whose gradients pass through; outside the table's
    widths its outermost ones hold.

    Args:
        units: Parts of the network.
        table: Cost of every unit on a full grid of widths.
        resource: One of RESOURCES, but ``cycles``: parts that run side by side have no sum.

    >>> table = {"a": {(2, 0): Cost(lut=10), (4, 0): Cost(lut=20)}}
    >>> cost_function([Unit("a", "w", None)], table, "lut")({"w": 3.5})
    17.5
    """
    if resource == "cycles":
        raise ValueError("cycles of parts that run side by side do not add up")
    grids = {unit.name: _grid(unit.name, table[unit.name], resource) for unit in units}

    def cost(bits: Mapping[str, Any]) -> Any:
        result: Any = 0.0
        for unit in units:
            weights, reads, amounts = grids[unit.name]
            w = 0.0 if unit.weight is None else bits[unit.weight]
            a = 0.0 if unit.activation is None else bits[unit.activation]
            for i, part in _between(weights, w):
                for k, other in _between(reads, a):
                    result = result + part * other * amounts[i][k]
        return result

    return cost


def _grid(
    name: str, costs: Mapping[Key, Cost], resource: str
) -> tuple[list[int], list[int], list[list[int]]]:
    """Widths of both, rising, and the amounts at their pairs."""
    weights, reads = sorted({w for w, _ in costs}), sorted({a for _, a in costs})
    missing = [(w, a) for w in weights for a in reads if (w, a) not in costs]
    if missing:
        raise ValueError(f"{name}: the table has no cost of {missing}")
    return weights, reads, [[costs[w, a].of(resource) for a in reads] for w in weights]


def _between(widths: Sequence[int], at: Any) -> list[tuple[int, Any]]:
    """Places in ``widths`` and their parts of what holds at ``at``."""
    value = float(at.detach() if hasattr(at, "detach") else at)
    if value <= widths[0]:
        return [(0, 1.0)]
    if value >= widths[-1]:
        return [(len(widths) - 1, 1.0)]
    upper = bisect_right(widths, value)
    part = (at - widths[upper - 1]) / (widths[upper] - widths[upper - 1])
    return [(upper - 1, 1 - part), (upper, part)]
