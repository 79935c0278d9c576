"""HLS of Join."""

from __future__ import annotations

import numpy as np

from gatesmith.codegen.hls.kernel import Kernel, bound_bits, kernel
from gatesmith.codegen.hls.requantize import MOST_SHIFT, channel_rom
from gatesmith.codegen.join import JoinStage


@kernel(JoinStage)
def join(stage: JoinStage) -> Kernel:
    """Two factors and a summand for each channel."""
    lanes, groups = stage.a.lanes, stage.a.groups
    mul_a, mul_b, add = stage.constants
    bound = int(np.abs(add.values).max())
    for x, mul in zip(stage.sources, (mul_a, mul_b), strict=True):
        code = x.elem.code
        bound += max(abs(code.lo), abs(code.hi)) * int(np.abs(mul.values).max())
    constants = {
        "A_W": stage.a.width,
        "B_W": stage.b.width,
        "Y_W": stage.sink.width,
        "LANES": lanes,
        "BEATS": stage.a.beats,
        "DEPTH": groups,
        "P_B": max(stage.product.bits, stage.shifted.bits, min(bound_bits(bound), 64)),
        "MUL_A_B": mul_a.kind.bits,
        "MUL_B_B": mul_b.kind.bits,
        "ADD_B": add.kind.bits,
        "MULS_A": lanes if mul_a.varies else 1,
        "MULS_B": lanes if mul_b.varies else 1,
        "ADDS": lanes if add.varies else 1,
        "SHIFT": min(stage.op.shift, MOST_SHIFT),
        "EVEN": stage.op.even,
        "LO": stage.op.out.lo,
        "HI": stage.op.out.hi,
    }
    roms = tuple(
        channel_rom(name, constant.values, constant.kind, groups)
        for name, constant in (("muls_a", mul_a), ("muls_b", mul_b), ("adds", add))
    )
    elems = {"A": stage.a.elem, "B": stage.b.elem, "Y": stage.op.out}
    return Kernel("join.h", "join", elems, constants, roms)
