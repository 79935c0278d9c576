"""Small float networks in which channels hang together in every way that pruning must see.

Written node by node, as exporters do it. With ``whole`` all constants are small integers and every
division is by a power of two: float64 then computes exactly, whatever the order of the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gatesmith.frontend.importer import import_model
from gatesmith.ir import Graph
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine

Make: TypeAlias = Callable[["Net"], str]
NETWORKS: dict[str, Make] = {}
"""By name: each writes its nodes and gives the name of the output."""


def network(function: Make) -> Make:
    """Register a network."""
    NETWORKS[function.__name__] = function
    return function


def model(name: str, *, whole: bool, seed: int = 0) -> onnx.ModelProto:
    """The network of that name, opset 17."""
    net = Net(whole, np.random.default_rng(seed))
    output = NETWORKS[name](net)
    real = TensorProto.FLOAT
    graph = helper.make_graph(
        net.nodes,
        name,
        [helper.make_tensor_value_info("x", real, [1, *net.shape])],
        [helper.make_tensor_value_info(output, real, None)],
        [numpy_helper.from_array(value, key) for key, value in net.constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return onnx.shape_inference.infer_shapes(made, strict_mode=True)


@cache
def imported(name: str, *, tidy: bool = True) -> Graph:
    """The network with whole constants as a graph, made ready as pruning does it if ``tidy``."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        onnx.save(model(name, whole=True), path)
        graph = import_model(path).graph
    return fold_affine(channels_last(graph)) if tidy else graph


