"""Small QONNX networks with branches: residual joins, concatenations, shuffles, gates."""

from __future__ import annotations

import numpy as np
import onnx

from gatesmith.rtl_tests.qonnx_builder import Net, Network, network

# ---- residual ------------------------------------------------------------------------------------


def resnet(dyadic: bool, shared: bool, seed: int) -> Net:
    """A stem, an identity block, a block with a strided shortcut, pool and classifier."""
    net = Net((3, 8, 8), seed, dyadic)
    join = 0.25 if shared else None

    def act(signed: int = 0, scale: float | None = None) -> None:
        net.quant(4, scale, signed=signed)

    net.quant(8, 2.0**-7).conv(3, 4, bits=4, pads=[1] * 4, per_channel=True).norm(4).put("Relu")
    act(scale=join)
    skip = net.current
    net.conv(4, 4, bits=4, pads=[1] * 4, per_channel=True).norm(4).put("Relu")
    act()
    net.conv(4, 4, bits=4, pads=[1] * 4, per_channel=True).norm(4)
    act(1, join)
    net.put("Add", skip).put("Relu")
    act(scale=join)
    skip = net.current
    net.conv(4, 6, bits=4, pads=[1] * 4, strides=[2, 2]).norm(6).put("Relu")
    act()
    net.conv(6, 6, bits=4, pads=[1] * 4).norm(6)
    act(1, join)
    main, net.current = net.current, skip
    net.conv(4, 6, (1, 1), bits=4, strides=[2, 2]).norm(6)
    act(1, join)
    net.put("Add", main).put("Relu")
    act()
    return net.put("GlobalAveragePool").flat().dense(6, 5, 4, bias=True)


@network
def resnet_shared_scale(dyadic: bool) -> Network:
    """Both branches of a join have one scale."""
    return Network(resnet(dyadic, True, 7).model())


@network
def resnet_own_scales(dyadic: bool) -> Network:
    """Each branch has its own."""
    return Network(resnet(dyadic, False, 8).model())


# ---- up and down ----


@network
def upsampling_autoencoder(dyadic: bool) -> Network:
    """Strided convolutions down, ConvTranspose and Resize up, a skip that is concatenated."""
    net = Net((1, 8, 8), 19, dyadic)
    net.quant(6, 2.0**-4).conv(1, 3, bits=3, strides=[2, 2], pads=[1] * 4, bias=True)
    net.put("Relu").quant(4, 0.25, signed=0)
    skip = net.current
    net.conv(3, 5, bits=3, strides=[2, 2], pads=[1] * 4).norm(5).put("Relu")
    net.quant(4, 0.25, signed=0)
    weights = net.weight(3, 5, 3, 2, 2)
    net.put("ConvTranspose", weights, net.real(3), kernel_shape=[2, 2], strides=[2, 2])
    net.put("Relu").quant(4, 0.25, signed=0)
    net.raw("Concat", [net.current, skip], axis=1)
    sizes = net.const([1.0, 1.0, 2.0, 2.0])
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
    net.raw("Resize", [net.current, "", sizes], **how, nearest_mode="floor")
    return Network(net.conv(6, 1, bits=3, pads=[1] * 4).quant(8, 0.25, signed=1).model())


# ---- concatenations, shuffles, gates -------------------------------------------------------------


@network
def shuffle(dyadic: bool) -> Network:
    """ShuffleNet: split, one half through convolutions, concatenation, channel shuffle."""
    net = Net((6, 5, 7), 30, dyadic)
    net.quant(4, 0.5)
    halves = ["half0", "half1"]
    sizes = net.const([3, 3], np.int64)
    net.nodes.append(onnx.helper.make_node("Split", [net.current, sizes], halves, "/Split", axis=1))
    net.current = "half1"
    net.conv(3, 3, (1, 1), 3).norm(3).put("Relu").quant(4, 0.25, signed=0)
    net.conv(3, 3, (3, 3), 3, group=3, pads=[1] * 4).norm(3).quant(4, 0.25)
    net.raw("Concat", ["half0", net.current], axis=1)
    net.raw("Reshape", [net.current, net.const([-1, 2, 3, 5, 7], np.int64)])
    net.put("Transpose", perm=[0, 2, 1, 3, 4])
    net.raw("Reshape", [net.current, net.const([-1, 6, 5, 7], np.int64)])
    net.conv(6, 4, (3, 3), 3, strides=[2, 2]).norm(4).quant(3)
    net.put("ReduceMean", axes=[2, 3], keepdims=0)
    return Network(net.dense(4, 3, 4).model())


