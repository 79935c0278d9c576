"""Networks of integers in float or integer tensors, without an operator of QONNX."""

from __future__ import annotations

import numpy as np
import onnx

from gatesmith.rtl_tests.qonnx_builder import QONNX, Net, Network, network


@network
def integer_golden(dyadic: bool) -> Network:
    """Integer values in float tensors, every layer an output: Conv, Add, Div, Floor, Clip."""
    net = Net((2, 7, 7), 18, dyadic)
    ends = []
    channels = 2
    for outs, stride in ((5, 2), (3, 1)):
        weights = net.codes(6, outs, channels, 3, 3)
        net.put("Conv", weights, kernel_shape=[3, 3], pads=[1] * 4, strides=[stride] * 2)
        net.put("Add", net.rng.integers(-99, 99, (1, outs, 1, 1)))
        net.put("Div", 2.0**7).put("Floor").put("Clip", 0.0, 127.0)
        ends.append(net.current)
        channels = outs
    net.flat().put("MatMul", net.codes(6, 48, 4)).put("Mul", 2.0**-6).put("Round")
    net.put("Clip", -128.0, 127.0)
    return Network(net.model(*ends, net.current), "i8:1")


@network
def integer_operators(dyadic: bool) -> Network:
    """ConvInteger and MatMulInteger with zero points, Casts between, codes by Mul, Round, Clip."""
    net = Net((2, 6, 5), 40, dyadic, kind=onnx.TensorProto.UINT8)
    weights = net.const(net.rng.integers(-9, 9, (3, 2, 3, 3)), np.int8)
    zero, none = net.const(7, np.uint8), net.const(0, np.int8)
    net.raw("ConvInteger", ["x", weights, zero, none], kernel_shape=[3, 3], pads=[1] * 4)
    net.put("Cast", to=onnx.TensorProto.FLOAT).put("Mul", 2.0**-6 if dyadic else 0.013)
    net.put("Add", net.real(3, 1, 1)).put("Round").put("Clip", 0.0, 255.0)
    net.put("Cast", to=onnx.TensorProto.UINT8).flat()
    matrix = net.const(net.rng.integers(-9, 9, (90, 4)), np.int8)
    net.raw("MatMulInteger", [net.current, matrix, zero])
    return Network(net.model(kind=onnx.TensorProto.INT32))


@network
def written_out_quantizers(dyadic: bool) -> Network:
    """Fake quantization as Div, Round, Clip, Mul; every rounding in turn."""
    net = Net((3, 5, 5), 41, dyadic)
    for ins, outs, rounding in ((3, 4, "Round"), (4, 3, "Ceil"), (3, 2, "Floor")):
        net.put("Conv", net.codes(3, outs, ins, 3, 3) * 0.25, pads=[1] * 4)
        scale = net.scale() * 4
        net.put("Div", scale).put(rounding).put("Clip", -8.0, 7.0).put("Mul", scale)
    net.put("Relu").put("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    return Network(net.model(), "u4:1")


@network
def rounded_scores(dyadic: bool) -> Network:
    """A rounding by a divisor that is no power of two, limits that are no integers, and an end."""
    net = Net((7,), 42, dyadic)
    net.put("MatMul", net.codes(4, 7, 5)).put("Add", net.real(5)).put("Div", 3.0).put("Floor")
    net.put("Clip", -4.5, 6.25).put("MatMul", net.codes(4, 5, 3)).put("Mul", 0.5).put("Ceil")
    return Network(net.model(), "i5:1")


@network
def qkeras(dyadic: bool) -> Network:
    """As qonnx converts QKeras: NHWC, biases quantized as well, power-of-two scales, Softmax."""
    net = Net((8, 7, 3), 43, True, batch="unk__0")
    net.quant(8, 2.0**-7).put("Transpose", perm=[0, 3, 1, 2])
    for ins, outs in ((3, 4), (4, 5)):
        bias = net.const(net.real(outs))
        before = net.current
        flags = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
        operands = [bias, *(net.const(v) for v in (0.125, 0.0, 6.0))]
        bias = net.raw("Quant", operands, QONNX, **flags).current
        net.current = before
        weights = net.weight(4, outs, ins, 3, 3)
        net.put("Conv", weights, bias, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2])
        net.put("Relu").quant(5, 2.0**-3, signed=0)
    net.put("Transpose", perm=[0, 2, 3, 1])
    net.raw("Reshape", [net.current, net.const([-1, 20], np.int64)])
    weights = net.weight(4, 20, 3)
    return Network(net.put("MatMul", weights).put("Add", net.real(3)).put("Softmax").model())
