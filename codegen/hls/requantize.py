"""HLS of Requantize."""

from __future__ import annotations

from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.requantize import RequantizeStage
from gatesmith.ir import Ints, IntType

MOST_SHIFT = 62
"""Further right there is nothing but the sign."""


def channel_rom(name: str, values: Ints, kind: IntType, groups: int) -> Rom:
    """A constant for each channel, a row for each beat of a vector; one where all are equal."""
    if (values == values[0]).all():
        return Rom.packed(name, kind.encode(values[:1]).reshape(1, 1), kind.bits, "of all channels")
    words = kind.encode(values).reshape(groups, -1)
    return Rom.packed(name, words, kind.bits, "a row for each beat of a vector")


@kernel(RequantizeStage)
def requantize(stage: RequantizeStage) -> Kernel:
    """Factor and summand of each channel."""
    x, lanes = stage.x, stage.x.lanes
    constants = {
        "X_W": x.width,
        "Y_W": stage.sink.width,
        "LANES": lanes,
        "BEATS": x.beats,
        "DEPTH": x.groups,
        "P_B": max(stage.product.bits, stage.shifted.bits),
        "MUL_B": stage.mul_type.bits,
        "ADD_B": stage.add_type.bits,
        "MULS": lanes if stage.mul_varies else 1,
        "ADDS": lanes if stage.add_varies else 1,
        "SHIFT": min(stage.op.shift, MOST_SHIFT),
        "EVEN": stage.op.even,
        "LO": stage.op.out.lo,
        "HI": stage.op.out.hi,
    }
    roms = (
        channel_rom("muls", stage.mul, stage.mul_type, x.groups),
        channel_rom("adds", stage.add, stage.add_type, x.groups),
    )
    elems = {"X": x.elem, "Y": stage.op.out}
    return Kernel("requantize.h", "requantize", elems, constants, roms)
