"""Quantized networks as other converters write them, node by node.

- :func:`tflite`: int8 in and out, channels last outside and in the data, Transposes around each
  convolution, weights per channel, biases of int32, scales of zero points that are not zero.
- :func:`round_scales`: any QDQ model with scales of few bits, so that ties are met all the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.random import Generator
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


@dataclass
class Coded:
    """Builds a QDQ network of int8 codes; a value is known by name, with its scale and zero."""

    rng: Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    def put(self, op: str, *args: Any, **attributes: Any) -> str:
        """A node with one output; arrays become initializers."""
        names = [arg if isinstance(arg, str) else self.constant(arg) for arg in args]
        output = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, names, [output], f"model/{op}:{output}", **attributes)
        )
        return output

    def constant(self, array: Any) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def real(self, codes: Any, scale: Any, zero: Any, axis: int | None = None) -> str:
        """DequantizeLinear."""
        where = {} if axis is None else {"axis": axis}
        return self.put("DequantizeLinear", codes, np.float32(scale), zero, **where)

    def again(self, x: str, scale: float, zero: int) -> str:
        """QuantizeLinear and DequantizeLinear."""
        codes = self.put("QuantizeLinear", x, np.float32(scale), np.int8(zero))
        return self.real(codes, scale, np.int8(zero))

    def conv(self, x: str, at: float, ins: int, outs: int, k: int = 3, **given: Any) -> str:
        """Transpose, Conv, Transpose; ``at`` is the scale of x."""
        group = given.get("group", 1)
        codes = self.rng.integers(-127, 128, (outs, ins // group, k, k)).astype(np.int8)
        scale = self.rng.uniform(0.5, 2, outs).astype(np.float32) * np.float32(0.01)
        bias = self.rng.integers(-2000, 2000, outs).astype(np.int32)
        kernel = self.real(codes, scale, np.zeros(outs, np.int8), 0)
        shift = self.real(bias, scale * np.float32(at), np.zeros(outs, np.int32), 0)
        x = self.put("Transpose", x, perm=[0, 3, 1, 2])
        y = self.put("Conv", x, kernel, shift, kernel_shape=[k, k], **given)
        return self.put("Transpose", y, perm=[0, 2, 3, 1])


def tflite(seed: int = 0) -> onnx.ModelProto:
    """A residual block, a depthwise layer of stride 2 under SAME padding, a mean, a matrix."""
    net = Coded(np.random.default_rng(seed))
    x = net.real("input", 0.02, np.int8(-3))
    x = net.put("Relu", net.conv(x, 0.02, 3, 4, auto_pad="SAME_UPPER", strides=[1, 1]))
    x = net.again(x, 0.05, -128)
    y = net.conv(x, 0.05, 4, 4, pads=[1, 1, 1, 1])
    y = net.put("Add", net.again(y, 0.11, 7), x)
    x = net.again(net.put("Relu", y), 0.07, -128)
    six = [np.float32(0), np.float32(6)]
    y = net.conv(x, 0.07, 4, 4, group=4, strides=[2, 2], auto_pad="SAME_UPPER")
    x = net.again(net.put("Clip", y, *six), 6 / 255, -128)
    x = net.again(net.put("Clip", net.conv(x, 6 / 255, 4, 6, 1), *six), 6 / 255, -128)
    x = net.again(net.put("ReduceMean", x, axes=[1, 2], keepdims=0), 0.01, -100)
    codes = net.rng.integers(-127, 128, (6, 5)).astype(np.int8)
    scale = net.rng.uniform(0.5, 2, 5).astype(np.float32) * np.float32(0.02)
    x = net.put("MatMul", x, net.real(codes, scale, np.zeros(5, np.int8), 1))
    x = net.put(
        "Add", x, net.rng.integers(-50, 50, 5).astype(np.float32) * scale * np.float32(0.01)
    )
    net.put("QuantizeLinear", net.again(x, 0.04, 12), np.float32(0.04), np.int8(12))
    graph = helper.make_graph(
        net.nodes,
        "tflite",
        [helper.make_tensor_value_info("input", TensorProto.INT8, ["n", 6, 6, 3])],
        [helper.make_tensor_value_info(net.nodes[-1].output[0], TensorProto.INT8, ["n", 5])],
        [numpy_helper.from_array(value, name) for name, value in net.constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def round_scales(model: onnx.ModelProto, bits: int = 1) -> onnx.ModelProto:
    """Scales of ``bits`` significant bits: then sums and quotients meet ties all the time."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    names = {
        node.input[1]
        for node in made.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    }
    for constant in made.graph.initializer:
        if constant.name in names:
            mantissa, exponent = np.frexp(numpy_helper.to_array(constant))
            few = np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(few, constant.name))
    return made
