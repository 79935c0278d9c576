"""Weights shared by a hash: a table in LUTs, and no memory of indices.

Which value of the table a weight has follows from its number (prune/coding/hashed.py). The unit
keeps the state of the first weight of its next word; the places of all its lanes are parities of
bits of it. From a word to the next the state is multiplied by a constant: SIMD weights on, or, at
the end of a pass over the inputs, PE outputs on from the state of the pass's begin. Behind the last
word it starts again with 1; no other state comes twice, so that the last one is known by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.coded_rom import CodedRom, FoldedWeights
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.matrix_unit import Layer
from gatesmith.ir import Array
from gatesmith.prune.coding.hashed import (
    DEGREE,
    MODULUS,
    MOST_BITS,
    STRIDE,
    masks,
    state_of,
    table_of,
)


@dataclass(frozen=True, slots=True)
class HashedRom(CodedRom):
    """A shift register that counts weights, and a table behind each lane.

    Attributes:
        weights: What it gives.
        table: The values.
    """

    weights: FoldedWeights
    table: tuple[int, ...]

    @staticmethod
    def of(weights: FoldedWeights) -> HashedRom | None:
        """Where there is a table, and more than one word."""
        table = _table(weights.weights)
        return None if table is None or weights.depth < 2 else HashedRom(weights, table)

    @staticmethod
    def refuses(layer: Layer) -> str | None:
        """Weights that are not shared in this way."""
        if _table(layer.op.weights) is not None:
            return None
        return (
            f"its weights do not share the values of a table of up to {1 << MOST_BITS} by the hash "
            "of their places, counted in the order of the stream"
        )

    # ---- shape ----------------------------------------------------------------------------------

    @property
    def index_bits(self) -> int:
        """Bits of a place in the table."""
        return len(self.table).bit_length() - 1

    @property
    def values(self) -> tuple[int, ...]:
        """Codes of the table's values."""
        return tuple(self.weights.elem.encode(np.array(self.table)).tolist())

    @property
    def state_bits(self) -> int:
        """Bits of a state."""
        return DEGREE

    @property
    def stride(self) -> int:
        """Exponent from a weight to the next."""
        return STRIDE

    @property
    def modulus(self) -> str:
        """What states are taken modulo."""
        powers = [k for k in range(DEGREE, 1, -1) if MODULUS >> k & 1]
        return " + ".join([*(f"x**{k}" for k in powers), "x" * (MODULUS >> 1 & 1), "1"])

    @property
    def inputs(self) -> int:
        """Of the layer, of one group."""
        return int(self.weights.weights.shape[1])

    @property
    def beats(self) -> int:
        """Words in a pass over the inputs."""
        return self.inputs // self.weights.simd

    @property
    def passes(self) -> int:
        """Passes until the words repeat."""
        return self.weights.depth // self.beats

    @property
    def last_state(self) -> int:
        """State of the first weight of the last word."""
        first_output = (self.passes - 1) * self.weights.pe
        return state_of(first_output * self.inputs + (self.beats - 1) * self.weights.simd)

    @property
    def beat_masks(self) -> tuple[int, ...]:
        """Bits of the state that each bit of the next beat's state is the parity of."""
        return masks(state_of(self.weights.simd))

    @property
    def pass_masks(self) -> tuple[int, ...]:
        """The same from a pass to the next."""
        return masks(state_of(self.weights.pe * self.inputs))

    @property
    def lane_masks(self) -> tuple[int, ...]:
        """The same for each bit of each lane's place, lane by lane."""
        lanes = (
            masks(state_of(p * self.inputs + s))[: self.index_bits]
            for p in range(self.weights.pe)
            for s in range(self.weights.simd)
        )
        return tuple(mask for lane in lanes for mask in lane)

    # ---- cost -----------------------------------------------------------------------------------

    @property
    def style(self) -> str:
        """It has no memory but tables."""
        return "distributed"

    @property
    def stored_bits(self) -> int:
        """The table, once."""
        return len(self.table) * self.weights.elem.bits

    @property
    def round_bits(self) -> int:
        """Nothing is read out of a memory."""
        return 0

    @property
    def blocks(self) -> int:
        """None."""
        return 0

    def cost(self) -> Cost:
        """Parities: a LUT for 6 bits, then for each 5 more. States: two registers, a LUT a bit.

        Each lane: a register of its place; each bit of its table a LUT for 64 values.
        """
        steps = [self.beat_masks] * (self.beats > 1) + [self.pass_masks] * (self.passes > 1)
        shared = sum(_parity(mask) for step in steps for mask in step)
        places = sum(_parity(mask) for mask in self.lane_masks)
        table = parts.ceil_div(len(self.table), parts.LUT_DEPTH) * self.weights.elem.bits
        counters = len(steps) * DEGREE
        return Cost(
            lut=shared + places + self.weights.lanes * table + counters,
            ff=counters + self.weights.lanes * self.index_bits,
        )

    # ---- text -----------------------------------------------------------------------------------

    @property
    def remark(self) -> str:
        """As in the header."""
        count, elem = len(self.table), self.weights.elem
        return f"shared by a hash of their place: {count} values of {elem.bits} bits"

    def files(self, module: str) -> Mapping[str, str]:
        """None: tables are in the text."""
        return {}


def _parity(mask: int) -> int:
    """LUTs of the parity of some bits."""
    return max(0, parts.ceil_div(mask.bit_count() - 1, 5))


@lru_cache(maxsize=256)  # the search for a fold asks again and again
def _table(weights: Array) -> tuple[int, ...] | None:
    return table_of(weights.data)
