"""HLS of Gather."""

from __future__ import annotations

import numpy as np

from gatesmith.codegen.address import NONE
from gatesmith.codegen.gather import GatherStage
from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel

_WALK = "place in the ring of the beat that each output beat is, -1 for a constant"


@kernel(GatherStage)
def gather(stage: GatherStage) -> Kernel:
    """The beats in the order in which they leave, and a ring as deep as taking late needs."""
    first = stage.op.index.data.reshape(-1, stage.x.lanes)[:, 0]
    walk = np.where(first < 0, NONE, first // stage.x.lanes)
    needs = np.maximum.accumulate(walk + 1)
    lowest = np.where(walk == NONE, stage.x.beats, walk)
    ahead = np.minimum.accumulate(lowest[::-1])[::-1]  # read by this output or one behind it
    depth = max(1, int((needs - ahead).max()))
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.out.width,
        "LANES": stage.x.lanes,
        "INS": stage.x.beats,
        "OUTS": stage.out.beats,
        "DEPTH": depth,
        "FILL": stage.fill_code,
    }
    roms = (
        Rom("walk", "int", np.where(walk == NONE, NONE, walk % depth), _WALK),
        Rom("needs", "int", needs, "input beats that must have come"),
    )
    elems = {"X": stage.x.elem, "Y": stage.out.elem}
    return Kernel("gather.h", "gather", elems, constants, roms)
