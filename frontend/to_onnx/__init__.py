"""From the real tensor IR to an ONNX file: export.py is where to start."""

from gatesmith.frontend.to_onnx.export import Exported, to_onnx

__all__ = ["Exported", "to_onnx"]
