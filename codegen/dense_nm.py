"""Hardware of Dense with N:M sparse weights: of M neighbouring inputs an output uses N at most.

The ROM holds N weights for each M inputs, and with each which input it is for: a processing element
picks its inputs out of the beat, then multiplies. So SIMD multipliers take beats of SIMD * M / N
inputs, and at equal PE x SIMD a vector takes N / M of the cycles of the folded unit (Mishra et al.,
Accelerating Sparse Deep Neural Networks, 2021, for 2:4; Zhou et al., ICLR 2021, for N:M).

    y[o] = sum over groups g, k < N of w[o, g, k] * x[g * M + k + offset[o, g, k]]

The weights of a group stand in ascending order of their inputs; where fewer than N are not zero,
zeros fill up. Weight k is then for input k at least and k + M - N at most, so that the index in
the ROM is an offset of 0..M - N, and a multiplier chooses among M - N + 1 inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.matrix_unit import PLAIN, Fold, Layer, MatrixUnit, Naming, divisors
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stream, Work
from gatesmith.ir import Array, Ints

NM = "nm"

SIZES = (2, 4, 8, 16)
"""M that are tried."""


@dataclass(frozen=True, slots=True)
class Sparsity:
    """Of ``of`` neighbouring inputs an output uses ``kept`` at most.

    >>> str(Sparsity(2, 4))
    '2:4'
    """

    kept: int
    of: int

    def __str__(self) -> str:
        return f"{self.kept}:{self.of}"

    @property
    def choices(self) -> int:
        """Inputs that a multiplier chooses among."""
        return self.of - self.kept + 1

    @property
    def offset_bits(self) -> int:
        """Bits of such a choice."""
        return (self.choices - 1).bit_length()


@lru_cache(maxsize=1024)  # the search for a fold asks again and again
def sparsity(weights: Array) -> Sparsity | None:
    """The pattern N:M with the least N / M, of these the least M; None where N = M.

    >>> sparsity(Array([[5, 0, 0, 7], [0, 0, 1, 0]])), sparsity(Array([[1, 2, 3, 4]]))
    (Sparsity(kept=1, of=2), None)
    """
    used = weights.data != 0
    found = []
    for size in SIZES:
        if used.shape[1] % size == 0:
            most = int(used.reshape(-1, size).sum(axis=1).max(initial=0))
            found.append(Sparsity(max(1, most), size))
    best = min(found, key=lambda s: Fraction(s.kept, s.of), default=None)
    return None if best is None or best.kept == best.of else best


def pack(weights: Ints, pattern: Sparsity) -> tuple[Ints, Ints]:
    """Kept weights of groups (..., M), and the offset of each: two arrays (..., N).

    >>> pack(np.array([[0, 0, 3, 4], [0, 9, 0, 0]]), Sparsity(2, 4))
    (array([[3, 4],
           [0, 9]]), array([[2, 2],
           [0, 0]]))
    """
    first = np.argsort(weights == 0, axis=-1, kind="stable")[..., : pattern.kept]
    places = np.sort(first, axis=-1)
    return np.take_along_axis(weights, places, axis=-1), places - np.arange(pattern.kept)


@dataclass(frozen=True, slots=True)
class DenseNmStage(DenseStage):
    """Matrix-vector unit; templates/sv/dense_nm.sv.j2 is given it under the name ``hw``.

    The lanes of x are SIMD * M / N.
    """

    def __post_init__(self) -> None:
        DenseStage.__post_init__(self)  # no super(): slots make another class
        pattern = sparsity(self.op.weights)
        if pattern is None:
            raise ValueError("the weights are of no pattern N:M")
        if self.x.lanes % pattern.of:
            raise ValueError(f"beats of {self.x.lanes} inputs for weights that are {pattern}")

    @property
    def pattern(self) -> Sparsity:
        """N:M of the weights."""
        found = sparsity(self.op.weights)
        assert found is not None
        return found

    @property
    def simd(self) -> int:
        """Multiplications for an output a cycle (SIMD)."""
        return self.x.lanes // self.pattern.of * self.pattern.kept

    @property
    def delay(self) -> int:
        """Registers from a read operand to the sum of its products: one behind the choice."""
        return 2 + self.terms.registers + self.levels

    @property
    def fetches(self) -> bool:
        """No: what chooses inputs has a register of its own."""
        return False

    @property
    def merges(self) -> bool:
        """No."""
        return False

    # ---- memories -------------------------------------------------------------------------------

    @property
    def entry_bits(self) -> int:
        """Bits of a weight and its offset."""
        return self.terms.rom_type.bits + self.pattern.offset_bits

    @property
    def word_bits(self) -> int:
        """Bits of a word: weights and offsets."""
        return self.pe * self.simd * self.entry_bits

    @property
    def weight_bits(self) -> int:
        """Bits of the ROM, offsets included."""
        return self.depth * self.word_bits

    def weights_mem(self) -> str:
        """The ROM's content."""
        return parts.mem_text(self._codes(), self.entry_bits)

    def _words(self) -> NDArray[np.uint8]:
        """Bits of the ROM: (depth, word_bits)."""
        return parts.bits_of(self._codes(), self.entry_bits)

    def _codes(self) -> Ints:
        """The ROM: word (group * NF + nf) * SF + sf, element p * SIMD + s, offset above weight."""
        together = self.x.lanes // self.pattern.of
        fold = (self.op.groups * self.nf, self.pe, self.sf, together, self.pattern.of)
        folded = self.op.weights.data.reshape(fold).transpose(0, 2, 1, 3, 4)
        kept, offsets = pack(folded, self.pattern)
        rom = self.terms.rom_type
        entries = rom.encode(kept) | offsets << rom.bits
        return entries.reshape(self.depth, -1)

    # ---- stage ----------------------------------------------------------------------------------

    def cost(self) -> Cost:
        """DenseStage.cost of PE x SIMD multipliers, and the choice before each.

        A choice among c inputs is so many times ceil(c / 4) LUTs a bit. It and the weight have a
        register.
        """
        bits, choices = self.terms.value_bits, self.pattern.choices
        count = self.pe * self.simd
        ff = bits + self.terms.rom_type.bits
        lut = luts({"nm.choice": count * bits * parts.ceil_div(choices, 4)})
        return DenseStage.cost(self) + Cost(lut=lut, ff=count * ff)

    def work(self) -> Work:
        """Every kept weight of a group meets every vector of it."""
        products = self.interval * self.pe * self.simd
        return replace(DenseStage.work(self), products=products)

    def files(self) -> Mapping[str, str]:
        """The module, its weights, the adder tree."""
        return {
            f"{self.module}.sv": render("sv/dense_nm.sv.j2", hw=self),
            f"{self.module}_weights.mem": self.weights_mem(),
            **self.terms.files(),
        }


