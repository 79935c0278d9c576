"""ONNX to tensor IR: one file an ONNX operator, all problems reported in one pass."""
