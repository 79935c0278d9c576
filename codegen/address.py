"""Walks: a sequence of addresses as nested counters, each with a constant step or a small table.

Place i of a walk is written in a mixed radix, i = d0 + c0 * (d1 + c1 * (d2 + ...)), and its address
is the sum of one function of each digit. A transpose or a crop has digits with constant steps; an
axis that is padded, mirrored or resized has a table as long as that axis; a map without any
structure is one digit with one table. Places may have no address (``NONE``): those are filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.ir import Ints

NONE = -1
"""Address of a place that is filled with a constant."""


@dataclass(frozen=True, slots=True, eq=False)
class Digit:
    """One digit of the mixed radix.

    Attributes:
        address: What the digit adds to the address, by its value.
        fill: Whether its value alone says that the place is filled; the address there is that
            of a neighbour.
    """

    address: Ints
    fill: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """Values of the digit, two or more."""
        return len(self.address)

    @property
    def linear(self) -> bool:
        """Whether the address is a multiple of the digit, and nothing is filled."""
        steps = np.diff(self.address)
        return not self.fill.any() and bool((steps == steps[0]).all())


def digits(walk: Ints) -> tuple[Digit, ...]:
    """Digits of a walk, the fastest first: as many as make the tables short.

    Source of the method: an array f(i, j) with rows of P elements is g(i) + h(j) if and only if
    its rows differ by constants. The smallest P > 1 for which that holds is split off, again and
    again; then neighbours that go on with the same step are joined.

    Args:
        walk: Addresses, 0 or more, or NONE; at least one place.

    >>> [(d.count, d.linear) for d in digits(np.arange(12).reshape(3, 4).T.ravel())]
    [(3, True), (4, True)]
    >>> [d.address.tolist() for d in digits(np.array([1, 0, 1, 2, 4, 3, 4, 5]))]
    [[1, 0, 1, 2, 4, 3, 4, 5]]
    """
    found: list[Digit] = []
    rest = walk
    while len(rest) > 1:
        inner, rest = _split(rest)
        found.append(inner)
    found = _join(found)
    if len(walk) <= parts.LUT_DEPTH and not all(digit.linear for digit in found):
        found = [_digit(walk)]  # a LUT for each bit of the table is less than two counters
    _check(walk, found)
    return tuple(found)


def _split(walk: Ints) -> tuple[Digit, Ints]:
    """The fastest digit, and the walk of the others."""
    for count in divisors(len(walk))[1:-1]:
        rows = walk.reshape(-1, count)
        real = (rows != NONE).any(axis=1)
        if not real.any():
            return _digit(np.zeros(count, np.int64)), rows[:, 0]
        sample = rows[int(real.argmax())]
        used = sample != NONE
        if _repeats(rows[real][:2], sample, used) and _repeats(rows[real], sample, used):
            anchor = int(used.argmax())
            inner = np.where(used, sample - sample[anchor], 0)
            return _digit(inner, ~used), rows[:, anchor]
    return _digit(walk), walk[:1]


def _repeats(rows: Ints, sample: Ints, used: NDArray[np.bool_]) -> bool:
    """Whether all rows are filled at the same places, and otherwise the sample plus a constant."""
    if ((rows != NONE) != used).any():
        return False
    moves = rows[:, used] - sample[used]
    return bool((moves == moves[:, :1]).all())


def _digit(address: Ints, fill: NDArray[np.bool_] | None = None) -> Digit:
    """With addresses at filled places that are those of the place before, or else the first."""
    if fill is None:
        fill = address == NONE
    if fill.all():
        return Digit(np.zeros(len(address), np.int64), fill)
    source = np.maximum.accumulate(np.where(fill, -1, np.arange(len(address))))
    return Digit(address[np.where(source < 0, int((~fill).argmax()), source)], fill)


def _join(found: list[Digit]) -> list[Digit]:
    """Neighbours that are linear and go on with the same step become one."""
    joined: list[Digit] = []
    for digit in found:
        if joined and joined[-1].linear and digit.linear:
            below = joined[-1].address
            if digit.address[1] - digit.address[0] == len(below) * (below[1] - below[0]):
                address = (digit.address[:, None] + (below - below[0])[None, :]).ravel()
                joined[-1] = Digit(address, np.zeros(len(address), np.bool_))
                continue
        joined.append(digit)
    return joined


def _check(walk: Ints, found: list[Digit]) -> None:
    """The digits give the walk up to a constant."""
    address, fill = np.zeros(1, np.int64), np.zeros(1, np.bool_)
    for digit in found:
        address = (digit.address[:, None] + address[None, :]).ravel()
        fill = (digit.fill[:, None] | fill[None, :]).ravel()
    used = walk != NONE
    if len(walk) > 1:
        assert np.array_equal(fill, ~used), "digits fill other places"
        assert len(set((walk - address)[used].tolist())) <= 1, "digits walk elsewhere"


def divisors(n: int) -> list[int]:
    """Ascending.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    low = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return low + [n // d for d in reversed(low) if d * d != n]


# ---- as hardware --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Counter:
    """A digit as the template sees it: a counter, and the step to the next place's address.

    Attributes:
        index: Its number, 0 is the fastest.
        count: Values.
        step: Constant step to the next value (and from there the start of all faster digits), or
            None if there is a table.
        table: Words by value: step, above it the flag that fills, if this digit has one.
        fills: Whether it has that flag.
        step_bits: Bits of a step.
    """

    index: int
    count: int
    step: int | None
    table: Ints
    fills: bool
    step_bits: int

    @property
    def bits(self) -> int:
        """Of the counter."""
        return parts.counter_bits(self.count)

    @property
    def word_bits(self) -> int:
        """Of a word of the table."""
        return self.step_bits + int(self.fills)

    @property
    def style(self) -> str:
        """Where the table goes."""
        return parts.memory_style(self.count, self.word_bits)

    @property
    def carries(self) -> str:
        """Condition that all faster digits are at their last value (SystemVerilog)."""
        return "".join(f" && last{k}" for k in range(self.index))

    def cost(self) -> Cost:
        """Counter; choice of the step a bit; table, by content, and its word."""
        features = {"counter.wrap": self.bits, "walk.step": self.step_bits}
        cost = Cost(lut=luts(features), ff=self.bits)
        if self.step is not None:
            return cost
        words = partial(parts.bits_of, self.table[:, None], self.word_bits)
        return cost + parts.rom(self.count, self.word_bits, words).registered


@dataclass(frozen=True, slots=True, eq=False)
class Walker:
    """A walk that starts again ``advance`` further on after its last place, modulo ``modulus``.

    Attributes:
        counters: Fastest first; none for a walk of one place.
        start: First address, below ``modulus``.
        wrap: Step from the last place to the first one of the next round.
        bits: Of a step and of an address.
        fills: Whether any place is filled.
    """

    counters: tuple[Counter, ...]
    start: int
    wrap: int
    bits: int
    fills: bool

    @staticmethod
    def of(walk: Ints, advance: int, modulus: int) -> Walker:
        """Counters that walk."""
        found = digits(walk)
        bits = parts.counter_bits(modulus)
        counters, reset = [], 0  # reset: of all faster digits, from the last value to the first
        for index, digit in enumerate(found):
            steps = np.append(np.diff(digit.address) + reset, 0) % modulus
            fills = bool(digit.fill.any())
            table = steps + (digit.fill.astype(np.int64) << bits) if fills else steps
            same = not fills and bool((steps[:-1] == steps[0]).all())
            step = int(steps[0]) if same else None
            counters.append(Counter(index, digit.count, step, table, fills, bits))
            reset += int(digit.address[0] - digit.address[-1])
        used = walk != NONE
        wrap = (advance + reset) % modulus
        return Walker(tuple(counters), _start(walk, found) % modulus, wrap, bits, not used.all())

    @property
    def flags(self) -> str:
        """Whether the current place is filled (SystemVerilog)."""
        found = [f"fill{counter.index}" for counter in self.counters if counter.fills]
        return " || ".join(found) or "1'b1"

    @property
    def all_last(self) -> str:
        """Whether the current place is the last (SystemVerilog)."""
        return " && ".join(f"last{c.index}" for c in self.counters) or "1'b1"

    def files(self, module: str) -> dict[str, str]:
        """Tables, by file name."""
        return {
            f"{module}_steps{c.index}.mem": parts.mem_text(c.table[:, None], c.word_bits)
            for c in self.counters
            if c.step is None
        }

    def cost(self) -> Cost:
        """Sum over the counters."""
        total = Cost(lut=1)
        for counter in self.counters:
            total += counter.cost()
        return total


def _start(walk: Ints, found: tuple[Digit, ...]) -> int:
    """Address of the first place; where it is filled, the one its digits have there."""
    used = walk != NONE
    if not used.any():
        return 0
    place = int(used.argmax())
    offset, rest = 0, place
    for digit in found:
        offset += int(digit.address[rest % digit.count] - digit.address[0])
        rest //= digit.count
    return int(walk[place]) - offset
