"""Hardware of Dense: a folded matrix-vector unit.

PE (processing elements) outputs are computed at a time, from SIMD inputs a cycle. A vector of
``in`` inputs is SF = in / SIMD beats; it is passed over NF = out / PE times, once for each group
of PE outputs. FINN calls this the MVTU (Umuroglu et al., FPGA 2017, section 4.2).

With groups, vector v of a frame is multiplied by the weights of group v modulo groups: the stream
of a Window of as many groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import carries
from gatesmith.codegen.coded_rom import CodedRom, FoldedWeights
from gatesmith.codegen.coded_roms import CODED_ROMS, coded_rom
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.matrix_unit import FOLDED, PLAIN, Fold, Layer, MatrixUnit, Naming
from gatesmith.codegen.render import plain, render
from gatesmith.codegen.stream import Reloadable, Stage, Stream, Timing, Work
from gatesmith.codegen.terms import Terms, kind_of
from gatesmith.ir import BIPOLAR, TERNARY, Ints
from gatesmith.ops.dense import Dense

MERGED_WORDS = 32
"""Words of weights whose number, with an input, are the six inputs of a LUT."""


@dataclass(frozen=True, slots=True)
class DenseStage(Stage):
    """Matrix-vector unit; templates/sv/dense.sv.j2 is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        x: Source stream; its lanes are SIMD. A vector holds the inputs of one group.
        pe: Outputs computed at a time (PE); divides the number of outputs of a group.
        masked: x is -1, 0 or 1, weights are bipolar, and the inputs of a beat are all 0 or none
            is: the taps of a padded window of bipolar values.
        rom: How the weights are stored, one of FoldedUnit.roms.
        dsp: Whether products may go to DSP blocks.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Dense
    x: Stream
    pe: int
    masked: bool = False
    rom: str = PLAIN
    dsp: bool = True

    def __post_init__(self) -> None:
        outs, ins = self.op.weights.shape
        if ins != self.x.channels:
            raise ValueError(f"weights of {ins} inputs for a stream of {self.x.channels} channels")
        if self.x.vectors % self.op.groups:
            raise ValueError(f"{self.x.vectors} vectors for {self.op.groups} groups")
        if outs // self.op.groups % self.pe:
            raise ValueError(f"PE {self.pe} does not divide {outs // self.op.groups} outputs")
        if self.masked and (self.x.elem, self.op.weight_type) != (TERNARY, BIPOLAR):
            raise ValueError(f"cannot mask {self.x.elem} by {self.op.weight_type}")
        if self.rom != PLAIN and self.op.reloadable:
            raise ValueError(f"a {self.rom} ROM cannot be reloaded")
        if self.rom != PLAIN and self.coded is None:
            raise ValueError(f"there is no {self.rom} ROM for the weights of this fold")

    @property
    def source(self) -> Stream:
        """x, SIMD lanes."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Accumulators, PE lanes."""
        outs = self.op.weights.shape[0] // self.op.groups
        return Stream(self.op.accumulator(self.x.elem), outs, self.x.vectors, self.pe)

    # ---- fold -----------------------------------------------------------------------------------

    @property
    def simd(self) -> int:
        """Inputs taken a cycle (SIMD)."""
        return self.x.lanes

    @property
    def sf(self) -> int:
        """Beats in an input vector."""
        return self.x.groups

    @property
    def nf(self) -> int:
        """Beats in an output vector: passes over the input vector."""
        return self.sink.groups

    @property
    def interval(self) -> int:
        """Cycles a frame: one word of weights a cycle, no bubble anywhere."""
        return self.x.vectors * self.sf * self.nf

    @property
    def delay(self) -> int:
        """Registers from a read operand to the sum of its products."""
        return 1 + int(self.fetches or self.merges) + self.terms.registers + self.levels

    @property
    def fetches(self) -> bool:
        """Whether operands have a second register, behind that of a block RAM.

        The first one is in the memory, and its output is late: 5.8 ns after the edge on ECP5, of
        10 ns at 100 MHz. Weights that are computed (huffman, hashed) are not from there.
        """
        if self.rom in ("huffman", "hashed"):
            return False
        kept = self.nf > 1 and self.buffer_style == "block"
        return kept or self.rom_style == "block"

    @property
    def merges(self) -> bool:
        """Whether a weight and its xnor are one LUT, of the word's number and an input.

        Registered is the product then, not the weight: few words, and weights that are not coded.
        """
        few = 1 < self.depth <= MERGED_WORDS and not self.op.reloadable
        return self.terms.kind == "xnor" and self.rom == PLAIN and few and not self.fetches

    @property
    def latency(self) -> int:
        """Cycles from a vector's last input beat to its first output beat."""
        return int(self.nf > 1) + self.delay + 1

    # ---- arithmetic -----------------------------------------------------------------------------

    @property
    def terms(self) -> Terms:
        """How products are made."""
        kind = kind_of(self.x.elem, self.op.weight_type, masked=self.masked)
        return Terms(self.x.elem, self.op.weight_type, self.sink.elem, kind, self.dsp)

    @property
    def fields(self) -> int:
        """Products that share a multiplication."""
        return 1

    @property
    def term_bits(self) -> int:
        """Bits of a term of the adder tree."""
        return self.terms.term_bits

    @property
    def levels(self) -> int:
        """Registers of the adder tree."""
        return self.terms.tree_levels(self.simd, by_six=self.merges)

    @property
    def kept_bits(self) -> int:
        """Bits kept of an input beat: of a masked one the signs, and whether it is masked."""
        return self.simd + 1 if self.terms.kind == "masked" else self.x.width

    # ---- memories -------------------------------------------------------------------------------

    @property
    def word_bits(self) -> int:
        """Bits of a word of weights."""
        return self.pe * self.simd * self.terms.rom_type.bits

    @property
    def reloadable(self) -> Reloadable | None:
        """The weights."""
        return Reloadable("weights", self._words()) if self.op.reloadable else None

    @property
    def coded(self) -> CodedRom | None:
        """What holds the weights, where they are not stored as they are."""
        weights = FoldedWeights(self.op.weights, self.terms.rom_type, self.pe, self.simd)
        return coded_rom(self.rom, weights)

    @property
    def weight_bits(self) -> int:
        """Bits of all weights, as they are stored."""
        if self.coded is not None:
            return self.coded.stored_bits
        return self.op.weights.data.size * self.terms.rom_type.bits

    @property
    def depth(self) -> int:
        """Words of weights."""
        return self.op.groups * self.nf * self.sf

    @property
    def rom_style(self) -> str:
        """Where the weights, or their codes, go."""
        return self.coded.style if self.coded else parts.memory_style(self.depth, self.word_bits)

    @property
    def buffer_style(self) -> str:
        """Where the input vectors go that are passed over again."""
        return parts.memory_style(2 * self.sf, self.kept_bits)

    @property
    def address(self) -> str:
        """Counter that addresses the weights (SystemVerilog)."""
        if self.counts_words:
            return "address_q"
        return "sf_q" if self.sf > 1 else "nf_q" if self.nf > 1 else "0"

    @property
    def counts_words(self) -> bool:
        """Whether the weights have a counter of their own."""
        return self.op.groups > 1 or (self.sf > 1 and self.nf > 1)

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    def weights_mem(self) -> str:
        """The ROM's content: word (group * NF + nf) * SF + sf, element p * SIMD + s."""
        return parts.mem_text(self._codes(), self.terms.rom_type.bits)

    def _codes(self) -> Ints:
        """Codes of the weights: (depth, PE * SIMD)."""
        fold = (self.op.groups * self.nf, self.pe, self.sf, self.simd)
        folded = self.op.weights.data.reshape(fold).transpose(0, 2, 1, 3)
        return self.terms.rom_type.encode(folded.reshape(self.depth, self.pe * self.simd))

    def _words(self) -> NDArray[np.uint8]:
        """Bits of the ROM: (depth, word_bits)."""
        return parts.bits_of(self._codes(), self.terms.rom_type.bits)

    # ---- stage ----------------------------------------------------------------------------------

    def schedule(self, *arrivals: Ints) -> Ints:
        """Each word of weights is issued one edge after the one before, or later: see below.

        In a vector's first pass a beat is issued at its arrival (NF = 1) or an edge after it was
        written to the buffer. A buffer that is full holds a whole vector ahead, so it never
        delays an issue.
        """
        (edges,) = arrivals
        per_vector = self.nf * self.sf
        earliest = np.zeros((self.x.vectors, self.nf, self.sf), np.int64)
        earliest[:, 0, :] = edges.reshape(self.x.vectors, self.sf) + int(self.nf > 1)
        if self.nf > 1:
            earliest[:, 1:, :] = earliest[:, :1, :1]  # the beats are there: no bound of their own
        order = np.arange(self.x.vectors * per_vector)
        issues = order + np.maximum.accumulate(earliest.reshape(-1) - order)
        return issues.reshape(-1, self.sf)[:, -1] + self.delay + 1

    def timing(self) -> Timing:
        """A slot a word of weights; see :meth:`schedule` and the buffer in dense.sv.j2."""
        shape = (self.x.vectors, self.nf, self.sf)
        vector, beat = np.arange(shape[0])[:, None, None], np.arange(self.sf)
        used = np.broadcast_to(vector * self.sf + beat + 1, shape)
        needs, frees = used.copy(), used.copy()
        needs[:, 1:] = (vector + 1) * self.sf
        frees[:, :-1] = vector * self.sf
        return Timing(
            needs=(needs.reshape(-1),),
            wait=(int(self.nf > 1),),
            frees=(frees.reshape(-1),),
            keep=(2 * self.sf if self.nf > 1 else 0,),
            gives=np.broadcast_to(beat == self.sf - 1, shape).reshape(-1),
            delay=self.delay + 1,
            room=1 + parts.ceil_div(self.delay, self.sf),
        )

    def cost(self) -> Cost:
        """Products, adder trees and accumulators of PE sums; beside them memories and control.

        Products: Terms.cost. Tree: parts.tree_cost. Accumulator: b bits where SF > 1. Output: b
        FFs. Operands: bits kept of x + word bits FFs (none behind block RAM), twice where one of
        the two is from block RAM. Memories: parts.ram, parts.rom by content, or that of the coded
        ROM. Weights that are one LUT with their product have no LUT of a product beside. Flags that
        go along with three registers or more are shift registers of a LUT each. Weights that can be
        reloaded: parts.writable.
        """
        terms, out, pe = self.terms, self.sink.elem.bits, self.pe
        trees = pe + int(terms.kind == "gated")
        cost = Cost() if self.merges else terms.cost(pe * self.simd)
        cost += terms.tree_cost(self.simd, trees, by_six=self.merges)
        folded = self.sf > 1
        counters = (self.sf - 1).bit_length() + (self.nf - 1).bit_length()
        if self.counts_words:
            counters += (self.depth - 1).bit_length()
        shifted = 2 * folded * (self.delay > 2)
        pointers = (2 * self.sf).bit_length() if self.nf > 1 else 0
        features = {
            "dense.accumulate": pe * out * folded,
            "dense.counted": pe * out * terms.counted,
            "dense.decode": self.simd * terms.x_value.bits * terms.decodes_x,
            "dense.counter": counters,
            "dense.pointer": pointers,
            "dense.one": 1,
        }
        flags = self.delay * (1 if shifted else 1 + 2 * folded)
        cost += Cost(
            lut=luts(features) + shifted,
            ff=pe * out * (1 + folded) + counters + 4 * pointers + flags + 1,
            carry=pe * carries(out) * folded + 4 * carries(pointers),
        )
        if self.nf > 1:
            cost += parts.ram(2 * self.sf, self.kept_bits).registered
        else:
            cost += Cost(ff=self.kept_bits)
        if self.fetches:
            cost += Cost(ff=self.kept_bits + self.pe * self.simd * terms.rom_type.bits)
        if self.coded is not None:
            return cost + self.coded.cost()
        if self.op.reloadable:
            return cost + parts.writable(self.depth, self.word_bits)
        if self.merges:
            cost += Cost(ff=(self.depth - 1).bit_length())
        return cost + parts.rom(self.depth, self.word_bits, self._words, logic=True).registered

    def work(self) -> Work:
        """Every weight of a group meets every vector of it; the memory is read once a round."""
        rounds = self.x.vectors // self.op.groups
        read = self.coded.round_bits if self.coded is not None else self.depth * self.word_bits
        return Work(
            products=rounds * self.op.weights.data.size,
            product_bits=self.x.elem.bits * self.terms.rom_type.bits,
            sum_bits=self.sink.elem.bits,
            weight_bits_read=rounds * read,
        )

    def files(self) -> Mapping[str, str]:
        """The module, its weights, the adder tree."""
        if self.coded is not None:
            weights = self.coded.files(self.module)
        else:
            weights = {f"{self.module}_weights.mem": self.weights_mem()}
        return {
            f"{self.module}.sv": render("sv/dense.sv.j2", hw=self),
            **weights,
            **self.terms.files(),
            **({"gs_reload.sv": plain("sv/gs_reload.sv")} if self.op.reloadable else {}),
        }


