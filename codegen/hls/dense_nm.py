"""HLS of the matrix-vector unit for N:M sparse weights."""

from __future__ import annotations

from gatesmith.codegen.dense_nm import DenseNmStage, pack
from gatesmith.codegen.hls.dense import dense_constants, dense_elems
from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel


@kernel(DenseNmStage)
def dense_nm(stage: DenseNmStage) -> Kernel:
    """The weights that are kept, and the offset of each above it."""
    pattern, rom = stage.pattern, stage.terms.rom_type
    together = stage.x.lanes // pattern.of
    fold = (stage.op.groups * stage.nf, stage.pe, stage.sf, together, pattern.of)
    kept, offsets = pack(stage.op.weights.data.reshape(fold).transpose(0, 2, 1, 3, 4), pattern)
    entries = (rom.encode(kept) | offsets << rom.bits).reshape(stage.depth, -1)
    constants = {
        **dense_constants(stage),
        "LANES": stage.x.lanes,
        "KEPT": pattern.kept,
        "OF": pattern.of,
        "OFFSET_B": pattern.offset_bits,
    }
    remark = "row (group * NF + pass) * SF + beat: weights, the offset above each"
    weights = Rom.packed("weights", entries, stage.entry_bits, remark)
    return Kernel("dense_nm.h", "dense_nm", dense_elems(stage), constants, (weights,))
