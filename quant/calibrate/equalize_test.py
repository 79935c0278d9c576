"""Equalization changes ranges, and no output by a single bit."""

import numpy as np
import pytest

from gatesmith.ir import Array, Graph, Node, Op, Real, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.clip import Clip
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.input import Input
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.pad import Pad
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.calibrate.equalize import equalize
from gatesmith.quant.calibrate.layers import const, layers

RNG = np.random.default_rng(11)


def constant(name: str, *shape: int) -> Node:
    """Channels of very different ranges."""
    values = RNG.normal(size=shape) * 2.0 ** RNG.uniform(-6, 6, size=shape[-1])
    return Node(name, Const(Array(values.astype(np.float32).astype(np.float64))))


def image(channels: int = 3) -> Node:
    return Node("x", Input(TensorType((6, 6, channels), Real())))


def conv(name: str, x: Node, outputs: int, group: int = 1, bias: bool = True) -> Node:
    w = constant(f"{name}_w", 3, 3, x.type.channels // group, outputs)
    node = Node(name, Conv((1, 1), (1, 1, 1, 1), (1, 1), group), (x, w))
    return Node(f"{name}_b", Add(), (node, constant(f"{name}_c", outputs))) if bias else node


def dense(name: str, x: Node, outputs: int) -> Node:
    return Node(name, MatMul(), (x, constant(f"{name}_w", x.type.channels, outputs)))


def then(x: Node, name: str, op: Op) -> Node:
    return Node(name, op, (x,))


def out(graph: Graph) -> list[np.ndarray]:
    x = {"x": np.random.default_rng(2).normal(size=(4, 6, 6, 3)).astype(np.float32)}
    values = execute(graph, {k: v.astype(np.float64) for k, v in x.items()})
    return [values[output] for output in graph.outputs]


def ranges(graph: Graph) -> dict[str, np.ndarray]:
    return {
        layer.name: np.abs(const(layer.weight)).reshape(-1, layer.weight.type.channels).max(axis=0)
        for layer in layers(graph)
    }


BETWEEN = {
    "relu": lambda x: then(x, "r", Relu()),
    "leaky": lambda x: then(x, "r", LeakyRelu(Array(RNG.uniform(0, 1, size=8)))),
    "bound at zero": lambda x: then(x, "r", Clip(0.0, np.inf)),
    "max pool": lambda x: then(then(x, "r", Relu()), "p", MaxPool((2, 2), (2, 2))),
    "average pool": lambda x: then(x, "p", AveragePool((3, 3), (2, 2), (1, 1, 1, 1), (0, 0, 0, 0))),
    "zeros around": lambda x: then(x, "p", Pad((1, 2, 0), (1, 0, 0), (0, 0, 0), 0.0)),
    "nothing": lambda x: x,
}


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN.keys())
@pytest.mark.parametrize("group", [1, 2, 8])
@pytest.mark.parametrize("bias", [True, False])
def test_exact_and_better(between: object, group: int, bias: bool) -> None:
    x = between(conv("a", image(), 8, bias=bias))  # type: ignore[operator]
    graph = Graph((conv("b", x, 8, group, bias=bias),))
    new = equalize(graph)
    for one, other in zip(out(graph), out(new), strict=True):
        assert (one == other).all()
    old, now = ranges(graph)["a"], ranges(new)["a"]
    into = np.abs(const(layers(new)[1].weight)).reshape(9, -1, group, 8 // group).max(axis=(0, 3))
    ratio = np.log2(now / into.T.reshape(-1))
    assert (np.abs(ratio) <= 1).all(), "ranges out of and into a channel are alike"
    assert (old != now).any()


def test_flatten_to_a_matrix_product() -> None:
    x = then(conv("a", image(), 4), "r", Relu())
    turned = then(x, "t", Transpose((2, 0, 1)))  # channels first, as files flatten
    flat = then(turned, "f", Reshape((144,)))
    graph = Graph((dense("d", flat, 5),))
    new = equalize(graph)
    assert (out(graph)[0] == out(new)[0]).all()
    assert (ranges(graph)["a"] != ranges(new)["a"]).any()


def test_global_mean_and_a_chain() -> None:
    x = then(conv("a", image(), 4), "r", Relu())
    x = then(conv("b", x, 4, group=4), "s", Relu())
    x = then(conv("c", x, 6, bias=False), "t", Relu())
    mean = then(then(x, "f", Reshape((36, 6))), "m", Reduce("mean"))
    graph = Graph((dense("d", mean, 5),))
    new = equalize(graph)
    assert (out(graph)[0] == out(new)[0]).all()
    assert all((ranges(graph)[n] != ranges(new)[n]).any() for n in "abcd"[:3])


def refused() -> dict[str, Graph]:
    a = conv("a", image(), 8)
    shared = then(a, "r", Relu())
    residual = Node("j", Add(), (conv("b", shared, 8), shared))
    b = conv("b", then(a, "r", Relu()), 8)
    w = constant("w", 3, 3, 3, 3)
    twice = Node("a", Conv((1, 1), (1, 1, 1, 1), (1, 1), 1), (image(3), w))
    return {
        "residual": Graph((residual,)),
        "relu6": Graph((conv("b", then(a, "r", Clip(0.0, 6.0)), 8),)),
        "output": Graph((b, a)),
        "a pad that is not zero": Graph(
            (conv("b", then(a, "p", Pad((1, 1, 0), (0, 0, 0), (0, 0, 0), 1.0)), 8),)
        ),
        "mixed channels": Graph((dense("b", then(a, "t", Transpose((2, 0, 1))), 3),)),
        "shared weights": Graph((Node("b", twice.op, (twice, w)),)),
    }


@pytest.mark.parametrize("name", refused())
def test_refused(name: str) -> None:
    graph = refused()[name]
    new = equalize(graph)
    for one, other in zip(out(graph), out(new), strict=True):
        assert (one == other).all()
    assert {n: r.tolist() for n, r in ranges(new).items()} == {
        n: r.tolist() for n, r in ranges(graph).items()
    }


def test_dead_channels() -> None:
    a = conv("a", image(), 4)
    w = const(layers(Graph((a,)))[0].weight).copy()
    w[..., 1] = 0
    dead = Node("a", a.args[0].op, (a.args[0].args[0], Node("a_w", Const(Array(w)))))
    graph = Graph((conv("b", then(dead, "r", Relu()), 3),))
    assert (out(graph)[0] == out(equalize(graph))[0]).all()