@dataclass
class Net:
    """A network in the making; methods append nodes and give the name of the result.

    Attributes:
        whole: Whether constants are integers.
        rng: What they are drawn from.
        shape: Of the input, without the batch axis.
    """

    whole: bool
    rng: np.random.Generator
    shape: tuple[int, ...] = (3, 8, 8)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    def put(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node of one output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        node = helper.make_node(kind, list(inputs), [name], name, **attributes)
        self.nodes.append(node)
        return name

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        """An initializer."""
        name = f"const_{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def real(self, *shape: int, fan: int = 1) -> str:
        """Random numbers; of weights ``fan`` are added up."""
        if self.whole:
            return self.const(self.rng.integers(-2, 3, shape))
        return self.const(self.rng.normal(size=shape) * (2 / fan) ** 0.5)

    def conv(self, x: str, inputs: int, outputs: int, k: int = 3, **attributes: Any) -> str:
        """Convolution that keeps the size, with a bias."""
        each = inputs // attributes.get("group", 1)
        w = self.real(outputs, each, k, k, fan=each * k * k)
        pads = attributes.pop("pads", [k // 2] * 4)
        return self.put("Conv", x, w, self.real(outputs), pads=pads, **attributes)

    def norm(self, x: str, channels: int) -> str:
        """Batch normalization; with ``whole`` its deviation is 1."""
        scale = self.const(self.rng.choice([-1.0, 1.0, 2.0], channels))
        variance = self.const(np.full(channels, 0.75))
        bias, mean = self.real(channels), self.real(channels)
        return self.put("BatchNormalization", x, scale, bias, mean, variance, epsilon=0.25)

    def block(self, x: str, inputs: int, outputs: int, k: int = 3, **attributes: Any) -> str:
        """Convolution, batch normalization, ReLU."""
        return self.put("Relu", self.norm(self.conv(x, inputs, outputs, k, **attributes), outputs))

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        """Gemm."""
        return self.put("Gemm", x, self.real(inputs, outputs, fan=inputs), self.real(outputs))

    def pool(self, x: str, kind: str = "MaxPool") -> str:
        """Half the size."""
        return self.put(kind, x, kernel_shape=[2, 2], strides=[2, 2])

    def head(self, x: str, channels: int, outputs: int = 4) -> str:
        """Mean of the map, and a classifier."""
        flat = self.put("Flatten", self.put("GlobalAveragePool", x))
        return self.dense(flat, channels, outputs)

    def reshape(self, x: str, *shape: int) -> str:
        """Another shape; the batch axis is the first of it."""
        return self.put("Reshape", x, self.const(shape, np.int64))

    def shuffle(self, x: str, groups: int, channels: int, size: int) -> str:
        """Channel shuffle."""
        split = self.reshape(x, 1, groups, channels // groups, size, size)
        turned = self.put("Transpose", split, perm=[0, 2, 1, 3, 4])
        return self.reshape(turned, 1, channels, size, size)

    def split(self, x: str, sizes: Sequence[int], axis: int = 1) -> list[str]:
        """Parts along an axis."""
        names = [f"part_{len(self.nodes)}_{i}" for i in range(len(sizes))]
        inputs = [x, self.const(sizes, np.int64)]
        self.nodes.append(helper.make_node("Split", inputs, names, names[0], axis=axis))
        return names

    def upsample(self, x: str) -> str:
        """Twice the size, nearest element."""
        how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.put("Resize", x, "", self.const([1.0, 1.0, 2.0, 2.0]), **how)


# ---- one layer behind the other ------------------------------------------------------------------


@network
def chain(net: Net) -> str:
    """Convolutions, pools, flatten, dense layers."""
    x = net.pool(net.block("x", 3, 6))
    x = net.pool(net.put("Relu", net.conv(x, 6, 8)), "AveragePool")
    x = net.put("Relu", net.dense(net.put("Flatten", x), 32, 10))
    return net.dense(x, 10, 4)


@network
def slopes(net: Net) -> str:
    """LeakyRelu, PRelu with a slope a channel, a batch norm before its layer, Clip, a gate."""
    x = net.put("LeakyRelu", net.conv("x", 3, 6), alpha=0.25)
    x = net.put("PRelu", net.norm(x, 6), net.real(6, 1, 1))
    x = net.put("Mul", net.conv(x, 6, 5), net.real(5, 1, 1))
    x = net.put("Clip", x, net.const(-100.0), net.const(100.0))
    x = net.put("Sub", net.real(1), x)
    return net.head(net.put("Add", x, net.real(1, 5, 8, 8)), 5)


@network
def separable(net: Net) -> str:
    """DS-CNN: depthwise and pointwise, one of them of several outputs a channel."""
    x = net.block("x", 3, 6)
    for inputs, outputs in ((6, 8), (8, 5)):
        x = net.block(x, inputs, 2 * inputs, group=inputs)
        x = net.block(x, 2 * inputs, outputs, 1)
    return net.head(x, 5)


@network
def grouped(net: Net) -> str:
    """Grouped convolutions one behind the other, and a pointwise one."""
    x = net.block("x", 3, 8)
    x = net.block(x, 8, 12, group=2)
    x = net.block(x, 12, 8, group=4)
    return net.head(net.block(x, 8, 6, 1), 6)


@network
def normalized(net: Net) -> str:
    """Group and instance normalization as exporters write them, in reals only."""
    x = net.put("Relu", net.conv("x", 3, 6))
    x = net.put("InstanceNormalization", x, net.real(6), net.real(6))
    x = net.conv(x, 6, 8)
    y = net.reshape(x, 1, 4, -1)
    y = net.put("InstanceNormalization", y, net.const(np.ones(4)), net.const(np.zeros(4)))
    x = net.put("Mul", net.reshape(y, 1, 8, 8, 8), net.real(8, 1, 1))
    return net.head(x, 8)


@network
def flattened_twice(net: Net) -> str:
    """A map flattened, shaped into a map again, and spread with zeros: a transposed convolution."""
    x = net.put("Relu", net.dense(net.put("Flatten", "x"), 192, 4 * 4 * 6))
    x = net.put("Relu", net.conv(net.reshape(x, 1, 6, 4, 4), 6, 4))
    w = net.real(4, 5, 2, 2, fan=16)
    x = net.put("ConvTranspose", x, w, net.real(5), strides=[2, 2])
    return net.head(net.put("Relu", x), 5)


# ---- joins ---------------------------------------------------------------------------------------


@network
def residual(net: Net) -> str:
    """ResNet: an identity, a projection, and a shortcut of every other pixel padded with zeros."""
    x = net.block("x", 3, 6)
    y = net.norm(net.conv(net.block(x, 6, 5), 5, 6), 6)
    x = net.put("Relu", net.put("Add", y, x))
    y = net.norm(net.conv(net.block(x, 6, 7), 7, 8, strides=[2, 2]), 8)
    x = net.put("Relu", net.put("Add", net.conv(x, 6, 8, 1, strides=[2, 2]), y))
    y = net.norm(net.conv(net.block(x, 8, 7), 7, 12, strides=[2, 2]), 12)
    ends, steps = net.const([8, 8], np.int64), net.const([2, 2], np.int64)
    x = net.put("Slice", x, net.const([0, 0], np.int64), ends, net.const([2, 3], np.int64), steps)
    x = net.put("Pad", x, net.const([0, 2, 0, 0, 0, 2, 0, 0], np.int64))
    return net.head(net.put("Relu", net.put("Add", x, y)), 12)


@network
def dense_net(net: Net) -> str:
    """DenseNet: every layer reads all before it."""
    x, channels = net.block("x", 3, 6), 6
    for _ in range(3):
        y = net.block(net.block(x, channels, 6, 1), 6, 4)
        x, channels = net.put("Concat", x, y, axis=1), channels + 4
    x = net.pool(net.block(x, channels, 8, 1), "AveragePool")
    return net.head(x, 8)


@network
def u_net(net: Net) -> str:
    """Down and up again, with skips that are concatenated; the output is a map."""
    a = net.block("x", 3, 4)
    b = net.block(net.pool(a), 4, 6)
    c = net.block(net.pool(b), 6, 8)
    y = net.block(net.put("Concat", net.upsample(c), b, axis=1), 14, 6)
    y = net.block(net.put("Concat", net.upsample(y), a, axis=1), 10, 4)
    return net.conv(y, 4, 2, 1)


@network
def parts(net: Net) -> str:
    """Split, a path for each part, and a join of two of them."""
    a, b, c = net.split(net.block("x", 3, 9), (4, 2, 3))
    a, b = net.block(a, 4, 5), net.block(b, 2, 5)
    return net.head(net.put("Concat", net.put("Add", a, b), c, axis=1), 8)


@network
def excited(net: Net) -> str:
    """Squeeze and excite: a gate a channel; then one gate for all channels of a pixel."""
    x = net.block("x", 3, 6)
    gate = net.put("Relu", net.conv(net.put("GlobalAveragePool", x), 6, 3, 1))
    x = net.put("Mul", x, net.put("Relu", net.conv(gate, 3, 6, 1)))
    gate = net.put("Relu", net.conv(net.put("Relu", net.conv(x, 6, 4)), 4, 1))
    return net.head(net.put("Mul", x, gate), 6)


@network
def tokens(net: Net) -> str:
    """Pixels as rows of a matrix, a constant row put before them, places added; dense layers."""
    x = net.put("Transpose", net.reshape(net.block("x", 3, 6), 1, 6, 64), perm=[0, 2, 1])
    x = net.put("Concat", net.real(1, 1, 6), x, axis=1)
    x = net.put("Add", x, net.real(1, 65, 6))
    x = net.put("Relu", net.put("MatMul", x, net.real(6, 7, fan=6)))
    y = net.put("Relu", net.put("MatMul", x, net.real(7, 5, fan=7)))
    x = net.put("Add", x, net.put("MatMul", y, net.real(5, 7, fan=5)))
    first = net.put("Gather", x, net.const(0, np.int64), axis=1)
    return net.dense(first, 7, 4)


# ---- shuffles ------------------------------------------------------------------------------------


@network
def shuffled(net: Net) -> str:
    """ShuffleNet: grouped, shuffle, depthwise, grouped, and the way around it."""
    x = net.block("x", 3, 12)
    y = net.shuffle(net.block(x, 12, 12, 1, group=2), 2, 12, 8)
    y = net.norm(net.conv(y, 12, 12, group=12), 12)
    y = net.norm(net.conv(y, 12, 12, 1, group=3), 12)
    return net.head(net.put("Relu", net.put("Add", x, y)), 12)


@network
def shuffled_halves(net: Net) -> str:
    """ShuffleNet V2: half of the channels pass, all are shuffled."""
    x = net.block("x", 3, 8)
    for _ in range(2):
        a, b = net.split(x, (4, 4))
        b = net.block(net.block(b, 4, 5, 1), 5, 5, group=5)
        x = net.shuffle(net.put("Concat", a, net.block(b, 5, 4, 1), axis=1), 2, 8, 8)
    return net.head(net.block(x, 8, 6, 1), 6)


@network
def pixels(net: Net) -> str:
    """Depth to space and space to depth."""
    x = net.put("DepthToSpace", net.block("x", 3, 12), blocksize=2, mode="DCR")
    x = net.pool(net.put("Relu", net.conv(x, 3, 4)))
    x = net.put("SpaceToDepth", x, blocksize=2)
    return net.head(net.block(x, 16, 6, 1), 6)
