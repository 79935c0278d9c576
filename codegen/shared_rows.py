"""Rows of +1, 0 and -1 over single bits, built as trees of shared sums (codegen/row_tree.py).

The sum of each class is a bit heap. At an inner node it is compressed as far as that pays for all
the rows that read it; the bits that are left go on into the heaps of the children, negated where
the class counts the other way. At a leaf a heap becomes a number, or a comparison: what is added
to ``sum >= t`` is ``2**k - t``, so the answer is bit k of the sum and no other bit is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatesmith.codegen.bit_heap import Bit, BitHeap
from gatesmith.codegen.compression import compress
from gatesmith.codegen.parts import ceil_div
from gatesmith.codegen.row_tree import RowTree, codes
from gatesmith.codegen.wiring import Wiring
from gatesmith.ir import Ints

WORTH = 0.8
"""Bits that a LUT must remove from a sum that two others read: each then saves 0.6 LUTs a bit."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a row is to give.

    Attributes:
        bits: Bits of the number ``sum + constant``, taken modulo ``2**bits``; 0 for a comparison.
        constant: What is added.
        least: The answer of a comparison is whether the sum is this or more.
        falling: The answer is the opposite.
    """

    bits: int = 0
    constant: int = 0
    least: int = 0
    falling: bool = False


@dataclass(frozen=True, slots=True)
class _Class:
    """Inputs that go the same way in the rows of a node.

    Attributes:
        column: One of them.
        negated: Whether it counts downwards in the sum.
        heap: The sum.
    """

    column: int
    negated: bool
    heap: BitHeap


class SharedRows:
    """The rows of some trees as lines.

    Attributes:
        wiring: The lines.
        results: Bits of each row's answer by its number, lowest first; None is a bit that is 0.
    """

    def __init__(
        self, weights: Ints, asked: Mapping[int, Asked], trees: Sequence[RowTree], depth: int
    ) -> None:
        self.weights, self.asked = weights, asked
        self.wiring = Wiring(depth)
        self.results: dict[int, list[Bit | None]] = {}
        inputs = []
        for number in range(weights.shape[1]):
            heap = BitHeap()
            heap.add(Bit(f"x[{number}]"))
            inputs.append(_Class(number, False, heap))
        for tree in trees:
            self._node(tree, inputs)

    @property
    def levels(self) -> int:
        """Registers behind which every result is there; one at least, that of the output."""
        times = [bit.time for bits in self.results.values() for bit in bits if bit is not None]
        return max(1, ceil_div(max(times, default=0), self.wiring.depth))

    def outputs(self, levels: int) -> dict[int, str]:
        """The answer of each row behind so many registers (SystemVerilog)."""
        return {row: self._output(row, bits, levels) for row, bits in self.results.items()}

    def _output(self, row: int, bits: Sequence[Bit | None], levels: int) -> str:
        held = [None if bit is None else self.wiring.at(bit, levels) for bit in bits]
        texts = ["1'b0" if bit is None else bit.text for bit in reversed(held)]
        return texts[0] if len(texts) == 1 else "{" + ", ".join(texts) + "}"

    def _node(self, tree: RowTree, given: Sequence[_Class]) -> None:
        """The sums of a node, from those of its parent, and of all nodes below."""
        found = codes(self.weights[list(tree.rows)][:, [c.column for c in given]])
        classes: dict[float, list[tuple[bool, _Class]]] = {}
        for code, part in zip(found.tolist(), given, strict=True):
            if code:
                classes.setdefault(abs(code), []).append(((code < 0) != part.negated, part))
        if not tree.children:
            (row,) = tree.rows
            (parts,) = classes.values()
            self.results[row] = self._answer(row, _sum(parts))
            return
        made = [self._partly(parts) for parts in classes.values()]
        for child in tree.children:
            self._node(child, made)

    def _partly(self, parts: Sequence[tuple[bool, _Class]]) -> _Class:
        """The sum of a class, compressed as far as it pays; it may count either way."""
        flip = _mostly_inverted(parts)
        heap = _sum([(negative != flip, part) for negative, part in parts])
        most = sum(len(column) << weight for weight, column in enumerate(heap.columns))
        left = compress(heap, self.wiring, most.bit_length(), least=WORTH)
        negative, first = parts[0]
        negated = (negative != flip) != first.negated
        return _Class(first.column, negated, BitHeap(left, heap.constant))

    def _answer(self, row: int, heap: BitHeap) -> list[Bit | None]:
        asked = self.asked[row]
        if asked.bits:
            heap.constant += asked.constant
            found = compress(heap, self.wiring, asked.bits)
            return [column[0] if column else None for column in found]
        low = -int((self.weights[row] < 0).sum())
        high = int((self.weights[row] > 0).sum())
        if not low < asked.least <= high:
            raise ValueError(f"whether a sum in [{low}, {high}] is {asked.least} is no question")
        top = max((asked.least - low - 1).bit_length(), (high - asked.least).bit_length())
        heap.constant += (1 << top) - asked.least
        (bit,) = compress(heap, self.wiring, top + 1)[top] or (None,)
        assert bit is not None, "a comparison with one answer"
        return [bit.complement if asked.falling else bit]


def _sum(parts: Sequence[tuple[bool, _Class]]) -> BitHeap:
    heap = BitHeap()
    for negative, part in parts:
        heap.add_heap(part.heap, negative=negative)
    return heap


def _mostly_inverted(parts: Sequence[tuple[bool, _Class]]) -> bool:
    """Whether most bits would come inverted; carry chains want some that are not."""
    columns = [
        (negative, column) for negative, part in parts for column in part.heap.columns if column
    ]
    inverted = sum(bit.inverted != negative for negative, column in columns for bit in column)
    return 2 * inverted > sum(len(column) for _, column in columns)
