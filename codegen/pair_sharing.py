"""Sums of two that several rows have in common, found greedily: an adder instead of many.

A row is a sum of signed digits, each a node (an input, or a sum made before) times a power of two.
Two digits whose nodes, distance and relative sign occur in several rows are made once:

    node = low + (high << shift)          or, for a difference, with one of the two inverted

``~high`` is ``2**bits - 1 - high``, so every node is a plain number from 0 to ``top`` and nothing
has a sign; the constants that arise are gathered by row (``offsets`` says the node's). The adder
costs a LUT for each position where both operands have bits, and where an inverted one is alone.
What it saves is bits: every row that uses it has a node of a carry more than the wider operand, in
the place of two. What a bit of a
row costs is LUT_PER_BIT, because the rows' digits go into compressor trees (codegen/bit_heap.py):
a pair is worth making from three uses up, other than where rows are adder trees (Hartley 1996,
IEEE TCAS-II 43(10), counts each use as an adder saved; Sun et al. 2025, da4ml, weighs by the bits
that overlap).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LUT_PER_BIT = 0.6
"""LUTs that remove one bit of a compressor tree."""

SHIFT_BITS = 7
"""Bits of the shift of a digit; the widest sums are of 63 bits."""

DISTANCE = 1 << SHIFT_BITS
"""Offset of the distance of two digits in the number of a pair."""


@dataclass(frozen=True, slots=True)
class Digit:
    """``node << shift``, or its negative."""

    node: int
    shift: int
    negative: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A number from 0 to ``top``: an input, or ``low + (high << shift)``.

    Attributes:
        top: Largest value.
        lut: Of its adder.
        depth: Adders between it and the inputs.
        low: Node of the lower operand; -1 of an input.
        high: Node of the operand that is shifted.
        shift: Of ``high``.
        low_inverted: Whether ``low`` is used inverted.
        high_inverted: Whether ``high`` is used inverted.
    """

    top: int
    lut: int = 0
    depth: int = 0
    low: int = -1
    high: int = -1
    shift: int = 0
    low_inverted: bool = False
    high_inverted: bool = False

    @property
    def bits(self) -> int:
        """Width."""
        return self.top.bit_length()


@dataclass(frozen=True, slots=True)
class Shared:
    """Rows in terms of shared nodes.

    Attributes:
        nodes: Inputs first; a sum comes behind its operands.
        inputs: Number of inputs.
        rows: Digits of every row.
    """

    nodes: tuple[Node, ...]
    inputs: int
    rows: tuple[tuple[Digit, ...], ...]

    @property
    def sums(self) -> range:
        """Numbers of the nodes that are sums."""
        return range(self.inputs, len(self.nodes))

    def adder_luts(self) -> int:
        """LUTs of all sums."""
        return sum(node.lut for node in self.nodes)

    def row_bits(self) -> list[int]:
        """Bits of the digits of each row."""
        return [sum(self.nodes[d.node].bits for d in row) for row in self.rows]

    def estimate(self) -> float:
        """LUTs: of the adders, and of bits that rows have; comparable for the same rows."""
        return self.adder_luts() + LUT_PER_BIT * sum(self.row_bits())

    def offsets(self) -> list[int]:
        """What each node is above its sum of products of the inputs."""
        found = [0] * self.inputs
        for number in self.sums:
            node = self.nodes[number]
            low, high = found[node.low], found[node.high]
            if node.low_inverted:
                low = (1 << self.nodes[node.low].bits) - 1 - low
            if node.high_inverted:
                high = (1 << self.nodes[node.high].bits) - 1 - high
            found.append(low + (high << node.shift))
        return found

    def constant(self, row: int, offsets: Sequence[int]) -> int:
        """What must be added to the digits of a row so that they are its sum of products."""
        signed = ((-1 if d.negative else 1) * (offsets[d.node] << d.shift) for d in self.rows[row])
        return -sum(signed)


