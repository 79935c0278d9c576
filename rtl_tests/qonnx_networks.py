"""Small QONNX networks with the structure of those that are put on FPGAs.

Each is a function of ``dyadic`` (rtl_tests/qonnx_builder.py), registered by its own name.
Networks with branches are in branching_networks.py, those of plain integers in
integer_networks.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from gatesmith.rtl_tests.qonnx_builder import FINN, QONNX, Net, Network, network

# ---- VGG-like ------------------------------------------------------------------------------------


def vgg(dyadic: bool, bits: float, act: int, pads: int, seed: int) -> Net:
    """Two blocks of two convolutions and a pool, two fully connected layers."""
    net = Net((3, 10, 10), seed, dyadic)
    net.quant(8, 2.0**-7)
    channels = 3
    for outs in (4, 6):
        for _ in range(2):
            net.conv(channels, outs, bits=bits, pads=[pads] * 4).norm(outs)
            if act == 1:
                net.bipolar()
            else:
                net.put("Relu").quant(act, signed=0)
            channels = outs
            if not pads and outs == 6:
                break
        if pads or outs == 4:
            net.pool()
    size = channels * ((10 // 4) ** 2 if pads else 1)
    net.flat().dense(size, 5, bits).norm(5)
    net = net.bipolar() if act == 1 else net.put("Relu").quant(act, signed=0)
    return net.dense(5, 3, bits)


@network
def cnv_bipolar(dyadic: bool) -> Network:
    """FINN's CNV: no padding."""
    return Network(vgg(dyadic, 1, 1, 0, 1).model())


@network
def cnv_bipolar_padded(dyadic: bool) -> Network:
    """Padded bipolar convolutions: popcounts under a mask."""
    return Network(vgg(dyadic, 1, 1, 1, 2).model())


@network
def vgg_ternary(dyadic: bool) -> Network:
    """Ternary weights, two-bit activations."""
    return Network(vgg(dyadic, 1.5, 2, 1, 3).model())


@network
def vgg_two_bits(dyadic: bool) -> Network:
    """Two bits each."""
    return Network(vgg(dyadic, 2, 2, 1, 4).model())


@network
def bipolar_input(dyadic: bool) -> Network:
    """A bipolar image into a padded bipolar convolution, arg-max at the end."""
    net = Net((1, 7, 5), 5, dyadic)
    net.bipolar().conv(1, 3, (3, 3), pads=[1] * 4).norm(3).bipolar()
    net.conv(3, 5, (3, 3), pads=[1, 0, 0, 1], strides=[2, 1]).norm(5).bipolar().flat()
    net.dense(5 * 3 * 4, 4).put("ArgMax", axis=1, keepdims=1)
    return Network(net.model(kind=TensorProto.INT64))


@network
def integer_first_layer(dyadic: bool) -> Network:
    """Raw pixels into bipolar weights; the sum of an even number of odd things is often 0."""
    net = Net((1, 6, 6), 6, dyadic)
    net.conv(1, 4, (2, 2)).bipolar().conv(4, 3, (3, 3), pads=[1] * 4).put("Sign")
    net.flat().dense(75, 3, 1.5)
    return Network(net.model(), "i3:1")


# ---- depthwise -----------------------------------------------------------------------------------


@network
def mobilenet(dyadic: bool) -> Network:
    """MobileNet v1: depthwise and pointwise in turn, ReLU6, average pool with Trunc."""
    net = Net((3, 9, 9), 9, dyadic, batch="N")
    net.quant(8, 2.0**-7)
    net.conv(3, 4, bits=4, strides=[2, 2], pads=[1] * 4, per_channel=True).norm(4)
    channels = 4
    for outs, stride in ((6, 1), (8, 2), (8, 1)):
        net.put("Clip", 0.0, 6.0).quant(4, 0.5, signed=0)
        pads: dict[str, Any] = {"pads": [1] * 4, "strides": [stride] * 2}
        net.conv(channels, channels, bits=4, group=channels, per_channel=True, **pads)
        net.norm(channels).put("Clip", 0.0, 6.0).quant(4, 0.5, signed=0)
        net.conv(channels, outs, (1, 1), bits=4, per_channel=True).norm(outs)
        channels = outs
    net.put("Clip", 0.0, 6.0).quant(4, 0.5, signed=0)
    net.put("AveragePool", kernel_shape=[3, 3]).put("Mul", 9.0)
    trunc = (0.5, 0.0, 8.0, 4.0)
    net.put("Trunc", *trunc, domain=QONNX, rounding_mode="FLOOR")
    return Network(net.flat().dense(8, 5, 4, bias=True).model())


