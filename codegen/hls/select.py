"""HLS of Select."""

from __future__ import annotations

from gatesmith.codegen.hls.kernel import Kernel, kernel, value_bits
from gatesmith.codegen.select import SelectStage


@kernel(SelectStage)
def select(stage: SelectStage) -> Kernel:
    """Element by element."""
    elems = {"A": stage.a.elem, "B": stage.b.elem, "Y": stage.out}
    constants = {
        "A_W": stage.a.width,
        "B_W": stage.b.width,
        "Y_W": stage.sink.width,
        "LANES": stage.a.lanes,
        "BEATS": stage.a.beats,
        "LARGER": stage.op.kind == "max",
        "S_B": value_bits(*elems.values()),
    }
    return Kernel("select.h", "select", elems, constants)
