"""HLS of IntLayerNorm."""

from __future__ import annotations

import numpy as np

from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.int_layer_norm import IntLayerNormStage

EPSILON_BITS = 16


@kernel(IntLayerNormStage)
def int_layer_norm(stage: IntLayerNormStage) -> Kernel:
    """Both tables; E in words of 16 bits, since it may have more than 64."""
    op = stage.op
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "LANES": stage.x.lanes,
        "GROUPS": stage.x.groups,
        "VECTORS": stage.x.vectors,
        "CHANNELS": op.channels,
        "V_B": op.width,
        "FRACTION": op.fraction,
        "ADDRESS": op.address,
        "MANTISSA": op.mantissa,
        "SLOPE": op.slope_bits,
        "MIDDLE": op.middle,
        "ROOT_SHIFT": op.shift,
        "SHIFT": op.scale_bits - op.bits,
    }
    count = -(-op.epsilon.bit_length() // EPSILON_BITS)
    mask = (1 << EPSILON_BITS) - 1
    words = [op.epsilon >> (EPSILON_BITS * k) & mask for k in range(count)]
    tables = max(stage.slope_bits, stage.root_bits)
    roms = (
        Rom.plain("slope", op.slope.data, tables, "2**SLOPE / middle of the interval"),
        Rom.plain("root", op.root.data, tables, "its reciprocal root"),
        Rom.plain("epsilon", np.array(words, np.int64), EPSILON_BITS, "E, the lowest word first"),
    )
    elems = {"X": stage.x.elem, "Y": stage.out}
    return Kernel("int_layer_norm.h", "int_layer_norm", elems, constants, roms)
