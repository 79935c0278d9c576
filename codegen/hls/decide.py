"""HLS of Decide."""

from __future__ import annotations

from gatesmith.codegen.decide import DecideStage
from gatesmith.codegen.hls.kernel import Kernel, kernel


@kernel(DecideStage)
def decide(stage: DecideStage) -> Kernel:
    """The two best so far; the margin counts codes."""
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "LANES": stage.x.lanes,
        "GROUPS": stage.x.groups,
        "LOWEST": stage.x.elem.code.lo,
        "MARGIN": stage.margin,
    }
    return Kernel("decide.h", "decide", {"X": stage.x.elem, "Y": stage.sink.elem}, constants)
