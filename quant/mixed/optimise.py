"""Bits for each site: the least summed error under limits of cost, exactly.

An integer program with one variable y[s, b] for each site and width, which says whether the site
has it, and one x[u, k] for each unit (layer) and pair of widths, whose cost is in the table:

    minimise    sum of error[s][b] * y[s, b]
    subject to  sum over b of y[s, b] = 1                        each site has one width
                sum over the k of u that have width b at s of x[u, k] = y[s, b]
                sum of cost[u][k] * x[u, k] <= limit              for each resource
                sum over k of cycles[u][k] * x[u, k] <= limit     for each unit

With y whole, x is 0 or 1 by itself. Solved by HiGHS (Huangfu and Hall, 2018) to no gap; a solution
that HiGHS takes for feasible by its tolerance and is not, is cut off and the rest searched. Source
of the problem: HAWQ-V3, Yao et al., 2021, section 3.4; there without what activations cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from gatesmith.errors import UserError
from gatesmith.ir import Reals
from gatesmith.quant.mixed.cost import Cost, Table, Unit, predicted

Errors: TypeAlias = Mapping[str, Mapping[int, float]]
"""Of each site, the error that each width makes. Its keys are the widths to choose from."""

PRICE = "price"
"""May be limited like a resource: :attr:`Cost.price`."""

_SCALE = 1e6  # HiGHS stops 1e-6 from the optimum; of this, that is nothing
_CUTS = 50


class NoChoiceError(Exception):
    """No choice of widths keeps the limits.

    Attributes:
        bits: The choice that breaks them least: by the least factor.
        cost: Of that choice.
    """

    def __init__(self, bits: dict[str, int], cost: Cost) -> None:
        super().__init__("no choice of widths keeps the limits")
        self.bits, self.cost = bits, cost


def choose_bits(
    units: Sequence[Unit],
    errors: Errors,
    table: Table,
    limits: Mapping[str, float],
    tied: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Width of each site, for the least sum of errors within the limits.

    Args:
        units: Parts of the network.
        errors: Finite, of every site of a unit; other sites cost nothing.
        table: Cost of every unit for every pair of its sites' widths.
        limits: Most of each resource, and of PRICE.
        tied: Sites that must have the width of another one.

    Raises:
        NoChoiceError: Nothing keeps the limits.
    """
    program = _Program(units, errors, table, tied or {})
    cuts: list[dict[str, int]] = []
    for _ in range(_CUTS):
        bits = program.solve(limits, cuts)
        if bits is None:
            nearest = program.nearest(limits)
            raise NoChoiceError(nearest, predicted(units, table, nearest))
        if not exceeded(predicted(units, table, bits), limits):
            return bits
        cuts.append(bits)
    raise AssertionError("HiGHS gives choices that break the limits")


def exceeded(cost: Cost, limits: Mapping[str, float]) -> tuple[str, ...]:
    """Resources of which there is too much."""
    return tuple(name for name, most in limits.items() if amount(cost, name) > most)


def amount(cost: Cost, name: str) -> float:
    """Of a resource, or the price."""
    return cost.price if name == PRICE else cost.of(name)


def out_of_budget(text: str, limits: Mapping[str, int], cost: Cost, nearest: str) -> UserError:
    """The error quantize.budget for limits that cannot be kept.

    Args:
        text: The budget as the user wrote it.
        limits: Of the budget.
        cost: What comes nearest.
        nearest: What that is, in words.
    """
    over = [(name, limits[name], cost.of(name)) for name in limits if cost.of(name) > limits[name]]
    broken = "; ".join(f"{name} is {has:,} and may be {most:,}" for name, most, has in over)
    enough = ",".join(f"{name}={max(most, cost.of(name))}" for name, most in limits.items())
    return UserError(
        "quantize.budget",
        "no choice of bits keeps the budget",
        where=f"--budget {text}",
        why=f"{nearest}: {broken}" if broken else nearest,
        fix=(
            f"allow more: {enough}",
            "allow fewer bits, or a larger --cycles, so that layers share their hardware over time",
        ),
    )


@dataclass(slots=True)
class _Rows:
    """Rows of a sparse matrix with their bounds, being collected."""

    columns: int
    entries: list[dict[int, float]] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def add(self, entries: Mapping[int, float], low: float, high: float) -> None:
        self.entries.append(dict(entries))
        self.low.append(low)
        self.high.append(high)

    def constraint(self) -> Any:
        from scipy.optimize import (  # type: ignore[import-untyped,unused-ignore]
            LinearConstraint,
        )
        from scipy.sparse import csr_array  # type: ignore[import-untyped,unused-ignore]

        rows = [row for row, entries in enumerate(self.entries) for _ in entries]
        columns = [column for entries in self.entries for column in entries]
        values = [value for entries in self.entries for value in entries.values()]
        shape = (len(self.entries), self.columns)
        return LinearConstraint(
            csr_array((values, (rows, columns)), shape=shape), self.low, self.high
        )


