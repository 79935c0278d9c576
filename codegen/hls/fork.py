"""HLS of a fork."""

from __future__ import annotations

from gatesmith.codegen.fork import ForkStage
from gatesmith.codegen.hls.kernel import Kernel, kernel


@kernel(ForkStage)
def fork(stage: ForkStage) -> Kernel:
    """Every beat to every reader."""
    return Kernel("fork.h", "fork", {}, {"W": stage.x.width, "BEATS": stage.x.beats})
