"""HLS of Window, both ways."""

from __future__ import annotations

import numpy as np

from gatesmith.codegen.hls.kernel import Kernel, Rom, kernel
from gatesmith.codegen.window import WindowStage


@kernel(WindowStage)
def window(stage: WindowStage) -> Kernel:
    """A buffer of as many rows as a window reaches over."""
    op, x, made = stage.op, stage.x, stage.made
    height, width, _ = stage.shape
    rows, cols = stage.positions
    fill = made.fill_words if made.padded else np.zeros((1, x.lanes), np.int64)
    elem = stage.sink.elem
    constants = {
        "X_W": x.width,
        "Y_W": stage.sink.width,
        "LANES": x.lanes,
        "H": height,
        "W": width,
        "PIXEL": x.groups,
        "ROWS": min(height, (op.kernel[0] - 1) * op.dilations[0] + 1),
        "OUT_H": rows,
        "OUT_W": cols,
        "KH": op.kernel[0],
        "KW": op.kernel[1],
        "SH": op.strides[0],
        "SW": op.strides[1],
        "DH": op.dilations[0],
        "DW": op.dilations[1],
        "TOP": op.pads[0],
        "LEFT": op.pads[1],
        "GROUPS": stage.groups,
    }
    if not made.fill_rom:
        fill = fill[:1]
    rom = Rom.packed("fill", fill, elem.bits, "codes outside the map, a row a beat of a pixel")
    stem = "window_parallel" if stage.parallel else "window"
    return Kernel(f"{stem}.h", stem, {"X": x.elem, "Y": elem}, constants, (rom,))
