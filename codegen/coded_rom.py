"""Weight memories of the folded unit that hold codes of the weights instead of themselves.

A folded unit reads the same words of PE x SIMD weights in the same order for every vector (or, with
groups, for every round of groups), one a cycle: :class:`FoldedWeights`. A :class:`CodedRom` stores
them in fewer bits and gives them at the same pace and the same latency, so that nothing but the
memory changes. In the RTL it drives ``w_q``, all weights of the word that was issued last.

``codebook``: the ROM holds indices into a table of the values that weights take, and each lane has
the table in LUTs behind it (Han et al., Deep Compression, 2016, section 3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.matrix_unit import Layer
from gatesmith.codegen.terms import Terms, kind_of
from gatesmith.ir import Array, Ints, IntType

BLOCK_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
"""Words and width of a block RAM of 18 kbit."""

BLOCK_PRICE = 200
"""LUTs in the price of a block RAM: what fold.price makes of its 18 kbit."""


def block_rams(depth: int, bits: int) -> int:
    """Block RAMs of 18 kbit of a memory, in the shape of which it takes fewest.

    >>> block_rams(512, 36), block_rams(513, 36), block_rams(100, 72), block_rams(3000, 8)
    (1, 2, 2, 2)
    """
    return min(
        parts.ceil_div(depth, words) * parts.ceil_div(bits, width) for words, width in BLOCK_SHAPES
    )


@dataclass(frozen=True, slots=True)
class FoldedWeights:
    """Weights in the order in which a folded unit reads them.

    Attributes:
        weights: Of the Dense, (outputs, inputs of a group).
        elem: Of a weight in a ROM (Terms.rom_type).
        pe: Outputs at a time.
        simd: Inputs at a time.
    """

    weights: Array
    elem: IntType
    pe: int
    simd: int

    @staticmethod
    def of(layer: Layer, pe: int, simd: int) -> FoldedWeights:
        """Those of a layer under a fold."""
        return FoldedWeights(layer.op.weights, rom_type(layer), pe, simd)

    @property
    def lanes(self) -> int:
        """Weights in a word."""
        return self.pe * self.simd

    @property
    def depth(self) -> int:
        """Words."""
        return self.weights.data.size // self.lanes

    def codes(self) -> Ints:
        """Bits of each weight as a number, (depth, lanes); lane p * SIMD + s."""
        outs, ins = self.weights.shape
        fold = (outs // self.pe, self.pe, ins // self.simd, self.simd)
        folded = self.weights.data.reshape(fold).transpose(0, 2, 1, 3)
        return self.elem.encode(folded.reshape(self.depth, self.lanes))

    @property
    def plain_blocks(self) -> int:
        """Block RAMs of the ROM that holds them as they are; 0 where it is made of LUTs."""
        bits = self.lanes * self.elem.bits
        if parts.memory_style(self.depth, bits) != "block":
            return 0
        return block_rams(self.depth, bits)

    @property
    def plain_price(self) -> float:
        """Of that ROM and its register, in LUTs."""
        bits = self.lanes * self.elem.bits
        cost = parts.memory_cost(self.depth, bits)
        return price(cost + Cost(ff=0 if cost.ram_bits else bits), self.plain_blocks)


def rom_type(layer: Layer) -> IntType:
    """Type of a weight of a layer in a ROM."""
    op = layer.op
    kind = kind_of(layer.x, op.weight_type)
    return Terms(layer.x, op.weight_type, op.accumulator(layer.x), kind).rom_type


def price(cost: Cost, blocks: int) -> float:
    """As fold.price, but block RAMs are counted whole, not by the bits that are used of them."""
    return cost.lut + 0.25 * cost.ff + BLOCK_PRICE * blocks


class CodedRom(ABC):
    """A weight memory; dense.sv.j2 is given it as ``hw.coded``."""

    @staticmethod
    @abstractmethod
    def of(weights: FoldedWeights) -> CodedRom | None:
        """The cheapest one of its kind; None where there is none."""

    @staticmethod
    @abstractmethod
    def refuses(layer: Layer) -> str | None:
        """Why it saves nothing, as MatrixUnit.refuses."""

    @property
    @abstractmethod
    def style(self) -> str:
        """Where it goes, see parts.memory_style."""

    @property
    @abstractmethod
    def stored_bits(self) -> int:
        """Bits stored: codes, and tables."""

    @property
    @abstractmethod
    def round_bits(self) -> int:
        """Bits read out of memories while every word is given once."""

    @property
    @abstractmethod
    def blocks(self) -> int:
        """Block RAMs of 18 kbit."""

    @abstractmethod
    def cost(self) -> Cost:
        """Of the memory, what decodes it, and the register of ``w_q``."""

    @property
    @abstractmethod
    def remark(self) -> str:
        """How the weights are stored, for the header."""

    @abstractmethod
    def files(self, module: str) -> Mapping[str, str]:
        """Memory images and modules, for the unit whose module has this name."""


@dataclass(frozen=True, slots=True)
class CodebookRom(CodedRom):
    """Indices, and a table of values behind each lane.

    Attributes:
        weights: What it gives.
    """

    weights: FoldedWeights

    @staticmethod
    def of(weights: FoldedWeights) -> CodebookRom | None:
        """There is one unless there are too many values."""
        rom = CodebookRom(weights)
        return rom if rom.index_bits < weights.elem.bits else None

    @property
    def values(self) -> tuple[int, ...]:
        """Code of each value, by its index."""
        return tuple(_values(self.weights.weights, self.weights.elem))

    @property
    def index_bits(self) -> int:
        """Bits of an index."""
        return parts.counter_bits(len(self.values))

    @property
    def word_bits(self) -> int:
        """Bits of a word of indices."""
        return self.weights.lanes * self.index_bits

    @property
    def style(self) -> str:
        """Where the indices go."""
        return parts.memory_style(self.weights.depth, self.word_bits)

    @property
    def stored_bits(self) -> int:
        """Indices, and the table once."""
        return self.weights.depth * self.word_bits + len(self.values) * self.weights.elem.bits

    @property
    def round_bits(self) -> int:
        """Every index."""
        return self.weights.depth * self.word_bits

    @property
    def blocks(self) -> int:
        """Of the indices; tables are LUTs."""
        return block_rams(self.weights.depth, self.word_bits) if self.style == "block" else 0

    def cost(self) -> Cost:
        """ROM (parts.memory_cost), its register unless in block RAM, a table for each lane.

        Each bit of a table is a LUT for 64 values.
        """
        table = parts.ceil_div(1 << self.index_bits, parts.LUT_DEPTH) * self.weights.elem.bits
        cost = Cost(
            lut=self.weights.lanes * table, ff=0 if self.style == "block" else self.word_bits
        )
        return cost + parts.memory_cost(self.weights.depth, self.word_bits)

    @property
    def remark(self) -> str:
        """As in the header."""
        count, elem = len(self.values), self.weights.elem
        return f"indices of {self.index_bits} bits into {count} values of {elem.bits} bits"

    def files(self, module: str) -> Mapping[str, str]:
        """The indices."""
        indices = np.searchsorted(np.array(self.values), self.weights.codes())
        return {f"{module}_weights.mem": parts.mem_text(indices, self.index_bits)}

    @staticmethod
    def refuses(layer: Layer) -> str | None:
        """Too many values: indices must be a bit narrower than the weights at least."""
        elem = rom_type(layer)
        count = len(_values(layer.op.weights, elem))
        if parts.counter_bits(count) < elem.bits:
            return None
        return (
            f"its weights take {count} values, and their indices would need no fewer than the "
            f"{elem.bits} bit(s) that a weight has"
        )


@lru_cache(maxsize=256)  # the search for a fold asks again and again
def _values(weights: Array, elem: IntType) -> list[int]:
    """Codes that occur, ascending."""
    found: list[int] = np.unique(elem.encode(weights.data)).tolist()
    return found
