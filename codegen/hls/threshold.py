"""HLS of Threshold."""

from __future__ import annotations

import numpy as np

from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.threshold import ThresholdStage


@kernel(ThresholdStage)
def threshold(stage: ThresholdStage) -> Kernel:
    """Thresholds and directions of the lanes of each beat of a vector."""
    elems = {"X": stage.x.elem, "Y": stage.op.out}
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "LANES": stage.x.lanes,
        "BEATS": stage.x.beats,
        "LO": stage.y_lo_code,
    }
    if stage.steps == 0:
        return Kernel("threshold.h", "threshold_none", elems, constants)
    rows = stage.depth * stage.entries
    codes = np.broadcast_to(stage.codes, (max(rows, stage.codes.shape[0]), stage.steps))[:rows]
    falls = np.broadcast_to(stage.op.falling.data, (max(rows, stage.op.falling.shape[0]),))[:rows]
    compare = stage.compare
    constants |= {
        "DEPTH": stage.depth,
        "ENTRIES": stage.entries,
        "STEPS": stage.steps,
        "T_B": compare.bits,
        "T_SIGNED": compare.signed,
    }
    words = compare.encode(codes).reshape(stage.depth, -1)
    roms = (
        Rom.packed("thresholds", words, compare.bits, "a row for each beat of a vector"),
        Rom.packed("falls", falls.reshape(stage.depth, -1), 1, "1 where the channel falls"),
    )
    return Kernel("threshold.h", "threshold", elems, constants, roms)
