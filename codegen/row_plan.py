"""Which chains compress a heap of numbers, quickly: for heaps of which no two are alike.

As codegen/compression.py, stage after stage, with one search over all chains wherever they start:
the chain of the largest worth, bits removed less ``price`` a LUT, is found from the lowest column
up (the segment of largest sum, by dynamic programming). Full windows alone are tried in all stages
but the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gatesmith.codegen.chains import Chain, Window, ending_chain, wire_counts
from gatesmith.codegen.compression import Arrival, Plan

PRICES = (1.5, 1.3, 1.0, 0.7, 0.4, 0.0, -1.0)
"""Bits that a LUT must remove, the dearest chains last."""

SWITCH = (6, 10)
"""Height of a heap up to which its stages go on to chains of one bit a LUT; tried in turn."""

MOST_AT_LAST = 6
"""Bits of a weight at most, where the chain that ends a sum is looked for. In compression.py one
more: the carry of the chain can take a seventh of the lowest weight."""

STAGE = 1.0
"""Price of a stage, in LUTs."""

LOW = 4
"""Height of a heap whose next chain makes way for the last."""

LEAST = 0.25
"""Least worth of a chain."""

TALLER = 0.002
"""Worth of taking a bit from a column of one bit more."""

PASS = 0.03
"""What a slot without a function costs."""


def row_plan(arrivals: Sequence[Arrival], columns: int) -> Plan:
    """The cheapest plan of some policies; one number is left."""
    return min(
        (_Planning(arrivals, columns).run(switch) for switch in SWITCH), key=lambda p: p.price
    )


class _Planning:
    """One policy at work: bits by weight, as counts."""

    def __init__(self, arrivals: Sequence[Arrival], columns: int) -> None:
        self.coming = list(arrivals)
        self.columns = columns
        self.time = arrivals[0].time
        self.bits, self.plain = [0] * columns, [0] * columns
        self.price = 0.0

    def run(self, switch: int) -> Plan:
        stages: list[tuple[tuple[Chain, int], ...]] = []
        while True:
            self._arrive()
            if not self.coming and (last := self._last()) is not None:
                if last.slots:
                    stages.append(((last, 1),))
                    self.price += last.lut
                break
            self.price += STAGE
            chains = self._stage(1.0 if max(self.bits) <= switch else PRICES[0])
            for chain in chains:
                self.price += chain.lut
                for weight in chain.gives(self.columns):
                    self.bits[weight] += 1
                    self.plain[weight] += 1
            stages.append(tuple((chain, 1) for chain in chains))
            self.time += 1
        return Plan(tuple(stages), self.price)

    def _arrive(self) -> None:
        while self.coming and self.coming[0].time <= self.time:
            arrival = self.coming.pop(0)
            for weight in range(self.columns):
                self.bits[weight] += arrival.bits[weight]
                self.plain[weight] += arrival.plain[weight]

    def _last(self) -> Chain | None:
        return ending_chain(self.bits, self.plain, MOST_AT_LAST)

    def _stage(self, accept: float) -> list[Chain]:
        found: list[Chain] = []
        low = max(self.bits) <= LOW and not self.coming
        for price in (0.5, 0.0, -1.0) if low else PRICES:
            while (chain := best_segment(self.bits, self.plain, price, low)) is not None:
                for weight, (take, plain) in enumerate(
                    zip(chain.takes(), chain.plain(), strict=True), chain.start
                ):
                    inverted = self.bits[weight] - self.plain[weight]
                    self.bits[weight] -= take
                    self.plain[weight] -= take - min(inverted, take - plain)
                found.append(chain)
                if low:
                    return found
            if (found and price <= accept) or self.coming:
                break
        return found


@dataclass(frozen=True, slots=True)
class _Option:
    """A window, where plain wires are there as it says.

    Attributes:
        window: The window.
        slots: Their number.
        takes: Bits that it takes from its first three columns.
        most: Largest sum, without a carry in.
        lut: LUTs.
        removed: Bits removed, less a little for a slot without a function.
        wires: Bits that the functions sum, by weight, three of them.
    """

    window: Window
    slots: int
    takes: tuple[int, int, int]
    most: int
    lut: int
    removed: float
    wires: tuple[int, int, int]


def _option(counts: tuple[int, ...], plain: tuple[bool, ...]) -> _Option:
    window = Window(counts, plain)
    more = (0,) * (3 - window.slots)
    a, b, c = (*(n + p for n, p in zip(counts, plain, strict=True)), *more)
    x, y, z = (*counts, *more)
    removed = a + b + c - window.slots - (PASS if counts == (0,) else 0)
    return _Option(window, window.slots, (a, b, c), window.most, window.lut, removed, (x, y, z))


@lru_cache(maxsize=64)
def _options(plain: tuple[bool, ...], every: bool) -> tuple[_Option, ...]:
    """Windows over up to three columns of which those told have plain wires.

    Of three slots those that sum four bits or more are enough where bits are plenty.
    """
    found: list[tuple[int, ...]] = [(0,)] if plain[0] else []
    for slots in range(1, len(plain) + 1):
        found += [c for c in wire_counts(slots) if every or slots < 3 or sum(c) > 3]
    return tuple(_option(counts, plain[: len(counts)]) for counts in found)


def best_segment(
    bits: Sequence[int], plain: Sequence[int], price: float, low: bool = False
) -> Chain | None:
    """The chain of largest worth; None where none has any.

    Args:
        bits: Bits by weight.
        plain: Of these, those that are not inverted.
        price: Bits that a LUT must remove.
        low: Whether columns are to be brought down to two bits, so that the last chain can follow.
    """
    columns = len(bits)
    more = [*bits, 0, 0]
    # By column, and whether a carry comes out of it: worth, and how it was reached; -1 is nothing.
    value = [[-1.0, -1.0] for _ in range(columns + 1)]
    back: list[list[tuple[int, int, Window] | None]] = [[None, None] for _ in range(columns + 1)]
    best, end = LEAST, (-1, 0)
    for column in range(columns):
        a, b, c = more[column : column + 3]
        if a == 0:
            continue
        here = value[column]
        ways = [(here[over], over, a, plain[column]) for over in (0, 1) if here[over] >= 0]
        if here[0] < 0:
            back[column][0] = None
            ways.append((0.0, 0, a, plain[column]))
        if here[1] < 1 and plain[column] and a > 1:  # a carry in
            ways = [way for way in ways if way[1] == 0]
            back[column][1] = None
            ways.append((1.0, 1, a - 1, plain[column] - 1))
        for worth, over, first, free in ways:
            have = (free > 0, *(n > 0 for n in plain[column + 1 : column + 3]))
            for option in _options(have, low):
                d, e, f = option.takes
                if d > first or e > b or f > c:
                    continue
                x, y, z = option.wires
                total = worth + option.removed - price * option.lut
                total += TALLER * (x * a + y * b + z * c)
                if low:
                    total += 3 * (
                        (a > 2 and d >= a - 1) + (b > 2 and e >= b - 1) + (c > 2 and f >= c - 1)
                    )
                to, out = column + option.slots, int(option.most + over >= 1 << option.slots)
                if total > value[to][out] + 1e-9:
                    value[to][out] = total
                    back[to][out] = (column, over, option.window)
                    if total - (out and to < columns) > best + 1e-9:
                        best, end = total - (out and to < columns), (to, out)
    return _traced(back, end)


def _traced(back: list[list[tuple[int, int, Window] | None]], end: tuple[int, int]) -> Chain | None:
    at, over = end
    if at < 0:
        return None
    windows: list[Window] = []
    while (step := back[at][over]) is not None:
        at, over, window = step
        windows.append(window)
    return Chain(at, bool(over), tuple(reversed(windows)))