@network
def fire(dyadic: bool) -> Network:
    """SqueezeNet's fire: two kernels side by side, concatenated under differing scales."""
    net = Net((3, 6, 6), 31, dyadic)
    net.quant(4, 0.5).conv(3, 2, (1, 1), 3).put("Relu").quant(3, 1.0, signed=0)
    squeezed = net.current
    net.conv(2, 3, (1, 1), 3, bias=True).put("Relu").quant(3, 0.5, signed=0)
    narrow, net.current = net.current, squeezed
    net.conv(2, 5, (3, 3), 3, pads=[1] * 4, bias=True).put("Relu").quant(4, 0.375, signed=0)
    net.raw("Concat", [narrow, net.current], axis=1)
    net.pool((3, 3), strides=[2, 2], pads=[0, 0, 1, 1])
    return Network(net.conv(8, 4, (1, 1), 3).model())


@network
def gated(dyadic: bool) -> Network:
    """Squeeze and excite: a gate a channel, multiplied onto the map, and a join behind it."""
    net = Net((4, 5, 5), 32, dyadic)
    net.quant(4, 0.5).conv(4, 4, (3, 3), 3, pads=[1] * 4).put("Relu").quant(4, 0.5, signed=0)
    map_ = net.current
    net.put("GlobalAveragePool").quant(5, 0.25, signed=0).conv(4, 2, (1, 1), 3).put("Relu")
    net.quant(4, 0.5, signed=0).conv(2, 4, (1, 1), 3, bias=True)
    net.put("HardSigmoid", alpha=0.125).quant(3, 0.125, signed=0)
    net.put("Mul", map_).quant(5, 0.25).put("Add", map_).quant(4)
    return Network(net.flat().dense(100, 3, 3).model())


@network
def two_ends(dyadic: bool) -> Network:
    """Several outputs: two are read inside as well, one ends in a Softmax."""
    net = Net((3, 5, 5), 33, dyadic)
    net.quant(4, 0.5).conv(3, 4, (3, 3), 2, pads=[1] * 4).norm(4).quant(3)
    features = net.current
    net.pool((5, 5), "AveragePool").flat().dense(4, 3, 3)
    scores = net.current
    net.put("Softmax", axis=-1)
    likely = net.current
    net.current = features
    net.conv(4, 1, (1, 1), 3).bipolar()
    return Network(net.model(features, scores, likely, net.current))


@network
def join_by_channel(dyadic: bool) -> Network:
    """Both operands of a join have scales by channel; Sub and a constant between."""
    net = Net((5, 4, 3), 34, dyadic)
    by_channel = np.resize([0.5, 1.0, 0.25], 5).reshape(1, 5, 1, 1)
    net.quant(3, by_channel)
    left = net.current
    net.conv(5, 5, (3, 1), 2, pads=[1, 0, 1, 0], per_channel=True).quant(4, by_channel[:, ::-1])
    net.put("Sub", left).put("Mul", net.real(5, 1, 1)).quant(4)
    net.raw("Max", [net.current, left]).quant(4, 0.5)
    return Network(net.flat().dense(60, 2, 3).model())


@network
def one_pixel(dyadic: bool) -> Network:
    """A map of one pixel and one channel, convolutions of one weight, dead channels."""
    net = Net((1, 1, 1), 35, dyadic)
    net.quant(6, 0.25).conv(1, 3, (3, 3), 3, pads=[1] * 4).norm(3, [0.0, -1.0, 0.0]).quant(3)
    left = net.current
    net.conv(3, 3, (1, 1), 2).quant(3).put("Add", left).put("GlobalAveragePool").quant(3)
    return Network(net.conv(3, 1, (1, 1), 3).flat().model())
