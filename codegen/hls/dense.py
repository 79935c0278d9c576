"""HLS of the folded matrix-vector unit, and what all dense units share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gatesmith.codegen.coded_rom import CodebookRom, FoldedWeights
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.hashed_rom import HashedRom
from gatesmith.codegen.hls.kernel import Constant, Kernel, Rom, bound_bits, kernel
from gatesmith.codegen.huffman_rom import HuffmanRom
from gatesmith.codegen.terms import Terms, kind_of
from gatesmith.codegen.vector_stage import VectorStage
from gatesmith.ir import BIPOLAR, Ints, IntType

KINDS = {
    "xnor": "gs::COUNT",
    "masked": "gs::SIGN_X",
    "gated": "gs::SIGN_X",
    "copy": "gs::COPY",
    "sign_x": "gs::SIGN_X",
    "sign_w": "gs::SIGN_W",
    "ternary": "gs::PRODUCT",
    "multiply": "gs::PRODUCT",
}
"""How a product is made (codegen/terms.py), as templates/hls/dense.h calls it."""


def sum_constants(terms: Terms, x: IntType, y: IntType, weights: Ints) -> dict[str, Constant]:
    """What Term, Operand and Accumulator of dense.h need.

    Args:
        terms: How products are made.
        x: Type of an input.
        y: Type of a sum.
        weights: Weights of one sum along the last axis.
    """
    most = int(np.abs(weights).sum(axis=-1).max(initial=0))
    reach = max(abs(x.lo), abs(x.hi), abs(x.code.hi)) * most
    return {
        "KIND": KINDS[terms.kind],
        "CODES": terms.kind == "copy" and x == BIPOLAR,
        "MASKED": terms.kind == "masked",
        "W_B": terms.rom_type.bits,
        "W_SIGNED": terms.rom_type.signed,
        "ACC": y.bits + (not y.signed),
        "REACH": min(64, bound_bits(reach)),
    }


def whole_rows(stage: VectorStage) -> tuple[dict[str, Constant], Rom]:
    """Constants and weights of dense_unrolled.h: a row for each output."""
    x, weights = stage.x.elem, stage.op.weights.data
    terms = Terms(x, stage.op.weight_type, stage.sum_type, kind_of(x, stage.op.weight_type))
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "PE": stage.pe,
        "SIMD": stage.simd,
        "VECTORS": stage.x.vectors,
        **sum_constants(terms, x, stage.sum_type, weights),
    }
    codes = terms.rom_type.encode(weights)
    return constants, Rom.packed("weights", codes, terms.rom_type.bits, "a row for each output")


def dense_constants(stage: DenseStage) -> dict[str, Constant]:
    """Of dense.h, for every unit but the unrolled one."""
    sums = sum_constants(stage.terms, stage.x.elem, stage.sink.elem, stage.op.weights.data)
    return {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "PE": stage.pe,
        "SIMD": stage.simd,
        "SF": stage.sf,
        "NF": stage.nf,
        "VECTORS": stage.x.vectors,
        "GROUPS": stage.op.groups,
        "DEPTH": stage.depth,
        **sums,
    }


def dense_elems(stage: DenseStage) -> Mapping[str, IntType]:
    """Of dense.h."""
    return {"X": stage.x.elem, "Y": stage.sink.elem}


def folded(stage: DenseStage) -> FoldedWeights:
    """The weights in the order in which they are used."""
    return FoldedWeights(stage.op.weights, stage.terms.rom_type, stage.pe, stage.simd)


def weights_rom(stage: DenseStage) -> Rom:
    """A row for each word: weight of output p and input s at p * SIMD + s."""
    remark = "row (group * NF + pass) * SF + beat: weight of output p and input s is p * SIMD + s"
    return Rom.packed("weights", folded(stage).codes(), stage.terms.rom_type.bits, remark)


_NO_TABLE = Rom.plain("table", np.zeros(1, np.int64), 8, "not used")


@kernel(DenseStage)
def dense(stage: DenseStage) -> Kernel:
    """PE x SIMD products a cycle; weights plain or coded."""
    constants = dense_constants(stage)
    match stage.coded:
        case None:
            rom, roms = "PlainRom", (weights_rom(stage), _NO_TABLE)
        case CodebookRom() as coded:
            rom, roms = "CodebookRom", _codebook(stage, coded)
            constants["INDEX_B"] = coded.index_bits
        case HashedRom() as coded:
            rom, roms = "HashedRom", _hashed(stage, coded)
            constants |= {"INDEX_B": coded.index_bits, "DEGREE": coded.state_bits}
        case HuffmanRom() as coded:
            rom, roms = "HuffmanRom", _huffman(coded)
            constants |= {
                "GROUP": coded.group,
                "LONGEST": coded.code.longest,
                "CODED_B": coded.word_bits,
            }
        case _:
            raise AssertionError(f"{stage.rom}: no HLS in codegen/hls/dense.py")
    return Kernel("dense.h", "dense", dense_elems(stage), constants, roms, (f"gs::{rom}",))


def _table(stage: DenseStage, values: tuple[int, ...]) -> Rom:
    codes = np.array(values, np.int64)
    return Rom.plain("table", codes, stage.terms.rom_type.bits, "weight of each index")


def _codebook(stage: DenseStage, coded: CodebookRom) -> tuple[Rom, Rom]:
    indices = np.searchsorted(np.array(coded.values), coded.weights.codes())
    remark = "row (group * NF + pass) * SF + beat: indices into the table"
    return Rom.packed("weights", indices, coded.index_bits, remark), _table(stage, coded.values)


def _hashed(stage: DenseStage, coded: HashedRom) -> tuple[Rom, Rom]:
    masks = [*coded.beat_masks, *coded.pass_masks, *coded.lane_masks]
    remark = "masks of the state: next beat, next pass, place of each lane"
    rom = Rom.plain("weights", np.array([masks], np.int64), 64, remark)
    return rom, _table(stage, coded.values)


def _huffman(coded: HuffmanRom) -> tuple[Rom, Rom]:
    decoders, images = coded.decoders, coded.images()
    rows = np.zeros((len(decoders), 1 + max(d.words for d in decoders)), np.int64)
    for row, decoder in zip(rows, decoders, strict=True):
        row[0] = decoder.start
        row[1 : 1 + decoder.words] = images[decoder.rom][decoder.base :][: decoder.words]
    remark = "a row for each decoder: bits before its first symbol, then its stream"
    streams = Rom.plain("weights", rows, coded.word_bits, remark)
    longest, bits = coded.code.longest, coded.symbol_bits
    table = np.zeros(1 << longest, np.int64)
    for word, symbol, length in zip(
        coded.code.words, coded.code.symbols, coded.code.lengths, strict=True
    ):
        first = int(f"{word:0{length}b}"[::-1], 2)  # the first bit is the lowest
        table[first :: 1 << length] = symbol | length << bits
    entry = bits + longest.bit_length()
    return streams, Rom.plain("table", table, entry, "symbol of each window, its length above")
