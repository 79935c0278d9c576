"""HLS of the matrix-vector unit that passes over blocks of zero weights."""

from __future__ import annotations

from gatesmith.codegen.dense_blocks import DenseBlocksStage
from gatesmith.codegen.hls.dense import dense_constants, dense_elems
from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel


@kernel(DenseBlocksStage)
def dense_blocks(stage: DenseBlocksStage) -> Kernel:
    """The blocks that are kept, their order, and how many each group has."""
    found, rom = stage.blocks, stage.terms.rom_type
    fold = (stage.op.groups, stage.nf, stage.pe, stage.sf, stage.simd)
    folded = stage.op.weights.data.reshape(fold).transpose(0, 1, 3, 2, 4)
    codes = rom.encode(folded[found.kept].reshape(stage.depth, -1))
    beat_bits = (stage.sf - 1).bit_length()
    order = found.beat | (found.last * 1) << beat_bits
    roms = (
        Rom.packed("weights", codes, rom.bits, "a row for each block that is not all zero"),
        Rom.plain("order", order, beat_bits + 1, "its beat, above it 1 for the last of a sum"),
        Rom.plain("counts", found.counts, 32, "blocks of each group"),
    )
    constants = {**dense_constants(stage), "BEAT_B": beat_bits}
    return Kernel("dense_blocks.h", "dense_blocks", dense_elems(stage), constants, roms)
