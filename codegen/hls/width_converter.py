"""HLS of a width converter."""

from __future__ import annotations

from gatesmith.codegen.hls.kernel import Kernel, kernel
from gatesmith.codegen.width_converter import WidthConverterStage


@kernel(WidthConverterStage)
def width_converter(stage: WidthConverterStage) -> Kernel:
    """A turn for each beat of the narrower side."""
    constants = {
        "X_W": stage.x.width,
        "Y_W": stage.sink.width,
        "INS": stage.x.lanes,
        "OUTS": stage.lanes,
        "TURNS": max(stage.source.beats, stage.sink.beats),
    }
    return Kernel("width_converter.h", "width_converter", {"E": stage.x.elem}, constants)