@network
def channel_multiplier(dyadic: bool) -> Network:
    """Grouped convolutions: two outputs a channel, and three groups of two."""
    net = Net((3, 6, 7), 10, dyadic)
    net.quant(4, 0.5).conv(3, 6, (3, 3), 3, group=3, pads=[1] * 4).norm(6)
    net.quant(4, [[[[0.5]], [[1.0]], [[0.25]], [[0.5]], [[2.0]], [[1.0]]]])
    net.conv(6, 9, (2, 3), 3, group=3, dilations=[2, 1]).norm(9).quant(4)
    return Network(net.flat().dense(9 * 4 * 5, 4, 3).model())


# ---- one dimension -------------------------------------------------------------------------------


@network
def radio(dyadic: bool) -> Network:
    """VGG10 of radio modulation, shortened: Conv1d, MaxPool1d, two dense layers."""
    net = Net((2, 32), 11, dyadic)
    net.quant(8, 2.0**-7)
    channels = 2
    for outs in (4, 6, 6):
        net.conv(channels, outs, (3,), 4, pads=[1, 1]).norm(outs).put("Relu").quant(4, signed=0)
        net.pool((2,))
        channels = outs
    net.flat().dense(24, 8, 4).norm(8).put("Relu").quant(4, signed=0)
    return Network(net.dense(8, 5, 4, bias=True).model())


@network
def audio(dyadic: bool) -> Network:
    """Depthwise 1-D, dilated, strided, a global pool."""
    net = Net((5, 29), 12, dyadic)
    net.quant(6, 0.25).conv(5, 7, (4,), 2, strides=[2], pads=[1, 2], bias=True).quant(3)
    net.conv(7, 7, (3,), 3, group=7, pads=[2, 2], dilations=[2]).norm(7)
    net.put("HardSigmoid", alpha=0.25).quant(3, 0.125, signed=0)
    net.conv(7, 3, (1,), 1.5).put("LeakyRelu", alpha=0.25).quant(4)
    net.put("GlobalAveragePool").flat()
    return Network(net.dense(3, 4, 3).model())


# ---- activations and pools -----------------------------------------------------------------------


@network
def traffic_signs(dyadic: bool) -> Network:
    """Large kernels, Hardtanh, asymmetric pads, scales by channel, a zero point."""
    net = Net((3, 13, 11), 13, dyadic)
    net.quant(5, 0.125, signed=0, zero=3.0).conv(3, 5, (5, 5), 2, pads=[0, 1, 2, 3], bias=True)
    net.put("Clip", -1.0, 1.0).quant(3, [[[[0.25]], [[0.5]], [[0.25]], [[0.125]], [[0.5]]]])
    net.pool((3, 2), strides=[2, 2], ceil_mode=1)
    net.conv(5, 7, (3, 3), 2, strides=[2, 1]).norm(7).put("Relu").quant(4, signed=0, narrow=1)
    net.pool((2, 2), "AveragePool", pads=[1, 0, 1, 0], strides=[2, 2]).quant(4, 0.5, mode="FLOOR")
    net.flat().dense(7 * 2 * 2, 6, 2, bias=True)
    return Network(net.model())


@network
def kernel_over_input(dyadic: bool) -> Network:
    """A kernel larger than the image with its padding, and strides beyond the kernel."""
    net = Net((1, 3, 5), 14, dyadic)
    net.quant(3, 1.0).conv(1, 2, (5, 7), 2, pads=[2, 3, 2, 3]).quant(3)
    net.conv(2, 3, (1, 2), 2, strides=[2, 3]).quant(3)
    net.conv(3, 3, (2, 2), 2, group=3).quant(3)
    net.conv(3, 1, (1, 1), 2).quant(3)
    return Network(net.conv(1, 2, (3, 3), 2, pads=[1] * 4).model())


