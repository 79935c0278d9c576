"""Hardware of Dense that passes over blocks of PE x SIMD weights that are all zero.

The ROM holds the other blocks only, one output beat after the other, and an order memory beside it
for each word which input beat it reads, and whether it is the last of its output beat, and of its
vector (block sparse rows, as in cuSPARSE's BSR; Gray, Radford and Kingma, GPU Kernels for
Block-Sparse Weights, 2017). The input waits in a buffer of two vectors and is read at random; a
word waits for its beat. When each word is issued: codegen/block_order.py.

Output beats come irregularly, some one behind the other. So the pipeline never stands still: a sum
goes into a FIFO that has room for every one under way, and no word is issued beyond that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import carries
from gatesmith.codegen.block_order import Blocks, blocks
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.matrix_unit import PLAIN, Fold, Layer, MatrixUnit, Naming, divisors
from gatesmith.codegen.render import plain, render
from gatesmith.codegen.stream import Stream, Timing, Work
from gatesmith.ir import Ints

BLOCKS = "blocks"


@dataclass(frozen=True, slots=True)
class DenseBlocksStage(DenseStage):
    """Matrix-vector unit; templates/sv/dense_blocks.sv.j2 is given it under the name ``hw``."""

    def __post_init__(self) -> None:
        DenseStage.__post_init__(self)  # no super(): slots make another class
        if self.sf < 2 or self.nf < 2:
            raise ValueError(f"{self.sf} beats in and {self.nf} out: both must be 2 or more")
        if self.terms.kind not in ("sign_w", "ternary", "multiply"):
            raise ValueError(f"no zero among weights of type {self.op.weight_type}")

    @property
    def blocks(self) -> Blocks:
        """Words of weights."""
        return blocks(self.op, self.pe, self.simd)

    @property
    def interval(self) -> int:
        """Cycles a frame: a word, and an input beat, a cycle."""
        return self.blocks.cycles(self.x.vectors)

    @property
    def latency(self) -> int:
        """Cycles from a frame's first input beat to its first output beat, at a beat a cycle."""
        first = np.flatnonzero(self.blocks.last)[0] + 1
        return int((self.blocks.beat[:first] + np.arange(first)[::-1]).max()) + self.delay + 2

    @property
    def room(self) -> int:
        """Output beats that can be under way: enough never to hold up a word in vain."""
        return 1 + self.blocks.outputs_within(self.delay)

    # ---- memories -------------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """Words of weights."""
        return int(self.blocks.words.sum())

    @property
    def order_bits(self) -> int:
        """Bits of a word of the order memory: beat, last of its output beat, of its vector."""
        return (self.sf - 1).bit_length() + 2

    @property
    def fetches(self) -> bool:
        """No: its pipeline begins at the order memory."""
        return False

    @property
    def merges(self) -> bool:
        """No."""
        return False

    @property
    def order_style(self) -> str:
        """Where the order goes."""
        return parts.memory_style(self.depth, self.order_bits)

    @property
    def weight_bits(self) -> int:
        """Bits of the ROM and of the order memory."""
        return self.depth * (self.word_bits + self.order_bits)

    def weights_mem(self) -> str:
        """The ROM's content."""
        return parts.mem_text(self._codes(), self.terms.rom_type.bits)

    def _codes(self) -> Ints:
        """Codes of kept blocks: word, element p * SIMD + s."""
        fold = (self.op.groups, self.nf, self.pe, self.sf, self.simd)
        folded = self.op.weights.data.reshape(fold).transpose(0, 1, 3, 2, 4)
        words = folded[self.blocks.kept].reshape(self.depth, self.pe * self.simd)
        return self.terms.rom_type.encode(words)

    def order_mem(self) -> str:
        """The order's content."""
        return parts.mem_text(self._order(), self.order_bits)

    def _order(self) -> Ints:
        """The order: beat, above it last of its output beat, above that last of its vector."""
        found = self.blocks
        flags = found.last * 1 | found.ends * 2
        return (found.beat | flags << (self.order_bits - 2))[:, None]

    def _order_words(self) -> NDArray[np.uint8]:
        """Bits of the order: (depth, order_bits)."""
        return parts.bits_of(self._order(), self.order_bits)

    # ---- stage ----------------------------------------------------------------------------------

    def schedule(self, *arrivals: Ints) -> Ints:
        """Each word is issued an edge behind the one before, or when its beat has come."""
        (edges,) = arrivals
        offered = edges.reshape(self.x.vectors, self.sf)
        issues = self._whole(offered) if self.blocks.even else self._in_turn(offered)
        rounds = self.x.vectors // self.op.groups
        return issues[np.tile(self.blocks.last, rounds)] + self.delay + 1

    def _whole(self, offered: Ints) -> Ints:
        """Edges of all words, where no beat has to wait longer for its place than its words."""
        found, rounds = self.blocks, self.x.vectors // self.op.groups
        vector = np.repeat(np.arange(self.x.vectors), np.tile(found.counts, rounds))
        earliest = offered[vector, np.tile(found.beat, rounds)] + 1
        order = np.arange(earliest.size)
        whole: Ints = order + np.maximum.accumulate(earliest - order)
        return whole

    def _in_turn(self, offered: Ints) -> Ints:
        """Edges of all words, vector by vector: both lines of codegen/block_order.py."""
        order, groups = np.arange(self.depth + self.sf), self.blocks.by_group()
        came, done, issues = -1, [-1, -1], []
        for vector, beats in enumerate(offered):
            words = groups[vector % len(groups)]
            earliest = np.maximum(beats, max(came, done[-2]) + 1) - order[: self.sf]
            put = np.maximum.accumulate(earliest) + order[: self.sf]
            earliest = np.maximum(put[words], done[-1]) + 1 - order[: words.size]
            issue = np.maximum.accumulate(earliest) + order[: words.size]
            came, done = int(put[-1]), [done[-1], int(issue[-1])]
            issues.append(issue)
        return np.concatenate(issues)

    def timing(self) -> Timing:
        """A slot a word of weights; both places of a vector are free at once, when it is done."""
        found, rounds = self.blocks, self.x.vectors // self.op.groups
        vector = np.repeat(np.arange(self.x.vectors), np.tile(found.counts, rounds))
        furthest = np.concatenate([np.maximum.accumulate(beats) for beats in found.by_group()])
        return Timing(
            needs=(vector * self.sf + np.tile(furthest, rounds) + 1,),
            wait=(1,),
            frees=((vector + np.tile(found.ends, rounds)) * self.sf,),
            keep=(2 * self.sf,),
            gives=self._every_round(found.last),
            delay=self.delay + 1,
            room=self.room,
        )

    def _every_round(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.tile(flags, self.x.vectors // self.op.groups)

    def cost(self) -> Cost:
        """As DenseStage.cost, with other memories.

        Kept blocks, their order (both by content), two input vectors, a FIFO of ``room`` output
        beats; counters of their places, and the comparison of beats.
        """
        out, beat = self.sink.elem.bits, (self.sf - 1).bit_length()
        cost = self.terms.cost(self.pe * self.simd)
        cost += self.terms.tree_cost(self.simd, self.pe)
        counters = beat + self.depth.bit_length() + 4 * self.room.bit_length()
        features = {
            "dense.accumulate": self.pe * out,
            "dense.decode": self.simd * self.terms.x_value.bits * self.terms.decodes_x,
            "dense.counter": counters,
            "dense.pointer": beat + 1,
            "dense.one": 1,
        }
        ff = counters + self.pe * out + 2 * self.delay + self.order_bits + 6
        cost += Cost(lut=luts(features), ff=ff, carry=self.pe * carries(out))
        rom = self.terms.rom_type
        words, order = partial(parts.bits_of, self._codes(), rom.bits), self._order_words
        cost += parts.rom(self.depth, self.word_bits, words).registered
        cost += parts.rom(self.depth, self.order_bits, order).registered
        cost += parts.ram(2 * self.sf, self.kept_bits).registered
        return cost + parts.ram(self.room, self.sink.width, through=True).cost

    def work(self) -> Work:
        """Every weight of a kept block meets every vector of its group."""
        rounds = self.x.vectors // self.op.groups
        return replace(
            DenseStage.work(self),
            products=rounds * self.depth * self.pe * self.simd,
            weight_bits_read=rounds * self.weight_bits,
        )

    def files(self) -> Mapping[str, str]:
        """The module, its weights and their order, the adder tree, the FIFO."""
        return {
            f"{self.module}.sv": render("sv/dense_blocks.sv.j2", hw=self),
            f"{self.module}_weights.mem": self.weights_mem(),
            f"{self.module}_order.mem": self.order_mem(),
            **self.terms.files(),
            "gs_fifo.sv": plain("sv/gs_fifo.sv"),
        }


class BlocksUnit(MatrixUnit):
    """Blocks of zero weights take neither time nor memory."""

    name = BLOCKS
    what = "PE x SIMD multipliers that pass over blocks of zero weights"
    automatic = True

    def refuses(self, layer: Layer, rom: str = PLAIN) -> str | None:
        """No zero that could be passed over."""
        if layer.op.weights.data.all():
            return "none of its weights is zero"
        if layer.inputs < 2:
            return "it has a single input: every output needs a cycle"
        if layer.outputs < 2:
            return "it has a single output: one pass takes no longer than the inputs to come in"
        return None

    def folds(self, layer: Layer, rom: str = PLAIN) -> Iterator[Fold]:
        """Those with fewer cycles than the folded unit would take."""
        if self.refuses(layer, rom) is not None:
            return
        for pe in divisors(layer.outputs)[:-1]:
            for simd in divisors(layer.inputs)[:-1]:
                fold = Fold(pe, simd, self.name, rom)
                whole = layer.outputs // pe * (layer.inputs // simd)
                if self.cycles(layer, fold) < layer.vectors * whole:
                    yield fold

    def cycles(self, layer: Layer, fold: Fold) -> int:
        """A word, and an input beat, a cycle."""
        return blocks(layer.op, fold.pe, fold.simd).cycles(layer.vectors)

    def lanes(self, layer: Layer, fold: Fold) -> int:
        """SIMD."""
        return fold.simd

    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> DenseBlocksStage:
        """The unit; weights that have a zero are never masked."""
        n = naming
        return DenseBlocksStage(n.name, n.node, n.origin, n.module, layer.op, x, fold.pe)
