"""HLS of Table."""

from __future__ import annotations

from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.table import TableStage
from gatesmith.ir import IntType


@kernel(TableStage)
def table(stage: TableStage) -> Kernel:
    """A result for every pattern of bits; codes are taken as bits."""
    contents = stage.contents()
    lanes, tables, patterns = contents.shape
    bits = IntType(0, (1 << stage.x.elem.bits) - 1)
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "LANES": stage.x.lanes,
        "BEATS": stage.x.beats,
        "TABLES": tables,
        "LANES_OF_ROM": lanes,
    }
    rows = contents.reshape(lanes * tables, patterns)
    rom = Rom.plain("values", rows, stage.op.out.bits, "row lane * TABLES + beat of the vector")
    return Kernel("table.h", "table", {"X": bits, "Y": stage.op.out}, constants, (rom,))
