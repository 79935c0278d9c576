"""FINN / QONNX MultiThreshold: out_scale * (number of thresholds at or below x) + out_bias.

Source: qonnx.custom_op.general.multithreshold, with its rule for the channel axis: the C of
data_layout, or without one axis 1, but the last one of three.
"""

from __future__ import annotations

import numpy as np

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import QONNX, Attribute, converter
from gatesmith.frontend.values import Activation
from gatesmith.ir import Array
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.multi_threshold import MultiThreshold

_LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}
_RANGES = {"BIPOLAR": (-1, 1), "TERNARY": (-1, 1), "BINARY": (0, 1)}


@converter(
    "MultiThreshold",
    domain=QONNX,
    inputs=2,
    attributes=(
        Attribute("out_dtype", "string", ""),
        Attribute("out_scale", "float", 1.0),
        Attribute("out_bias", "float", 0.0),
        Attribute("data_layout", "string", ""),
    ),
)
def convert(call: Call) -> Activation:
    """MultiThreshold and Dequantize. The order within a row does not matter: rows are sorted."""
    x = call.real_activation(0)
    thresholds = call.constant(1, "the thresholds")
    if thresholds.ndim != 2:
        what = f"the thresholds of MultiThreshold have the shape {list(thresholds.shape)}"
        raise call.error("shape", what, "it must be (channels, steps)", "export again")
    scale, bias = call.real("out_scale"), call.real("out_bias")
    _note_type(call, bias, bias + scale * thresholds.shape[1])
    axis = -1
    if thresholds.shape[0] != 1:
        axis = call.frame_axis(_channel(call, len(x.full)), x) - len(x.frame)
        if x.frame[axis] != thresholds.shape[0]:
            what = f"MultiThreshold has {thresholds.shape[0]} rows of thresholds"
            why = f"the channel axis of {list(x.full)} has {x.frame[axis]}"
            raise call.error("shape", what, why, "state data_layout, for instance NCHW")
    op = MultiThreshold(Array(np.sort(thresholds.astype(np.float64), axis=1)), axis)
    count = call.emit(op, x.node)
    y = call.emit(Dequantize(Array(scale), Array(bias)), count, suffix="_dequantize")
    return Activation(y, x.batched, x.kind)


def _channel(call: Call, rank: int) -> int:
    """Axis of the full shape that is the channel."""
    stated = call.text("data_layout")
    layout = stated or _LAYOUTS.get(rank, "NC")
    if layout.count("C") != 1 or (stated and len(stated) != rank):
        what = f"data_layout of MultiThreshold is {stated!r}"
        why = f"it must name each of {rank} axes, one of them C"
        raise call.error("attribute", what, why, f"state {_LAYOUTS.get(rank, 'NC')}")
    return layout.index("C")


def _note_type(call: Call, *ends: float) -> None:
    """out_dtype is a remark that computes nothing; say so where it contradicts the values."""
    stated = call.text("out_dtype")
    for prefix, lo, hi in (("UINT", 0, 1), ("INT", -0.5, 0.5)):
        if stated.startswith(prefix) and stated[len(prefix) :].isdigit():
            count = 2.0 ** int(stated[len(prefix) :])
            limits = (lo * count, hi * count - 1)
            break
    else:
        if stated not in _RANGES:
            return
        limits = _RANGES[stated]
    if not limits[0] <= min(ends) <= max(ends) <= limits[1]:
        call.note(f"out_dtype {stated} does not hold {min(ends):g}..{max(ends):g}; it is ignored")
