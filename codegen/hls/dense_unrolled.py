"""HLS of the unrolled matrix-vector unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatesmith.codegen.dense_unrolled import DenseUnrolledStage
from gatesmith.codegen.hls.dense import whole_rows
from gatesmith.codegen.hls.kernel import Constant, Kernel, Rom, kernel
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.ops.threshold import Threshold


@kernel(DenseUnrolledStage)
def dense_unrolled(stage: DenseUnrolledStage) -> Kernel:
    """A row of weights for each output; as constants they become adders."""
    constants, rom = whole_rows(stage)
    elems = {"X": stage.x.elem, "Y": stage.sink.elem}
    if stage.threshold is None:
        return Kernel("dense_unrolled.h", "dense_unrolled", elems, constants, (rom,))
    return _with_threshold(stage, stage.threshold, constants, rom)


def _with_threshold(
    stage: DenseUnrolledStage, threshold: Threshold, constants: dict[str, Constant], rom: Rom
) -> Kernel:
    """Sums as codes, compared with codes; the result is one bit."""
    compare = ThresholdStage("t", "t", (), "t", threshold, replace(stage.sink, elem=stage.sum_type))
    limits = np.broadcast_to(compare.codes, (stage.pe, 1))
    falls = np.broadcast_to(threshold.falling.data[:, None], (stage.pe, 1))
    limit = compare.compare
    constants |= {"T_B": limit.bits, "T_SIGNED": limit.signed}
    roms = (
        rom,
        Rom.packed("thresholds", limit.encode(limits).T, limit.bits, "of each output"),
        Rom.packed("falls", falls.T, 1, "1 where the output falls"),
    )
    elems = {"X": stage.x.elem, "S": stage.sum_type, "Y": threshold.out}
    return Kernel("dense_unrolled.h", "dense_unrolled_threshold", elems, constants, roms)
