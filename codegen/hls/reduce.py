"""HLS of Reduce."""

from __future__ import annotations

from gatesmith.codegen.hls.kernel import Constant, Kernel, bound_bits, kernel
from gatesmith.codegen.reduce import ReduceStage

KINDS = {"sum": "gs::SUM", "max": "gs::LARGEST", "min": "gs::SMALLEST"}


@kernel(ReduceStage)
def reduce(stage: ReduceStage) -> Kernel:
    """Codes are added or compared."""
    x, code = stage.x, stage.x.elem.code
    constants: dict[str, Constant] = {
        "X_W": x.width,
        "Y_W": stage.sink.width,
        "LANES": x.lanes,
        "GROUPS": x.groups,
        "COUNT": stage.count,
        "RESULTS": x.vectors // stage.count,
        "KIND": KINDS[stage.op.kind],
        "S_B": bound_bits(max(abs(code.lo), abs(code.hi)) * stage.count),
    }
    return Kernel("reduce.h", "reduce", {"X": x.elem, "Y": stage.sink.elem}, constants)
