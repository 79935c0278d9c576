"""HLS of TopK."""

from __future__ import annotations

from gatesmith.codegen.hls.kernel import Kernel, kernel
from gatesmith.codegen.top_k import TopKStage


@kernel(TopKStage)
def top_k(stage: TopKStage) -> Kernel:
    """A sorted list of the best so far."""
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "LANES": stage.x.lanes,
        "GROUPS": stage.x.groups,
        "VECTORS": stage.x.vectors,
        "COUNT": stage.op.k,
        "LARGEST_FIRST": stage.op.largest,
        "LAST": stage.op.last,
    }
    return Kernel("top_k.h", "top_k", {"X": stage.x.elem, "Y": stage.sink.elem}, constants)
