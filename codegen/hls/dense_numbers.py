"""HLS of the unrolled matrix-vector unit over inputs of several bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatesmith.codegen.dense_numbers import DenseNumbersStage
from gatesmith.codegen.hls.dense import sum_constants
from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.hls.requantize import MOST_SHIFT
from gatesmith.codegen.requantize import RequantizeStage
from gatesmith.codegen.terms import Terms, kind_of


@kernel(DenseNumbersStage)
def dense_numbers(stage: DenseNumbersStage) -> Kernel:
    """A row of weights for each output, and what is added to each sum before the shift."""
    op, x, y = stage.op, stage.x.elem, stage.sum_type
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
    elems = {"X": x, "Y": stage.sink.elem}
    if stage.then is None:
        return Kernel("dense_unrolled.h", "dense_unrolled", elems, constants, (rom,))
    then = RequantizeStage("r", "r", (), "r", stage.then, replace(stage.sink, elem=y))
    constants |= {
        "P_B": max(then.product.bits, then.shifted.bits),
        "ADD_B": then.add_type.bits,
        "MUL": int(then.mul[0]),
        "SHIFT": min(stage.then.shift, MOST_SHIFT),
        "EVEN": stage.then.even,
        "LO": stage.then.out.lo,
        "HI": stage.then.out.hi,
    }
    adds = np.broadcast_to(then.add, (1, stage.pe))
    added = Rom.packed("adds", then.add_type.encode(adds), then.add_type.bits, "of each output")
    return Kernel("dense_unrolled.h", "dense_unrolled_requantize", elems, constants, (rom, added))
