"""Which chains compress a heap of numbers, quickly: for heaps of which no two are alike.

As codegen/compression.py, stage after stage, with one search over all chains wherever they start:
the chain of the largest worth, bits removed less ``price`` a LUT, is found from the lowest column
up (the segment of largest sum, by dynamic programming). Full windows alone are tried in all stages
but the last.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatesmith.codegen.chains import Chain, Window, last_chain, wire_counts
from gatesmith.codegen.compression import Arrival, Plan

PRICES = (1.5, 1.3, 1.0, 0.7, 0.4, 0.0, -1.0)
"""Bits that a LUT must remove, the dearest chains last."""

SWITCH = (0, 6, 10, 16)
"""Height of a heap up to which its stages go on to chains of one bit a LUT; tried in turn."""

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

WINDOWS = tuple(counts for slots in (1, 2, 3) for counts in wire_counts(slots))


def row_plan(arrivals: Sequence[Arrival], columns: int) -> Plan:
    """The cheapest plan of some policies; one number is left."""
    return min((_Planning(arrivals, columns).run(switch) for switch in SWITCH), key=lambda p: p.price)


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
        low = next((w for w, count in enumerate(self.bits) if count > 1), None)
        if low is None:
            return Chain(0, False, ())
        bits = tuple(self.bits[low:])
        if max(bits) > 6:
            return None
        chain = last_chain(bits, tuple(self.plain[low:]))
        if chain is None and max(bits) <= 2:
            chain = last_chain(bits, bits)  # inverters
        return chain and Chain(low, chain.carry, chain.windows)

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
            if found and price <= accept or self.coming:
                break
        return found


def best_segment(
    bits: Sequence[int], plain: Sequence[int], price: float, low: bool = False
) -> Chain | None:
    """The chain of largest worth; None where none has any."""
    columns = len(bits)
    # By column and whether a carry comes out of it: worth, state before, window; start has none.
    value = [[-1.0, -1.0] for _ in range(columns + 1)]
    back: list[list[tuple[int, int, Window | None]]] = [
        [(-1, -1, None), (-1, -1, None)] for _ in range(columns + 1)
    ]
    best, end = LEAST, None
    for column in range(columns):
        if bits[column] == 0:
            continue
        here = value[column]
        if here[0] < 0:
            here[0], back[column][0] = 0.0, (-1, 0, None)
        if plain[column] and here[1] < 1 and bits[column] > 1:
            here[1], back[column][1] = 1.0, (-1, 1, None)  # a carry in
        for over in (0, 1):
            if (worth := here[over]) < 0:
                continue
            fresh = back[column][over][0] < 0
            have, free = bits, plain
            if fresh and over:
                have, free = list(bits), list(plain)
                have[column] -= 1
                free[column] -= 1
            for window, gain in _windows(have, free, column, columns, price, low):
                to = column + window.slots
                out = int(window.most + over >= 1 << window.slots)
                total = worth + gain
                if total > value[to][out] + 1e-9:
                    value[to][out] = total
                    back[to][out] = (column, over, window)
                    closed = total - (out and to < columns)
                    if closed > best + 1e-9:
                        best, end = closed, (to, out)
    if end is None:
        return None
    windows = []
    at, over = end
    while True:
        before, flag, window = back[at][over]
        if window is None:
            return Chain(at, bool(over), tuple(reversed(windows)))
        windows.append(window)
        at, over = before, flag


_MADE: dict[tuple[tuple[int, ...], tuple[bool, ...]], Window] = {}


def _windows(bits, plain, column, columns, price, low):
    """Windows that fit at a column, with what they are worth."""
    for counts in ((0,), *WINDOWS):
        slots = len(counts)
        if column + slots > columns:
            continue
        taken = tuple(plain[column + i] > 0 for i in range(slots))
        fits = all(
            counts[i] + taken[i] <= bits[column + i] for i in range(slots)
        )
        if not fits or (counts == (0,) and not taken[0]):
            continue
        window = _MADE.get((counts, taken))
        if window is None:
            window = _MADE[counts, taken] = Window(counts, taken)
        gain = sum(counts) + sum(taken) - slots - price * window.lut
        gain += sum(TALLER * c * bits[column + i] for i, c in enumerate(counts))
        if counts == (0,):
            gain -= PASS
        if low:
            gain += sum(
                3 * (bits[column + i] > 2 and counts[i] + taken[i] >= bits[column + i] - 1)
                for i in range(slots)
            )
        yield window, gain
