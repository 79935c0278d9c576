"""From a bit heap to a number: which chains, stage after stage, and their lines.

Stages work on counts of bits first (:func:`plan`): chains that remove most bits a LUT are taken
while they remove ``accept`` bits a LUT or more, those that are worth less only where nothing better
is left; some bits are kept back in the first stage, where the plain wires that make a window worth
most are not there yet. A few such policies are tried and the cheapest plan is kept. Equal counts
have equal plans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeAlias

from gatesmith.codegen.bit_heap import ONE, Bit, BitHeap
from gatesmith.codegen.chains import Chain, best_chain, capped, ending_chain
from gatesmith.codegen.wiring import Wiring

ACCEPT = (1.4, 1.2, 1.0)
"""Bits a LUT removes in chains that are taken whenever they are found; tried in turn."""

KEEP = (0.0, 0.3, 0.46)
"""Part of the bits that is kept back in the first stage; tried in turn."""

PRICES = (1.6, 1.4, 1.2, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0, -1.0)
"""Bits that a LUT must remove, the dearest chains last."""

FLIP_FLOP = 0.1
"""Price of a flip-flop, in LUTs."""

MOST_AT_LAST = 7
"""Bits of a weight at most, where the chain that ends a sum is looked for."""

STAGE = 0.05
"""Price of a stage of chains, in LUTs."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bits by weight that come at a time.

    Attributes:
        time: Stage that can read them first.
        bits: All of them.
        plain: Those that are not inverted.
    """

    time: int
    bits: tuple[int, ...]
    plain: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Chains of each stage.

    Attributes:
        stages: Chains, and how many of each.
        price: LUTs, flip-flops and stages in LUTs.
    """

    stages: tuple[tuple[tuple[Chain, int], ...], ...]
    price: float


Planner: TypeAlias = Callable[[Sequence[Arrival], int], Plan]
"""From arrivals, and weights there are, to a plan that leaves one number."""


@lru_cache(maxsize=1 << 14)
def plan(arrivals: tuple[Arrival, ...], columns: int, depth: int, least: float | None) -> Plan:
    """The cheapest plan of some policies.

    Args:
        arrivals: In their order; the first one's time is taken modulo ``depth``.
        columns: Weights there are; the sum is taken modulo ``2**columns``.
        depth: Stages between registers.
        least: Bits that a LUT must remove; None goes on until one number is left.
    """
    keeps = KEEP if sum(arrivals[0].bits) > 12 else KEEP[:1]
    plans = [
        _Planning(arrivals, columns, depth, least).run(accept, keep)
        for accept, keep in product(ACCEPT, keeps)
    ]
    return min(plans, key=lambda p: p.price)


def compress(
    heap: BitHeap,
    wiring: Wiring,
    columns: int,
    least: float | None = None,
    *,
    planner: Planner | None = None,
) -> list[list[Bit]]:
    """Make the sum of a heap's bits, modulo ``2**columns``.

    Args:
        heap: Bits and, when a number is asked for, the constant.
        wiring: Takes the lines.
        columns: Weights there are: bits of the number.
        least: None for a number, else the bits that a LUT must remove to be worth it: what is left
            is a heap again, and the constant is not in it.
        planner: Makes the plan from arrivals and columns, in the place of :func:`plan`.

    Returns:
        Bits by weight; of a number one of each weight, or none where it is 0.
    """
    left = [list(column) for column in heap.columns[:columns]]
    left += [[] for _ in range(columns - len(left))]
    if least is None:
        for weight, column in enumerate(left):
            column.extend([ONE] * (heap.constant >> weight & 1))
    if max(map(len, left), default=0) < 2:
        return left
    times = sorted({max(bit.time, 0) for column in left for bit in column})
    first = times[0] - times[0] % wiring.depth
    arrivals = tuple(_arrival(left, time, time - first, first=time == times[0]) for time in times)
    for stage, chains in enumerate(
        (
            planner(arrivals, columns) if planner else plan(arrivals, columns, wiring.depth, least)
        ).stages
    ):
        made = [
            (chain.start, _chain(chain, left, wiring, times[0] + stage, columns))
            for chain, count in chains
            for _ in range(count)
        ]
        for start, bits in made:
            for weight, bit in enumerate(bits, start):
                left[weight].append(bit)
    return left


def _arrival(columns: Sequence[Sequence[Bit]], time: int, relative: int, *, first: bool) -> Arrival:
    found = [[b for b in c if b.time == time or (first and b.time < time)] for c in columns]
    plain = tuple(sum(not bit.inverted for bit in column) for column in found)
    return Arrival(relative, tuple(map(len, found)), plain)


