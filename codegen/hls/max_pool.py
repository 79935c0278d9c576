"""HLS of MaxPool."""

from __future__ import annotations

from gatesmith.codegen.hls.kernel import Kernel, kernel
from gatesmith.codegen.max_pool import MaxPoolStage


@kernel(MaxPoolStage)
def max_pool(stage: MaxPoolStage) -> Kernel:
    """Codes are compared."""
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "PE": stage.pe,
        "TAPS": stage.x.lanes // stage.pe,
        "BEATS": stage.beats,
        "VECTORS": stage.x.vectors,
    }
    return Kernel("max_pool.h", "max_pool", {"X": stage.x.elem}, constants)