class FoldedUnit(MatrixUnit):
    """Every weight has its turn: out / PE * in / SIMD cycles a vector."""

    name = FOLDED
    what = "PE x SIMD multipliers, every weight in its turn"
    automatic = True
    roms = (PLAIN, *CODED_ROMS)

    def refuses(self, layer: Layer, rom: str = PLAIN) -> str | None:
        """It takes every layer; a coded ROM only where that saves something."""
        return None if rom == PLAIN else CODED_ROMS[rom].refuses(layer)

    def folds(self, layer: Layer, rom: str = PLAIN) -> Iterator[Fold]:
        """All divisors of outputs and inputs for which there is such a ROM."""
        for fold in MatrixUnit.folds(self, layer, rom):
            if rom == PLAIN or _coded(layer, fold) is not None:
                yield fold

    def cycles(self, layer: Layer, fold: Fold) -> int:
        """One word of weights a cycle."""
        return layer.vectors * (layer.outputs // fold.pe) * (layer.inputs // fold.simd)

    def lanes(self, layer: Layer, fold: Fold) -> int:
        """SIMD."""
        return fold.simd

    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> DenseStage:
        """The matrix-vector unit."""
        n = naming
        return DenseStage(
            n.name, n.node, n.origin, n.module, layer.op, x, fold.pe, masked=masked, rom=fold.rom
        )


def _coded(layer: Layer, fold: Fold) -> CodedRom | None:
    """The ROM of a fold, if there is one."""
    return coded_rom(fold.rom, FoldedWeights.of(layer, fold.pe, fold.simd))