def _chain(
    chain: Chain, left: list[list[Bit]], wiring: Wiring, time: int, columns: int
) -> list[Bit]:
    """The lines of a chain, and its result; takes its bits away."""
    carry = _take(left[chain.start], time, plain=True) if chain.carry else None
    plain: list[Bit | None] = []
    summed: list[list[list[Bit]]] = []
    weight = chain.start
    for window in chain.windows:
        for place, taken in enumerate(window.plain):
            plain.append(_take(left[weight + place], time, plain=True) if taken else None)
        weight += window.slots
    weight = chain.start
    for window in chain.windows:
        summed.append(
            [
                [_take(left[weight + place], time, plain=False) for _ in range(count)]
                for place, count in enumerate(window.wires)
            ]
        )
        weight += window.slots
    outputs = len(chain.gives(columns))
    return wiring.chain(carry, plain, summed, time=time, outputs=outputs, lut=chain.lut)


def _take(column: list[Bit], time: int, *, plain: bool) -> Bit:
    """A bit that is there: the oldest; to be summed by a function, an inverted one."""
    there = [bit for bit in column if bit.time <= time]
    best = min(there, key=lambda bit: (bit.inverted == plain, bit is ONE, bit.time))
    column.remove(best)
    return best


class _Planning:
    """One policy at work: bits by weight, as counts."""

    def __init__(
        self, arrivals: Sequence[Arrival], columns: int, depth: int, least: float | None
    ) -> None:
        self.coming = list(arrivals)
        self.columns, self.depth, self.least = columns, depth, least
        self.time = arrivals[0].time
        self.bits, self.plain = [0] * columns, [0] * columns
        self.stages: list[tuple[tuple[Chain, int], ...]] = []
        self.price = 0.0

    def run(self, accept: float, keep: float) -> Plan:
        """All stages."""
        while True:
            self._arrive()
            if self.least is None and not self.coming and (last := self._last()) is not None:
                if last.slots:
                    self._take(last, 1, list(self.bits))
                    self._end_stage([(last, 1)])
                break
            held = [int(n * keep) for n in self.bits] if not self.stages else [0] * self.columns
            chains = self._chains(accept, held)
            if not chains and not self.coming:
                break
            self._end_stage(chains)
        while self.stages and not self.stages[-1]:
            self.stages.pop()
        return Plan(tuple(self.stages), self.price)

    def _arrive(self) -> None:
        while self.coming and self.coming[0].time <= self.time:
            arrival = self.coming.pop(0)
            for weight in range(self.columns):
                self.bits[weight] += arrival.bits[weight]
                self.plain[weight] += arrival.plain[weight]

    def _last(self) -> Chain | None:
        return ending_chain(self.bits, self.plain, MOST_AT_LAST)

    def _chains(self, accept: float, held: Sequence[int]) -> list[tuple[Chain, int]]:
        """Chains of a stage; takes their bits away."""
        bits = [have - hold for have, hold in zip(self.bits, held, strict=True)]
        found: list[tuple[Chain, int]] = []
        prices = PRICES if self.least is None else [p for p in PRICES if p > self.least]
        for price in [*prices, *([] if self.least is None else [self.least])]:
            while (chain := self._best(bits, price)) is not None:
                times = self._times(chain, bits)
                self._take(chain, times, bits)
                found.append((chain, times))
            if found and price <= accept:
                break
        return found

    def _best(self, bits: Sequence[int], price: float) -> Chain | None:
        best: tuple[float, Chain] | None = None
        for start in range(self.columns):
            if bits[start] < 2:
                continue
            here, plain = capped(bits[start:]), capped(map(min, bits[start:], self.plain[start:]))
            found = best_chain(here, plain, self.columns - start, price)
            if found is not None and (best is None or found[0] > best[0] + 1e-9):
                best = found[0], Chain(start, found[1].carry, found[1].windows)
        return None if best is None else best[1]

    def _times(self, chain: Chain, bits: Sequence[int]) -> int:
        """How often there are bits for it."""
        start = chain.start
        limits = [
            have // take for have, take in zip(bits[start:], chain.takes(), strict=False) if take
        ]
        limits += [
            have // take
            for have, take in zip(self.plain[start:], chain.plain(), strict=False)
            if take
        ]
        return max(1, min(limits))

    def _take(self, chain: Chain, times: int, bits: list[int]) -> None:
        for offset, (take, plain) in enumerate(zip(chain.takes(), chain.plain(), strict=True)):
            weight = chain.start + offset
            inverted = self.bits[weight] - self.plain[weight]
            bits[weight] -= take * times
            self.bits[weight] -= take * times
            # Functions take what is inverted first.
            self.plain[weight] -= times * take - min(inverted, times * (take - plain))

    def _end_stage(self, chains: list[tuple[Chain, int]]) -> None:
        for chain, times in chains:
            self.price += chain.lut * times
            for weight in chain.gives(self.columns):
                self.bits[weight] += times
                self.plain[weight] += times
        self.stages.append(tuple(chains))
        self.time += 1
        self.price += STAGE
        if self.time % self.depth == 0:
            self.price += FLIP_FLOP * sum(self.bits)
