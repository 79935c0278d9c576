"""HLS of EarlyExit."""

from __future__ import annotations

from gatesmith.codegen.early_exit import EarlyExitStage
from gatesmith.codegen.hls.kernel import Kernel, kernel


@kernel(EarlyExitStage)
def early_exit(stage: EarlyExitStage) -> Kernel:
    """The late class is read where the frame went on."""
    elems = {"D": stage.decision.elem, "L": stage.late.elem, "Y": stage.sink.elem}
    constants = {
        "D_W": stage.decision.width,
        "L_W": stage.late.width,
        "Y_W": stage.sink.width,
    }
    return Kernel("early_exit.h", "early_exit", elems, constants)