class NmUnit(MatrixUnit):
    """Multipliers for the N weights of each M neighbours that are not zero."""

    name = NM
    what = "N:M sparse weights: N multipliers for M neighbouring inputs"
    automatic = True

    def refuses(self, layer: Layer, rom: str = PLAIN) -> str | None:
        """Weights of no pattern."""
        weights = layer.op.weights
        if sparsity(weights) is not None:
            return None
        if weights.data.all():
            return "none of its weights is zero"
        sizes = [size for size in SIZES if layer.inputs % size == 0]
        if not sizes:
            return f"its {layer.inputs} inputs are no multiple of 2, so that N:M has no groups"
        each = f"{', '.join(map(str, sizes))} neighbours"
        return (
            f"of some {each} an output uses all, counted in the order of the stream; behind a "
            "window that gives all taps at once that is not the order of the channels"
        )

    def folds(self, layer: Layer, rom: str = PLAIN) -> Iterator[Fold]:
        """SIMD takes whole groups."""
        pattern = sparsity(layer.op.weights)
        if pattern is None:
            return
        for pe in divisors(layer.outputs):
            for groups in divisors(layer.inputs // pattern.of):
                yield Fold(pe, pattern.kept * groups, self.name, rom)

    def cycles(self, layer: Layer, fold: Fold) -> int:
        """One word of weights a cycle."""
        return (
            layer.vectors * (layer.outputs // fold.pe) * (layer.inputs // self.lanes(layer, fold))
        )

    def lanes(self, layer: Layer, fold: Fold) -> int:
        """SIMD * M / N.

        Raises:
            ValueError: The fold is for weights of another pattern.
        """
        pattern = sparsity(layer.op.weights)
        if pattern is None or fold.simd % pattern.kept:
            raise ValueError(f"SIMD {fold.simd} for weights of pattern {pattern}")
        return fold.simd // pattern.kept * pattern.of

    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> DenseNmStage:
        """The unit; weights that have a zero are never masked."""
        n = naming
        return DenseNmStage(n.name, n.node, n.origin, n.module, layer.op, x, fold.pe)
