"""HLS of Depthwise."""

from __future__ import annotations

import numpy as np

from gatesmith.codegen.depthwise import DepthwiseStage
from gatesmith.codegen.hls.dense import sum_constants
from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel


@kernel(DepthwiseStage)
def depthwise(stage: DepthwiseStage) -> Kernel:
    """A word of weights for each beat of a window, none where all are 1."""
    terms, lanes = stage.terms, stage.x.lanes
    if stage.depth:
        fold = (stage.taps, stage.groups, stage.pe)
        words = stage.op.weights.data.reshape(fold).transpose(1, 0, 2).reshape(stage.depth, lanes)
        codes = terms.rom_type.encode(words)
    else:
        codes = np.ones((1, lanes), np.int64)
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "PE": stage.pe,
        "TAPS": stage.taps_in_beat,
        "BEATS": stage.beats,
        "VECTORS": stage.x.vectors,
        "GROUPS": stage.groups,
        **sum_constants(terms, stage.x.elem, stage.sink.elem, stage.op.weights.data.T),
    }
    remark = "row group * BEATS + beat: weight of tap t and channel p is t * PE + p"
    rom = Rom.packed("weights", codes, terms.rom_type.bits, remark)
    elems = {"X": stage.x.elem, "Y": stage.sink.elem}
    return Kernel("depthwise.h", "depthwise", elems, constants, (rom,))