class _Program:
    """The variables and the rows that do not hang on the limits."""

    def __init__(
        self, units: Sequence[Unit], errors: Errors, table: Table, tied: Mapping[str, str]
    ) -> None:
        self.units, self.table, self.errors = units, table, errors
        self.y: dict[tuple[str, int], int] = {}
        self.x: dict[tuple[str, tuple[int, int]], int] = {}
        for site, widths in errors.items():
            if not widths or not all(np.isfinite(list(widths.values()))):
                raise ValueError(f"{site}: errors must be finite numbers, one or more")
            for bits in widths:
                self.y[site, bits] = len(self.y)
        for unit in units:
            for key in self._keys(unit):
                self.x[unit.name, key] = len(self.y) + len(self.x)
        self.columns = len(self.y) + len(self.x) + 1  # the last is the factor of nearest()
        self.fixed = _Rows(self.columns)
        self._one_width(tied)
        self._marginals()

    def _keys(self, unit: Unit) -> list[tuple[int, int]]:
        """Pairs of widths that the unit can have."""
        weights = list(self.errors[unit.weight]) if unit.weight else [0]
        reads = list(self.errors[unit.activation]) if unit.activation else [0]
        keys = [(w, a) for w in weights for a in reads]
        missing = [key for key in keys if key not in self.table[unit.name]]
        if missing:
            raise ValueError(f"{unit.name}: the table has no cost of {missing}")
        return keys

    def _one_width(self, tied: Mapping[str, str]) -> None:
        for site, widths in self.errors.items():
            self.fixed.add({self.y[site, bits]: 1 for bits in widths}, 1, 1)
        for site, other in tied.items():
            for bits in self.errors[site]:
                own, its = self.y[site, bits], self.y.get((other, bits))
                self.fixed.add({own: 1} if its is None else {own: 1, its: -1}, 0, 0)

    def _marginals(self) -> None:
        for unit in self.units:
            keys = self._keys(unit)
            if not (unit.weight or unit.activation):
                self.fixed.add({self.x[unit.name, keys[0]]: 1}, 1, 1)
            for place, site in enumerate((unit.weight, unit.activation)):
                if site is None:
                    continue
                for bits in self.errors[site]:
                    row = {self.x[unit.name, key]: 1.0 for key in keys if key[place] == bits}
                    self.fixed.add(row | {self.y[site, bits]: -1}, 0, 0)

    def solve(
        self, limits: Mapping[str, float], cuts: Sequence[Mapping[str, int]]
    ) -> dict[str, int] | None:
        """The least error within the limits, but for the choices in ``cuts``; None: nothing is."""
        rows = _Rows(self.columns)
        self._limit(rows, limits, factor=False)
        for bits in cuts:
            rows.add({self.y[item]: 1 for item in bits.items()}, -np.inf, len(bits) - 1)
        aim = np.zeros(self.columns)
        for (site, width), column in self.y.items():
            aim[column] = self.errors[site][width]
        return self._minimum(aim * (_SCALE / max(float(np.abs(aim).max()), 1e-300)), rows)

    def nearest(self, limits: Mapping[str, float]) -> dict[str, int]:
        """The choice with the least factor between what it takes and a limit."""
        rows = _Rows(self.columns)
        self._limit(rows, limits, factor=True)
        aim = np.zeros(self.columns)
        aim[-1] = 1
        bits = self._minimum(aim, rows)
        assert bits is not None, "a factor is large enough"
        return bits

    def _limit(self, rows: _Rows, limits: Mapping[str, float], *, factor: bool) -> None:
        """Rows for the limits, each divided by it; with ``factor`` so many times as much."""
        for name, most in limits.items():
            unit_rows: dict[str, dict[int, float]] = {}
            for (unit, key), column in self.x.items():
                row = unit_rows.setdefault(unit if name == "cycles" else "", {})
                row[column] = amount(self.table[unit][key], name) / max(most, 1)
            for row in unit_rows.values():
                if factor:
                    rows.add(row | {self.columns - 1: -1}, -np.inf, 0)
                else:
                    rows.add(row, -np.inf, most / max(most, 1))

    def _minimum(self, aim: Reals, rows: _Rows) -> dict[str, int] | None:
        from scipy.optimize import Bounds, milp  # type: ignore[import-untyped,unused-ignore]

        whole = np.zeros(self.columns)
        whole[: len(self.y)] = 1
        high = np.ones(self.columns)
        high[-1] = np.inf
        constraints = [part.constraint() for part in (self.fixed, rows) if part.entries]
        bounds = Bounds(np.zeros(self.columns), high)
        found = milp(
            aim,
            integrality=whole,
            bounds=bounds,
            constraints=constraints,
            options={"mip_rel_gap": 0},
        )
        if found.x is None:
            return None
        return {site: bits for (site, bits), column in self.y.items() if found.x[column] > 0.5}
