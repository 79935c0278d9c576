"""HLS of Gate."""

from __future__ import annotations

from gatesmith.codegen.gate import GateStage
from gatesmith.codegen.hls.kernel import Kernel, kernel


@kernel(GateStage)
def gate(stage: GateStage) -> Kernel:
    """Frames that leave are taken and dropped."""
    constants = {"W": stage.x.width, "BEATS": stage.x.beats, "D_W": stage.decision.width}
    return Kernel("gate.h", "gate", {"D": stage.decision.elem}, constants)
