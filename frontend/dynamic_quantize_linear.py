"""ONNX DynamicQuantizeLinear, which is refused."""

from __future__ import annotations

from gatesmith.frontend.call import Call
from gatesmith.frontend.registry import converter
from gatesmith.frontend.values import Activation


@converter("DynamicQuantizeLinear", since=11)
def convert(call: Call) -> Activation:
    """A scale that every frame computes anew is no constant of the hardware."""
    raise call.error(
        "dynamic-parameter",
        "DynamicQuantizeLinear takes its scale and zero point from the data",
        "hardware is built for quantizers that are known beforehand",
        "quantize statically: onnxruntime.quantization.quantize_static(model, output, reader)",
        "or train with quantizers (Brevitas), whose scales are stored in the file",
    )