def sum_node(nodes: Sequence[Node], low: int, high: int, shift: int, differ: bool) -> Node:
    """``low + (high << shift)``; where they ``differ`` in sign, with the cheaper one inverted.

    >>> a = Node(255)
    >>> sum_node([a, a], 0, 1, 3, False).lut, sum_node([a, a], 0, 1, 3, True).low_inverted
    (5, True)
    """
    a, b = nodes[low], nodes[high]
    depth = max(a.depth, b.depth) + 1
    both = max(0, min(a.bits, b.bits + shift) - shift)
    if not differ:
        return Node(a.top + (b.top << shift), both, depth, low, high, shift)
    low_lut = max(both, a.bits - shift)  # bits of low below the shift are wires, inverted or not
    if low_lut < b.bits:
        top = (1 << a.bits) - 1 + (b.top << shift)
        return Node(top, low_lut, depth, low, high, shift, low_inverted=True)
    top = a.top + (((1 << b.bits) - 1) << shift)
    return Node(top, b.bits, depth, low, high, shift, high_inverted=True)


class PairSearch:
    """The greedy search: the pair that saves most is made, until none saves anything.

    A digit in a row is a number, ``node << SHIFT_BITS | shift``; rows map it to its sign. A pair
    is a number too, of both nodes (the smaller first), their distance and whether their signs
    differ; how often each occurs is kept up to date digit by digit.

    Attributes:
        nodes: Made so far.
        work: Digits of pairs counted so far: the measure of the time that it takes.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[Digit]],
        tops: Sequence[int],
        depth: int,
        noise: float,
        seed: int,
    ) -> None:
        self.nodes = [Node(top) for top in tops]
        self.inputs = len(tops)
        self.depth, self.noise = depth, noise
        self.random = random.Random(seed)
        self.work = 0
        self.rows: list[dict[int, bool]] = []
        self.readers: list[set[int]] = [set() for _ in tops]
        self.counts: dict[int, int] = {}
        self._worth: dict[int, tuple[float, float]] = {}
        self._shifts = range(1 + max((d.shift for row in rows for d in row), default=0))
        for number, row in enumerate(rows):
            self.rows.append({})
            for digit in row:
                self._put(number, digit.node << SHIFT_BITS | digit.shift, digit.negative)

    def run(self, budget: int) -> Shared:
        """The rows, shared; stops when ``work`` reaches the budget."""
        queue: list[tuple[float, int]] = []
        self._line_up(queue, self.counts)
        while queue and self.work < budget:
            before, pair = heapq.heappop(queue)
            gain = self._gain(pair)
            if gain <= 0 or gain > -before:  # worthless, or in the queue a second time
                continue
            if gain < -before:
                heapq.heappush(queue, (-gain, pair))
                continue
            self._line_up(queue, self._make(pair))
        return Shared(tuple(self.nodes), self.inputs, tuple(self._digits(row) for row in self.rows))

    def _line_up(self, queue: list[tuple[float, int]], pairs: Iterable[int]) -> None:
        """Put pairs that save something into the queue."""
        counts = self.counts
        for pair in pairs:
            if counts[pair] > 1 and (gain := self._gain(pair)) > 0:
                heapq.heappush(queue, (-gain, pair))

    @staticmethod
    def _digits(row: dict[int, bool]) -> tuple[Digit, ...]:
        low = (1 << SHIFT_BITS) - 1
        return tuple(
            Digit(d >> SHIFT_BITS, d & low, negative) for d, negative in sorted(row.items())
        )

    # ---- what a pair is worth -------------------------------------------------------------------

    def _operands(self, pair: int) -> tuple[int, int, int, bool]:
        """Low node, high node, shift of the high one, whether it is a difference."""
        a, b = pair >> 40, (pair >> 16) & 0xFFFFFF
        distance, differ = ((pair >> 1) & 0x7FFF) - DISTANCE, bool(pair & 1)
        return (a, b, distance, differ) if distance >= 0 else (b, a, -distance, differ)

    def _gain(self, pair: int) -> float:
        """LUTs that making it saves, noise included; 0 or less where it saves none."""
        worth = self._worth.get(pair)
        if worth is None:
            worth = self._worth[pair] = self._use_and_cost(pair)
        return self.counts[pair] * worth[0] - worth[1]

    def _use_and_cost(self, pair: int) -> tuple[float, float]:
        """LUTs that each use of a pair saves, and those that it takes."""
        low, high, shift, differ = self._operands(pair)
        a, b = self.nodes[low], self.nodes[high]
        made = sum_node(self.nodes, low, high, shift, differ)
        if made.depth > self.depth:
            return 0, 1
        factor = 1 + self.noise * self.random.uniform(-1, 1) if self.noise else 1
        saved = LUT_PER_BIT * (a.bits + b.bits - made.bits)
        return saved * factor, made.lut * factor

    # ---- making one -----------------------------------------------------------------------------

    def _make(self, pair: int) -> list[int]:
        """Make a pair wherever it occurs; pairs that occur more often now, ascending."""
        low, high, shift, differ = self._operands(pair)
        places = list(self._places(low, high, shift, differ))
        worth = self._worth[pair]
        if len(places) * worth[0] <= worth[1]:  # those of one node overlap: 1, 1, 1 has two of 1, 1
            self.counts[pair] = 0
            return []
        number = len(self.nodes)
        node = sum_node(self.nodes, low, high, shift, differ)
        self.nodes.append(node)
        self.readers.append(set())
        grown: set[int] = set()
        for row, at, negative in places:
            self._take(row, low << SHIFT_BITS | at)
            self._take(row, high << SHIFT_BITS | at + shift)
            grown.update(self._put(row, number << SHIFT_BITS | at, negative != node.low_inverted))
        return sorted(grown)

    def _places(
        self, low: int, high: int, shift: int, differ: bool
    ) -> Iterator[tuple[int, int, bool]]:
        """Row, shift and sign of the low digit wherever the pair occurs, without overlaps."""
        for number in sorted(self.readers[low] & self.readers[high]):
            row = self.rows[number]
            used: set[int] = set()
            for at in self._shifts:
                sign = row.get(low << SHIFT_BITS | at)
                other = row.get(high << SHIFT_BITS | at + shift)
                if sign is None or other is None or (sign != other) != differ or at in used:
                    continue
                if low == high:
                    used.add(at + shift)
                yield number, at, sign

    def _pairs(self, row: dict[int, bool], digit: int, negative: bool) -> list[int]:
        """Pairs of a digit with all digits of a row."""
        node, shift = digit >> SHIFT_BITS, digit & DISTANCE - 1
        below = (node << 16) + (shift << 1) + (DISTANCE << 1)
        above = (node << 40) - (shift << 1) + (DISTANCE << 1)
        mask, found = DISTANCE - 1, []
        for other, sign in row.items():
            n, s = other >> SHIFT_BITS, (other & mask) << 1
            place = below + (n << 40) - s if other < digit else above + (n << 16) + s
            found.append(place + (sign != negative))
        self.work += len(found)
        return found

    def _put(self, number: int, digit: int, negative: bool) -> list[int]:
        """Add a digit to a row; its pairs."""
        row, counts = self.rows[number], self.counts
        assert digit not in row, "a node stands twice at one place of a row"
        pairs = self._pairs(row, digit, negative)
        for pair in pairs:
            counts[pair] = counts.get(pair, 0) + 1
        row[digit] = negative
        self.readers[digit >> SHIFT_BITS].add(number)
        return pairs

    def _take(self, number: int, digit: int) -> None:
        """Take a digit out of a row."""
        row, counts = self.rows[number], self.counts
        negative = row.pop(digit)
        for pair in self._pairs(row, digit, negative):
            counts[pair] -= 1
