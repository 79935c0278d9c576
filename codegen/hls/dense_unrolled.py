"""HLS of the unrolled matrix-vector unit."""

from __future__ import annotations

from gatesmith.codegen.dense_unrolled import DenseUnrolledStage
from gatesmith.codegen.hls.dense import sum_constants
from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.terms import Terms, kind_of


@kernel(DenseUnrolledStage)
def dense_unrolled(stage: DenseUnrolledStage) -> Kernel:
    """A row of weights for each output; as constants they become adders."""
    op, x, y = stage.op, stage.x.elem, stage.sink.elem
    terms = Terms(x, op.weight_type, y, kind_of(x, op.weight_type))
    codes = terms.rom_type.encode(op.weights.data)
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "PE": stage.pe,
        "SIMD": stage.simd,
        "VECTORS": stage.x.vectors,
        **sum_constants(terms, x, y, op.weights.data),
    }
    rom = Rom.packed("weights", codes, terms.rom_type.bits, "a row for each output")
    return Kernel("dense_unrolled.h", "dense_unrolled", {"X": x, "Y": y}, constants, (rom,))
