"""HLS of the unrolled matrix-vector unit over inputs of several bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatesmith.codegen.dense_numbers import DenseNumbersStage
from gatesmith.codegen.hls.dense import whole_rows
from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.hls.requantize import MOST_SHIFT
from gatesmith.codegen.requantize import RequantizeStage


@kernel(DenseNumbersStage)
def dense_numbers(stage: DenseNumbersStage) -> Kernel:
    """A row of weights for each output, and what is added to each sum before the shift."""
    x, y = stage.x.elem, stage.sum_type
    constants, rom = whole_rows(stage)
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
