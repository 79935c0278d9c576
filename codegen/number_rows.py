"""Rows of constant weights over numbers: shared sums as carry chains, the rest of a row as a heap.

    y[r] = constant[r] + sum over i of weights[r, i] * c[i]          modulo 2**columns

with c the codes of the inputs, from 0 up: that of an input with a sign has its top bit inverted,
``c = x + 2**(bits-1)``. codegen/pair_sharing.py says what rows share, a
compressor tree (codegen/compression.py) makes each row's remaining bits and its constant a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gatesmith.codegen.bit_heap import Bit, BitHeap
from gatesmith.codegen.compression import compress
from gatesmith.codegen.pair_sharing import Digit, Node, PairSearch, Shared
from gatesmith.codegen.row_plan import row_plan
from gatesmith.codegen.signed_digits import digits
from gatesmith.codegen.wiring import Wiring
from gatesmith.ir import Array

MOST_PAIRS = 1 << 20
"""Pairs of digits that a search counts at the start; of a layer with more, parts of the inputs are
searched one by one."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of the search.

    Attributes:
        depth: Adders between a shared sum and the inputs, at most.
        noise: Part by which the worth of a pair varies at random.
        seed: Of the noise.
    """

    depth: int
    noise: float = 0.0
    seed: int = 0


TRIALS = (Trial(3), Trial(3, 0.1, 1), Trial(2), Trial(3, 0.1, 2), Trial(1))
"""In turn, as far as the budget goes."""

BUDGET = 2_000_000
"""Digits of pairs that all runs together may count: a few seconds."""


@lru_cache(maxsize=64)
def share(weights: Array, tops: tuple[int, ...]) -> Shared:
    """Rows as digits and shared sums: the best of some runs.

    Args:
        weights: (rows, inputs).
        tops: Largest code of each input.
    """
    rows = [_digits(row) for row in weights.data.tolist()]
    best: Shared | None = None
    left = BUDGET
    for trial in TRIALS:
        found, work = _search(rows, tops, trial, left)
        if best is None or found.estimate() < best.estimate():
            best = found
        left -= work
        if work > left:
            break
    assert best is not None
    return best


def _digits(row: Sequence[int]) -> list[Digit]:
    return [
        Digit(i, digit.shift, digit.negative != (weight < 0))
        for i, weight in enumerate(row)
        if weight
        for digit in digits(abs(weight))
    ]


def _search(
    rows: Sequence[Sequence[Digit]], tops: Sequence[int], trial: Trial, budget: int
) -> tuple[Shared, int]:
    """One run, by parts of the inputs where there are many; the pairs that it counted."""
    parts = max(1, -(-sum(len(row) ** 2 for row in rows) // 2 // MOST_PAIRS))
    nodes = [Node(top) for top in tops]
    done: list[list[Digit]] = [[] for _ in rows]
    work = 0
    for part in range(parts):
        first, last = (len(tops) * p // parts for p in (part, part + 1))
        inside = [
            [Digit(d.node - first, d.shift, d.negative) for d in row if first <= d.node < last]
            for row in rows
        ]
        search = PairSearch(inside, tops[first:last], trial.depth, trial.noise, trial.seed)
        found = search.run(max(1, (budget - work) // (parts - part)))
        work += search.work
        place = [*range(first, last), *range(len(nodes), len(nodes) + len(found.sums))]
        nodes += [_moved(found.nodes[n], place) for n in found.sums]
        for row, digits_ in zip(done, found.rows, strict=True):
            row += [Digit(place[d.node], d.shift, d.negative) for d in digits_]
    return Shared(tuple(nodes), len(tops), tuple(map(tuple, done))), work


def _moved(node: Node, place: Sequence[int]) -> Node:
    return Node(
        node.top,
        node.lut,
        node.depth,
        place[node.low],
        place[node.high],
        node.shift,
        node.low_inverted,
        node.high_inverted,
    )


class NumberRows:
    """The lines of shared rows.

    Attributes:
        shared: What is shared.
        wiring: Takes the lines.
        bits: Of every node, from the lowest up.
    """

    def __init__(self, shared: Shared, inputs: Sequence[Sequence[Bit]], wiring: Wiring) -> None:
        self.shared, self.wiring = shared, wiring
        self.bits = [list(bits) for bits in inputs]
        self.offsets = shared.offsets()
        for number in shared.sums:
            self.bits.append(self._sum(shared.nodes[number]))

    def row(self, number: int, constant: int, columns: int) -> list[list[Bit]]:
        """Bits of a row by weight, one each or none where it is 0; modulo ``2**columns``."""
        heap = BitHeap(constant=constant + self.shared.constant(number, self.offsets))
        for digit in self.shared.rows[number]:
            heap.add_number(self.bits[digit.node], digit.shift, negative=digit.negative)
        return compress(heap, self.wiring, columns, planner=row_plan)

    def _sum(self, node: Node) -> list[Bit]:
        """The chain of a node: its low operand's bits below the shift are wires."""
        low = [b.complement if node.low_inverted else b for b in self.bits[node.low]]
        high = [b.complement if node.high_inverted else b for b in self.bits[node.high]]
        below, low = low[: node.shift], low[node.shift :]
        columns = [[*low[i : i + 1], *high[i : i + 1]] for i in range(max(len(low), len(high)))]
        plain: list[Bit | None] = []
        summed: list[list[list[Bit]]] = []
        for column in columns:
            wire = next((bit for bit in column if not bit.inverted), None)
            if wire is None and len(column) > 1:
                wire = column[0]
            plain.append(wire)
            summed.append([[bit for bit in column if bit is not wire]])
        time = max(bit.time for column in columns for bit in column)
        outputs = node.bits - node.shift
        return [
            *below,
            *self.wiring.chain(None, plain, summed, time=time, outputs=outputs, lut=node.lut),
        ]
