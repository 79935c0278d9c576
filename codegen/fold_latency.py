"""The cheapest design of a latency, by exact schedules of designs that are tried.

The latency of a frame is no sum over layers, so there is no exact search here. What is tried:

1. the cheapest design at every number of cycles a frame, the most cycles first found by bisection;
2. at larger numbers of cycles designs whose layers keep a vector for fewer cycles: the delay of a
   layer (from the last beat of a vector in to the end of what it gives) has a price, bisected.

Every design that is taken or turned down for its latency was planned, and its schedule computed
(Design.least_latency; where branches meet it may take longer, and gatesmith/folding.py asks again
for less). The number of tries is bounded by counted work, so that equal inputs give equal answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gatesmith.codegen.fold import PRICES
from gatesmith.codegen.fold_model import Choice, Memory
from gatesmith.codegen.fold_search import Limits, excess
from gatesmith.codegen.lane_costs import RESOURCES

MORE = 6
"""Larger numbers of cycles at which delays are given a price."""

STEPS = 6
"""Halvings of that price at each of them."""

WORK = 60_000_000
"""Beats of all designs whose schedules are computed."""


@dataclass(slots=True)
class Latencies:
    """The search.

    Attributes:
        memory: What is searched.
        measure: Latency of a choice, in cycles, and beats that were scheduled for it.
        candidates: Cycles a frame, rising.
        most: Latency that is allowed.
        limits: Resources that are allowed.
    """

    memory: Memory
    measure: Callable[[Choice], tuple[int, int]]
    candidates: tuple[int, ...]
    most: int
    limits: Limits = field(default_factory=dict)
    spent: int = 0
    best: Choice | None = None
    best_latency: int = 0
    least: tuple[int, Choice] | None = None

    def run(self) -> Choice | None:
        """The cheapest that was found; None where none is quick enough."""
        places = [p for p, cycles in enumerate(self.candidates) if cycles <= self.most] or [0]
        self.quick(places[0], 0.0)
        if self.best is None:
            for power in range(0, 24, 4):
                self.quick(places[0], 2.0**power)
        low, high = places[0], places[-1] + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.quick(middle, 0.0) else (low, middle)
        for place in _spread(low, places[-1]):
            self.priced(place)
        return self.best

    def priced(self, place: int) -> None:
        """Find the least price of a cycle of delay that is enough at this interval."""
        low, high = -4.0, 20.0
        if not self.quick(place, 2.0**high):
            return
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.quick(place, 2.0**middle) else (middle, high)

    def quick(self, place: int, price: float) -> bool:
        """Whether the cheapest design at a price of delay is quick enough; keeps the best."""
        if self.spent > WORK:
            return False
        weights = PRICES.copy()
        weights[RESOURCES.index("delay")] = price
        choice = self.memory.model(self.candidates[place]).choose(weights)
        slowest = place == len(self.candidates) - 1  # some stage may be slower even so
        if choice is None or (choice.interval > self.candidates[place] and not slowest):
            return False
        latency, beats = self.measure(choice)
        self.spent += beats
        if self.least is None or latency < self.least[0]:
            self.least = (latency, choice)
        if latency > self.most:
            return False
        if excess(choice, self.limits):
            return True
        own = float(choice.amounts @ PRICES)
        if self.best is None or own < float(self.best.amounts @ PRICES):
            self.best, self.best_latency = choice, latency
        return True


def _spread(low: int, high: int) -> list[int]:
    """Some places between two, both among them."""
    return sorted(set(np.linspace(low, high, MORE).round().astype(int).tolist()))
