"""HLS of IntSoftmax."""

from __future__ import annotations

from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.int_softmax import IntSoftmaxStage


@kernel(IntSoftmaxStage)
def int_softmax(stage: IntSoftmaxStage) -> Kernel:
    """Tables of exp; the reciprocal digit by digit, as in the RTL."""
    op, bits = stage.op, stage.payload_bits
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "LANES": stage.x.lanes,
        "GROUPS": stage.x.groups,
        "VECTORS": stage.x.vectors,
        "FRACTION": op.fraction,
        "LOW": op.low_bits,
        "COARSE": op.coarse.shape[0],
        "K": op.quotient_shift,
        "SHIFT": op.quotient_shift - op.bits,
        "E_B": bits,
        "S_B": stage.sum_bits,
    }
    roms = (
        Rom.plain("coarse", op.coarse.data, bits, "2**FRACTION * exp(-scale * 2**LOW * entry)"),
        Rom.plain("fine", op.fine.data, bits, "2**FRACTION * exp(-scale * entry)"),
    )
    elems = {"X": stage.x.elem, "Y": stage.out}
    return Kernel("int_softmax.h", "int_softmax", elems, constants, roms)
