"""The search over intervals: the fastest design within limits, and the whole trade-off curve.

Only some numbers of cycles a frame matter: those that some way to build some layer takes, and those
at which a window, a pool or a join gets other lanes. Between two of them the cheapest design is the
same. At each of them fold_model.py gives the design of least price, exactly.

Several limits at once (LUTs *and* DSP blocks ...) are no price. Whether a design keeps them is
decided by Lagrange multipliers (Everett 1963): a limit that is broken is made dearer, by weights
that grow exponentially with the excess (multiplicative weights; Plotkin, Shmoys, Tardos 1995). Then

- a design that keeps all limits proves that there is one;
- weights under which even the cheapest design costs more than the limits are worth prove that there
  is none. With one limit the first weights are such a proof, or find a design;
- what is left in between after ROUNDS is called refused, and not proven (`Fit.proven`).

Of the designs that keep the limits the cheapest is wanted; `Fit.gap` bounds what a cheaper one
could save. Depths of FIFOs are not known here, see gatesmith/fold_target.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatesmith.codegen.fold import PRICES, fewest_cycles
from gatesmith.codegen.fold_model import Choice, Memory, Model
from gatesmith.codegen.lane_costs import RESOURCES, Amounts
from gatesmith.ops.input import Input
from gatesmith.ops.window import Window

ROUNDS = 24
"""Weights that are tried before limits are called broken without a proof."""

STEPS = 12
"""Halvings of the search for the least price within limits."""

LOOK = 8
"""Intervals that are tried below the least one that bisection finds."""

Limits = Mapping[str, int]
"""Most of some of RESOURCES."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether limits can be kept at some cycles a frame.

    Attributes:
        choice: A design that keeps them; None where none was found.
        nearest: The design that came nearest, or that one.
        proven: Whether there is none, where none was found; else whether the choice is the
            cheapest.
        gap: What a cheaper design within the limits could save at most, of its price.
    """

    choice: Choice | None
    nearest: Choice
    proven: bool
    gap: float = 0.0


def intervals(memory: Memory) -> tuple[int, ...]:
    """Every number of cycles a frame at which the cheapest design may change, rising."""
    points = {point for own in memory.points.values() for point in own or ()}
    for node in memory.nodes:
        if isinstance(node.op, Input):
            points.update(node.type.size // n for n in _lanes(node.type.size))
    for node in memory.dense:
        source = node.args[0]
        seen = memory.points[source] if isinstance(source.op, Window) else ()
        for cycles in (*(seen or ()), max(points, default=1), 1):
            points.update(memory.options(node, cycles).cycles.tolist())
    least = least_cycles(memory)
    most = max(points, default=least)
    return tuple(sorted({point for point in points if point > least} | {least, max(least, most)}))


def least_cycles(memory: Memory) -> int:
    """Fewest cycles a frame that every stage can keep."""
    own = [int(memory.options(node, 1).cycles.min()) for node in memory.dense]
    return max([1, *map(fewest_cycles, memory.nodes), *own])


def _lanes(size: int) -> tuple[int, ...]:
    return tuple(n for n in range(1, min(size, 4096) + 1) if size % n == 0)


def excess(choice: Choice, limits: Limits) -> dict[str, tuple[int, int]]:
    """What is broken: how much there is, and how much there may be."""
    has = {name: choice.of(name) for name in limits}
    return {name: (has[name], most) for name, most in limits.items() if has[name] > most}


# ---- limits at given cycles ---------------------------------------------------------------------


def within(memory: Memory, cycles: int, limits: Limits, *, by_hand: bool = False) -> Fit | None:
    """The cheapest design that keeps limits, and takes at most these cycles a frame.

    Args:
        memory: What is searched.
        cycles: Most cycles a frame.
        limits: Most of each resource.
        by_hand: Folds that were said may take more cycles.

    Returns:
        None where some stage cannot be that quick, whatever it takes.
    """
    model = memory.model(cycles)
    cheapest = model.choose(PRICES)
    if cheapest is None or (cheapest.interval > cycles and not by_hand):
        return None
    broken = excess(cheapest, limits)
    if not broken:
        return Fit(cheapest, cheapest, cheapest.exact)
    names = list(limits)
    scale = np.array([max(1, limits[name]) for name in names], np.float64)
    share = np.array([float(name in broken) for name in names])
    nearest = cheapest
    for _ in range(ROUNDS):
        weights = _weights(names, share / share.sum() / scale)
        choice = model.choose(weights)
        assert choice is not None, "the same layers have the same folds"
        nearest = min(nearest, choice, key=lambda c: _worst(c, limits))
        if not excess(choice, limits):
            return _cheaper(model, limits, weights, choice)
        worth = sum(weights[RESOURCES.index(name)] * limits[name] for name in names)
        if choice.exact and choice.price > worth * (1 + 1e-9):
            return Fit(None, nearest, proven=True)
        over = np.array([choice.of(name) for name in names]) / scale - 1
        share = share / share.sum() * np.exp(np.clip(over, -1, 1)) + 1e-6
    return Fit(None, nearest, proven=False)


def _weights(names: list[str], values: Amounts) -> Amounts:
    weights = np.zeros(len(RESOURCES))
    for name, value in zip(names, values, strict=True):
        weights[RESOURCES.index(name)] = value
    return weights


def _worst(choice: Choice, limits: Limits) -> float:
    """How far beyond its limits a design is, in parts of them."""
    return sum(has / max(1, most) - 1 for has, most in excess(choice, limits).values())


def _cheaper(model: Model, limits: Limits, weights: Amounts, found: Choice) -> Fit:
    """Between the price, which breaks limits, and weights that keep them: the cheapest."""
    best, price = found, float(found.amounts @ PRICES)
    unit = price / max(float(found.amounts @ weights), 1e-9)
    worth = sum(weights[RESOURCES.index(name)] * most for name, most in limits.items())
    bound, low, high = 0.0, -12.0, 8.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        factor = unit * 2.0**middle
        choice = model.choose(PRICES + factor * weights)
        assert choice is not None, "the same layers have the same folds"
        bound = max(bound, choice.price - factor * worth)
        if excess(choice, limits):
            low = middle
            continue
        high = middle
        own = float(choice.amounts @ PRICES)
        if own < price:
            best, price = choice, own
    gap = max(0.0, 1 - bound / price) if price else 0.0
    return Fit(best, best, gap < 1e-9, gap)


# ---- the fastest --------------------------------------------------------------------------------


@dataclass(slots=True)
class Search:
    """The search for the fastest design within limits.

    Attributes:
        memory: What is searched.
        limits: Most of each resource.
        candidates: Cycles a frame, rising.
        fits: What was found, by place among the candidates.
    """

    memory: Memory
    limits: Limits
    candidates: tuple[int, ...]
    fits: dict[int, Fit | None] = field(default_factory=dict)

    def fit(self, place: int) -> Fit | None:
        """At one of the candidates."""
        if place not in self.fits:
            self.fits[place] = within(self.memory, self.candidates[place], self.limits)
        return self.fits[place]

    def fastest(self) -> Fit:
        """With the fewest cycles a frame; without a choice where even the slowest is too large.

        Bisection: what fits at some cycles a frame mostly fits at more of them. Converters are the
        exception, so some intervals below are looked at too.
        """
        last = len(self.candidates) - 1
        slowest = self.fit(last)
        assert slowest is not None, "at the most cycles every layer has a fold"
        if slowest.choice is None:
            return slowest
        low, high = -1, last
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._fits(middle) else (middle, high)
        at = high - 1
        while at >= 0 and high - at <= LOOK:
            if self._fits(at):
                high = at
            at -= 1
        found = self.fit(high)
        assert found is not None
        return found

    def refused(self, choice: Choice) -> Fit | None:
        """What was found at the next interval below a choice; None where nothing was tried."""
        below = [p for p in self.fits if self.candidates[p] < choice.interval]
        return self.fits[max(below)] if below else None

    def _fits(self, place: int) -> bool:
        found = self.fit(place)
        return found is not None and found.choice is not None


# ---- the curve ----------------------------------------------------------------------------------


def faster(memory: Memory, interval: int, candidates: tuple[int, ...]) -> Choice | None:
    """The cheapest design at the next fewer cycles; None where none is faster."""
    below = [cycles for cycles in candidates if cycles < interval]
    if not below:
        return None
    choice = memory.model(below[-1]).choose(PRICES)
    return None if choice is None or choice.interval >= interval else choice


def curve(memory: Memory, candidates: tuple[int, ...], points: int) -> tuple[Choice, ...]:
    """The cheapest design at up to so many intervals, spread evenly in their logarithm, rising.

    Points that another one beats in both are left out.
    """
    kept = _spread(candidates, points)
    found: list[Choice] = []
    for cycles in kept:
        choice = memory.model(cycles).choose(PRICES)
        if choice is None or choice.interval > cycles:
            continue
        if not found or choice.price < found[-1].price:
            found.append(choice)
    return tuple(found)


def _spread(candidates: tuple[int, ...], points: int) -> tuple[int, ...]:
    if len(candidates) <= points:
        return candidates
    wanted = np.geomspace(candidates[0], candidates[-1], points)
    places = np.unique(np.searchsorted(candidates, wanted * (1 - 1e-9)))
    return tuple(candidates[place] for place in places)