@network
def awkward_pools(dyadic: bool) -> Network:
    """Pool of one pixel with stride two; pads in a max pool of negative values; average of all."""
    net = Net((5, 7, 7), 15, dyadic)
    net.quant(4, 0.5).put("MaxPool", kernel_shape=[1, 1], strides=[2, 2])
    net.put("Sub", 8.0).put("MaxPool", kernel_shape=[3, 3], pads=[1] * 4)
    net.put("Mul", np.array([-1.0, 1, 0.5, -2, 1]).reshape(1, 5, 1, 1))
    net.put("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]).quant(4, 1.0)
    net.put("AveragePool", kernel_shape=[2, 2], pads=[1] * 4, count_include_pad=1)
    net.quant(4, 0.5).put("GlobalMaxPool").flat()
    return Network(net.dense(5, 3, 2).model())


# ---- FINN ----------------------------------------------------------------------------------------


def steps(net: Net, channels: int, count: int) -> np.ndarray:
    """Sorted thresholds."""
    return np.sort(net.real(channels, count, size=9), axis=1)


@network
def finn_channels_first(dyadic: bool) -> Network:
    """Integer weights, MultiThresholds behind convolutions, bipolar by out_bias."""
    net = Net((2, 6, 5), 16, dyadic)
    net.put("MultiThreshold", steps(net, 1, 3), domain=FINN, out_dtype="UINT2")
    net.put("Conv", net.codes(2, 4, 2, 3, 3), kernel_shape=[3, 3], pads=[1] * 4)
    scale = {"out_scale": 2.0, "out_bias": -1.0, "out_dtype": "BIPOLAR"}
    net.put("MultiThreshold", steps(net, 4, 1), domain=FINN, **scale).pool()
    net.put("Conv", net.codes(1, 3, 4, 2, 2), kernel_shape=[2, 2])
    net.put("MultiThreshold", steps(net, 3, 7), domain=FINN, out_dtype="UINT3").flat()
    net.put("MatMul", net.codes(2, 6, 4)).put("Mul", 0.5)
    return Network(net.model())


@network
def finn_channels_last(dyadic: bool) -> Network:
    """The same house with NHWC between Transposes, data_layout stated."""
    net = Net((6, 5, 2), 17, dyadic)
    net.quant(3, 1.0)
    for ins, outs in ((2, 4), (4, 3)):
        net.put("Transpose", perm=[0, 3, 1, 2])
        net.put("Conv", net.codes(2, outs, ins, 3, 3), kernel_shape=[3, 3], pads=[1] * 4)
        net.put("Transpose", perm=[0, 2, 3, 1])
        layout = {"data_layout": "NHWC", "out_dtype": "INT3", "out_bias": -2.0}
        net.put("MultiThreshold", steps(net, outs, 3), domain=FINN, **layout)
    net.raw("Reshape", [net.current, net.const([1, -1], np.int64)])
    return Network(net.put("MatMul", net.codes(2, 90, 4)).model())


# ---- how files are written -----------------------------------------------------------------------


@network
def strange_names(dyadic: bool) -> Network:
    """Names with / : space, keywords of Verilog, digits first, a dot, a letter beyond ASCII."""
    net = Net((3, 5, 5), 20, dyadic)
    net.quant(4, 0.5).conv(3, 3, bits=2, pads=[1] * 4).quant(3)
    left = net.current
    net.conv(3, 3, (1, 1), bits=2).quant(3).put("Add", left).quant(3).flat().dense(75, 3, 2)
    strange = ["module", "0", "a b", "x/y:0", "endmodule", "wire", "größe", "conv.1", "a_b", "a-b"]
    outputs = [node.name for node in net.nodes]
    net.rename = dict(zip(outputs, strange, strict=False))
    net.rename |= {"x": "input:0 /x", net.current: "output"}
    return Network(net.model())


@network
def channels_last_input(dyadic: bool) -> Network:
    """An NHWC image behind a Transpose, NHWC result."""
    net = Net((5, 7, 3), 21, dyadic, batch="batch")
    net.put("Transpose", perm=[0, 3, 1, 2]).quant(4, 0.5).conv(3, 5, bits=2, pads=[1] * 4).norm(5)
    net.quant(2).conv(5, 2, bits=2)
    return Network(net.put("Transpose", perm=[0, 2, 3, 1]).model())
