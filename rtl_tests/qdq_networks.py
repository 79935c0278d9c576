"""Networks of every kind, small but built like the real ones; see rtl_tests/qdq_net.py.

Residual joins, inverted bottlenecks, squeeze and excitation, U-Nets with channels last, shuffles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from gatesmith.rtl_tests.qdq_net import Net


def resnet(net: Net) -> onnx.ModelProto:
    """Basic blocks; the second one halves the map and has a projection in its shortcut."""
    x = net.relu(net.conv(net.input(3, 8, 8), 3, 4))
    inner = net.conv(net.relu(net.conv(x, 4, 4)), 4, 4)
    x = net.relu(net.put("Add", inner, x))
    inner = net.conv(net.relu(net.conv(x, 4, 8, s=2)), 8, 8)
    x = net.relu(net.put("Add", inner, net.conv(x, 4, 8, 1, 2)))
    return net.model(net.head(x, 8, 5))


def mobilenet_v1(net: Net) -> onnx.ModelProto:
    """Depthwise separable layers with ReLU6."""
    x = net.relu6(net.conv(net.input(3, 12, 12), 3, 4, s=2, pads=[0, 0, 1, 1]))
    for ins, outs, stride in ((4, 8, 1), (8, 12, 2)):
        x = net.relu6(net.conv(x, ins, ins, s=stride, group=ins))
        x = net.relu6(net.conv(x, ins, outs, 1))
    return net.model(net.head(x, 12, 4))


def mobilenet_v2(net: Net) -> onnx.ModelProto:
    """Inverted bottlenecks: expansion, depthwise, linear projection, residual."""
    x = net.relu6(net.conv(net.input(3, 8, 8), 3, 4, s=2))
    for ins, outs, stride in ((4, 4, 1), (4, 6, 2), (6, 6, 1)):
        wide = net.relu6(net.conv(x, ins, 3 * ins, 1))
        wide = net.relu6(net.conv(wide, 3 * ins, 3 * ins, s=stride, group=3 * ins))
        y = net.conv(wide, 3 * ins, outs, 1)
        x = net.put("Add", x, y) if (ins, stride) == (outs, 1) else y
    return net.model(net.head(x, 6, 4))


def unet(net: Net) -> onnx.ModelProto:
    """Channels last outside and at every Resize and Concat, as tf2onnx leaves them."""

    def first(x: str) -> str:
        return str(net.put("Transpose", x, perm=[0, 3, 1, 2]))

    def last(x: str) -> str:
        return str(net.put("Transpose", x, perm=[0, 2, 3, 1]))

    down = net.relu(net.conv(first(net.input(8, 8, 3)), 3, 4))
    x = net.put("MaxPool", down, kernel_shape=[2, 2], strides=[2, 2])
    x = net.relu(net.conv(x, 4, 6))
    x = net.put(
        "Resize",
        x,
        "",
        np.array([1, 1, 2, 2], np.float32),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    x = net.put("Concat", last(x), last(down), axis=3)
    x = net.relu(net.conv(first(x), 10, 4))
    return net.model(last(net.conv(x, 4, 2, 1)))


def autoencoder(net: Net) -> onnx.ModelProto:
    """Strided down, transposed up; channels last outside."""
    x = net.put("Transpose", net.input(8, 8, 1), perm=[0, 3, 1, 2])
    x = net.relu(net.conv(net.relu(net.conv(x, 1, 4, s=2)), 4, 6, s=2))
    for ins, outs, k, extra in ((6, 4, 3, 1), (4, 1, 4, 0)):
        weights = net.rng.normal(size=(ins, outs, k, k)) * 0.3
        bias = net.rng.normal(size=outs) * 0.1
        pads, out = [1, 1, 1, 1], [extra, extra]
        x = net.put(
            "ConvTranspose", x, weights, bias, strides=[2, 2], pads=pads, output_padding=out
        )
        x = net.relu(x) if outs > 1 else net.put("Sigmoid", x)
    return net.model(net.put("Transpose", x, perm=[0, 2, 3, 1]))


def branches(net: Net) -> onnx.ModelProto:
    """Inception-like; the first output is read inside too."""
    x = net.relu(net.conv(net.input(3, 6, 6), 3, 6))
    pooled = net.put("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
    parts = [
        net.relu(net.conv(x, 6, 4, 1)),
        net.relu(net.conv(net.relu(net.conv(x, 6, 3, 1)), 3, 5)),
        net.conv(pooled, 6, 3, 1),
    ]
    both = net.put("Concat", *parts, axis=1)
    early = net.conv(both, 12, 4, 1)
    return net.model(early, net.head(net.relu(net.conv(early, 4, 4, s=2)), 4, 3))


def two_inputs(net: Net) -> onnx.ModelProto:
    """An image and a vector."""
    image = net.relu(net.conv(net.input(2, 5, 5, name="image"), 2, 4))
    image = net.put("Flatten", net.put("GlobalAveragePool", image))
    vector = net.relu(net.gemm(net.input(6, name="vector"), 6, 5))
    return net.model(net.gemm(net.put("Concat", image, vector, axis=1), 9, 3))


def squeeze(net: Net) -> onnx.ModelProto:
    """Squeeze and excitation, once with Sigmoid and once with HardSigmoid."""
    x = net.relu(net.conv(net.input(3, 6, 6), 3, 8))
    for kind in ("Sigmoid", "HardSigmoid"):
        s = net.put("GlobalAveragePool", x)
        s = net.put(kind, net.conv(net.relu(net.conv(s, 8, 2, 1)), 2, 8, 1))
        x = net.relu(net.conv(net.put("Mul", x, s), 8, 8, 1))
    return net.model(net.head(x, 8, 3))


def activations(net: Net) -> onnx.ModelProto:
    """One convolution after another with every other activation."""
    x = net.conv(net.input(2, 5, 5), 2, 4)
    x = net.conv(net.put("Mul", x, net.put("Sigmoid", x)), 4, 4)  # Swish
    x = net.conv(net.put("HardSwish", x), 4, 4, 1)
    x = net.conv(net.put("LeakyRelu", x, alpha=0.1), 4, 4)
    x = net.conv(net.put("PRelu", x, net.rng.uniform(0.05, 0.4, (4, 1, 1))), 4, 4, 1)
    half = net.put("Mul", x, np.float32(0.5))
    erf = net.put("Erf", net.put("Div", x, np.float32(2**0.5)))
    x = net.conv(net.put("Mul", half, net.put("Add", erf, np.float32(1))), 4, 4, 1)  # Gelu
    x = net.conv(net.put("Elu", x), 4, 4, 1)
    x = net.put("Div", x, net.put("Add", net.put("Abs", x), np.float32(1)))  # Softsign
    x = net.conv(x, 4, 4, 1)
    x = net.conv(net.put("Tanh", x), 4, 4, 1)
    x = net.conv(net.put("Mul", x, net.put("Tanh", net.put("Softplus", x))), 4, 3, 1)  # Mish
    return net.model(x)


def shuffle(net: Net) -> onnx.ModelProto:
    """ShuffleNet: split, grouped convolutions, channel shuffle."""
    x = net.relu(net.conv(net.input(3, 6, 6), 3, 8))
    kept, x = net.put("Split", x, np.array([4, 4]), outs=2, axis=1)
    x = net.relu(net.conv(x, 4, 4, 1, group=2))
    x = net.conv(x, 4, 4, group=4)
    x = net.put("Concat", kept, net.relu(net.conv(x, 4, 4, 1)), axis=1)
    x = net.put("Reshape", x, np.array([1, 2, 4, 6, 6]))
    x = net.put("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = net.put("Reshape", x, np.array([1, 8, 6, 6]))
    return net.model(net.head(net.relu(net.conv(x, 8, 6, group=2, s=2)), 6, 4))


def dilated(net: Net) -> onnx.ModelProto:
    """Dilations, kernels that are not square, channel multipliers, groups."""
    x = net.relu(net.conv(net.input(2, 9, 9), 2, 4, dilation=2))
    x = net.relu(net.conv(x, 4, 8, (1, 5), group=4))
    x = net.relu(net.conv(x, 8, 4, (3, 2), pads=[1, 0, 0, 1], group=2, dilation=3))
    return net.model(net.conv(x, 4, 4, 3, 2, dilation=2, group=4, pads=[2, 1, 0, 3]))


def pools(net: Net) -> onnx.ModelProto:
    """Every odd geometry of pools."""
    x = net.conv(net.input(2, 11, 9), 2, 4)
    size: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2]}
    a = net.put("MaxPool", x, **size, ceil_mode=1, pads=[0, 1, 1, 0])
    x = net.conv(a, 4, 4, 1)
    x = net.put("AveragePool", x, kernel_shape=[3, 2], pads=[1, 0, 1, 1], count_include_pad=0)
    x = net.conv(x, 4, 4, 1)
    x = net.put("AveragePool", x, kernel_shape=[2, 3], pads=[1, 1, 0, 1], count_include_pad=1)
    x = net.conv(x, 4, 4, 1)
    x = net.put("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = net.put("MaxPool", net.conv(x, 4, 4, 1), kernel_shape=[1, 1], strides=[2, 2])
    return net.model(net.put("GlobalMaxPool", net.conv(x, 4, 3)))


def super_resolution(net: Net) -> onnx.ModelProto:
    """Sub-pixel convolution, in both orders, and back."""
    x = net.relu(net.conv(net.input(1, 5, 4), 1, 8))
    x = net.put("DepthToSpace", x, blocksize=2, mode="CRD")
    x = net.put("SpaceToDepth", net.relu(net.conv(x, 2, 2)), blocksize=2)
    return net.model(net.put("DepthToSpace", net.conv(x, 8, 4), blocksize=2, mode="DCR"))


def movements(net: Net) -> onnx.ModelProto:
    """Slices, splits along the height, pads of every mode, concatenation along the width."""
    x = net.relu(net.conv(net.input(2, 6, 6), 2, 4))
    x = net.put("Pad", x, np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect")
    x = net.relu(net.conv(x, 4, 4, pads=[0] * 4))
    x = net.put("Pad", x, np.array([0, 0, 1, 0, 0, 0, 0, 2]), mode="edge")
    x = net.relu(net.conv(x, 4, 4, pads=[0] * 4))
    x = net.put("Pad", x, np.array([0, 0, 0, 2, 0, 0, 1, 0]), mode="constant")
    x = net.conv(x, 4, 4, pads=[0] * 4)
    top = net.put("Slice", x, np.array([0]), np.array([2]), np.array([2]))
    rest = net.put("Slice", x, np.array([5]), np.array([0]), np.array([2]), np.array([-2]))
    x = net.put(
        "Concat", top, net.put("Slice", rest, np.array([0]), np.array([2]), np.array([2])), axis=3
    )
    return net.model(net.put("Concat", net.conv(x, 4, 4), top, axis=3))


def lenet(net: Net) -> onnx.ModelProto:
    """Convolutions, a flatten of channels first, dense layers."""
    x = net.put(
        "MaxPool", net.relu(net.conv(net.input(1, 8, 8), 1, 4)), kernel_shape=[2, 2], strides=[2, 2]
    )
    x = net.put("AveragePool", net.relu(net.conv(x, 4, 6)), kernel_shape=[2, 2], strides=[2, 2])
    x = net.relu(net.gemm(net.put("Flatten", x), 24, 10))
    return net.model(net.gemm(x, 10, 5))


def shared_weight(net: Net) -> onnx.ModelProto:
    """Two convolutions of different inputs with one kernel."""
    kernel = net.constant(net.rng.normal(size=(4, 4, 3, 3)) * 0.3)
    x = net.relu(net.conv(net.input(3, 5, 5), 3, 4))
    y = net.relu(net.conv(x, 4, 4, weights=kernel))
    return net.model(net.head(net.put("Add", net.conv(y, 4, 4, weights=kernel), x), 4, 3))


def one_pixel(net: Net) -> onnx.ModelProto:
    """A map of one pixel; a kernel larger than it."""
    x = net.relu(net.conv(net.input(3, 1, 1), 3, 4))
    return net.model(net.put("Flatten", net.conv(net.relu(net.conv(x, 4, 4, group=4)), 4, 2, 1)))


def one_channel(net: Net) -> onnx.ModelProto:
    """One channel from end to end."""
    x = net.relu(net.conv(net.input(1, 6, 6), 1, 1))
    x = net.put("Add", net.conv(x, 1, 1), x)
    return net.model(net.conv(net.put("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 1, 1, 1))


def one_dimension(net: Net) -> onnx.ModelProto:
    """VGG-like, for radio and sound."""
    x = net.input(2, 32)
    for ins, outs in ((2, 4), (4, 6)):
        x = net.put(
            "MaxPool", net.relu(net.conv(x, ins, outs, (3,))), kernel_shape=[2], strides=[2]
        )
    x = net.relu(net.conv(x, 6, 8, (5,), 2))
    return net.model(net.gemm(net.reduce("ReduceMean", x, [2], 0), 8, 4))


def batch_norm(net: Net) -> onnx.ModelProto:
    """Batch norms that nobody folded: negative and zero gammas, before and behind quantizers."""
    x = net.conv(net.input(2, 6, 6), 2, 4)
    for gamma in ([1.0, -0.5, 0.0, 2.0], [0.3, 1.0, -1.0, 0.7]):
        rows = (gamma, net.rng.normal(size=4), net.rng.normal(size=4), net.rng.uniform(0.5, 2, 4))
        x = net.relu(net.put("BatchNormalization", x, *rows))
        x = net.conv(x, 4, 4)
    return net.model(net.put("ArgMax", net.head(x, 4, 5), axis=1))


def joins(net: Net) -> onnx.ModelProto:
    """Everything that two streams of differing scales can become."""
    x = net.conv(net.input(3, 6, 6), 3, 6)
    y = net.conv(x, 6, 6, 1)
    a = net.put("Max", x, y)
    b = net.put("Min", net.conv(a, 6, 6, 1), x)
    c = net.put("Sub", net.conv(b, 6, 6, 1), y)
    d = net.put("Sum", net.conv(c, 6, 6, 1), x, y)
    e = net.put("Mul", net.conv(d, 6, 6, 1), net.conv(x, 6, 6, 1))
    return net.model(net.conv(e, 6, 3, 1))


def resizes(net: Net) -> onnx.ModelProto:
    """Nearest neighbours up by odd factors, down, and to a size."""
    x = net.relu(net.conv(net.input(2, 5, 4), 2, 4))
    for scales, rule in (((2, 3), "round_prefer_floor"), ((0.5, 0.5), "round_prefer_ceil")):
        size = np.array([1, 1, *scales], np.float32)
        x = net.put("Resize", x, "", size, mode="nearest", nearest_mode=rule)
        x = net.conv(x, 4, 4, 1)
    where: dict[str, Any] = {
        "coordinate_transformation_mode": "align_corners",
        "nearest_mode": "floor",
    }
    x = net.put("Resize", x, "", "", np.array([1, 4, 7, 9]), mode="nearest", **where)
    return net.model(net.conv(x, 4, 2, 1))


def reductions(net: Net) -> onnx.ModelProto:
    """Over rows, channels and maps, broadcast back onto the map."""
    x = net.relu(net.conv(net.input(2, 6, 5), 2, 4))
    most, top = net.reduce("ReduceMax", x, [2, 3]), net.put("GlobalMaxPool", x)
    row, total = net.reduce("ReduceMean", x, [2]), net.reduce("ReduceSum", x, [1])
    y = net.put("Mul", x, net.conv(top, 4, 4, 1))
    y = net.put("Add", y, net.conv(row, 4, 4, 1))
    y = net.put("Mul", net.conv(y, 4, 4, 1), total)
    return net.model(net.conv(net.put("Add", net.conv(y, 4, 4, 1), most), 4, 2, 1))


def normalized_input(net: Net) -> onnx.ModelProto:
    """Mean and deviation of every input channel, in the model."""
    x = net.put("Sub", net.input(3, 6, 6), net.rng.normal(size=(1, 3, 1, 1)))
    x = net.put("Div", x, net.rng.uniform(0.5, 2, (1, 3, 1, 1)))
    return net.model(net.head(net.relu(net.conv(x, 3, 4)), 4, 3))


def spatial_attention(net: Net) -> onnx.ModelProto:
    """Mean and maximum over the channels make a map that scales all of them."""
    x = net.relu(net.conv(net.input(3, 6, 6), 3, 8))
    both = [net.reduce(kind, x, [1]) for kind in ("ReduceMean", "ReduceMax")]
    scale = net.put("Sigmoid", net.conv(net.put("Concat", *both, axis=1), 2, 1))
    return net.model(net.conv(net.put("Mul", x, scale), 8, 2, 1))


def dense_block(net: Net) -> onnx.ModelProto:
    """DenseNet: every layer reads all before it."""
    x = net.relu(net.conv(net.input(3, 6, 6), 3, 4))
    for ins in (4, 7, 10):
        x = net.put("Concat", x, net.relu(net.conv(x, ins, 3)), axis=1)
    x = net.put("AveragePool", net.conv(x, 13, 6, 1), kernel_shape=[2, 2], strides=[2, 2])
    return net.model(net.head(x, 6, 3))


def mixer(net: Net) -> onnx.ModelProto:
    """Patches, products over positions and over channels."""
    x = net.relu(net.conv(net.input(1, 8, 8), 1, 6, 4, 4, pads=[0] * 4))
    x = net.put("Reshape", x, np.array([1, 6, 4]))
    x = net.put("Add", x, net.relu(net.put("MatMul", x, net.rng.normal(size=(4, 4)) * 0.5)))
    x = net.put("Transpose", x, perm=[0, 2, 1])
    x = net.put("Add", x, net.relu(net.put("MatMul", x, net.rng.normal(size=(6, 6)) * 0.5)))
    return net.model(net.gemm(net.put("Flatten", x), 24, 3))


def crop_and_pad(net: Net) -> onnx.ModelProto:
    """A crop goes back into a frame of a constant that is not zero; a crop is an output."""
    x = net.conv(net.input(4, 8, 8), 4, 4)
    crop = net.put("Slice", x, np.array([2, 2]), np.array([6, 6]), np.array([2, 3]))
    pads = np.array([0, 0, 2, 2, 0, 0, 2, 2])
    framed = net.put("Pad", net.conv(crop, 4, 4), pads, np.float32(0.25))
    again = net.put("Pad", crop, pads, np.float32(-0.3))
    x = net.put("Add", net.conv(framed, 4, 4, 1), x)
    return net.model(net.put("Add", net.conv(again, 4, 4, 1), x), net.put("Flatten", crop))


def gate(net: Net) -> onnx.ModelProto:
    """WaveNet's gate: halves of the channels through Tanh and Sigmoid, multiplied."""
    x = net.conv(net.input(4, 6, 6), 4, 8)
    a, b = net.put("Split", x, np.array([4, 4]), outs=2, axis=1)
    x = net.put("Mul", net.put("Tanh", a), net.put("Sigmoid", b))
    return net.model(net.conv(x, 4, 3, 1))


def bottlenecks(net: Net) -> onnx.ModelProto:
    """Two depthwise layers of one interval, of which no cycle is to spare."""
    x = net.relu6(net.conv(net.input(6, 8, 8), 6, 36, 1))
    x = net.relu6(net.conv(x, 36, 36, group=36))
    x = net.relu6(net.conv(net.conv(x, 36, 6, 1), 6, 36, 1))
    return net.model(net.conv(net.relu6(net.conv(x, 36, 36, s=2, group=36)), 36, 8, 1))


NETWORKS: dict[str, Callable[[Net], onnx.ModelProto]] = {
    made.__name__: made
    for made in (
        resnet,
        mobilenet_v1,
        mobilenet_v2,
        unet,
        autoencoder,
        branches,
        two_inputs,
        squeeze,
        activations,
        shuffle,
        dilated,
        pools,
        super_resolution,
        movements,
        lenet,
        shared_weight,
        one_pixel,
        one_channel,
        one_dimension,
        batch_norm,
        joins,
        resizes,
        reductions,
        normalized_input,
        spatial_attention,
        dense_block,
        mixer,
        crop_and_pad,
        gate,
        bottlenecks,
    )
}
