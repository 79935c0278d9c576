"""Every real operator: written, read again and run by others, it gives what the IR says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import ArrayLike

from gatesmith.cpu_gpu_baselines.float_runtime import FloatRuntime
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.names import identifier
from gatesmith.frontend.to_onnx import Exported, to_onnx
from gatesmith.frontend.to_onnx.elementwise import FUNCTIONS
from gatesmith.frontend.to_onnx.registry import all_exports
from gatesmith.ir import Array, Graph, IntType, Node, Op, Real, TensorType, Values
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.clip import Clip
from gatesmith.ops.complete_test import HARDWARE
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.div import Div
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.function import FLOAT64, Function
from gatesmith.ops.input import Input
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.mul import Mul
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.pad import Pad
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.registry import classes
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.select import Select
from gatesmith.ops.sign import Sign
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.sub import Sub
from gatesmith.ops.take import Take
from gatesmith.ops.top_k import TopK
from gatesmith.ops.transpose import Transpose

FRAMES = 6
NEAR = (Softmax, LayerNorm, Function)
"""Sums in another order, or what float32 has to approximate."""


class Net:
    """Builds graphs; constants are multiples of 1/8, so that sums are exact."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)
        self.count = 0

    def input(self, *shape: int, elem: IntType | None = None, name: str = "x") -> Node:
        return Node(name, Input(TensorType(shape, elem or Real())), tensor=f"{name}:0")

    def const(self, *shape: int, data: ArrayLike | None = None) -> Node:
        self.count += 1
        value = self.rng.integers(-16, 17, shape) / 8 if data is None else np.asarray(data, float)
        return Node(f"c{self.count}", Const(Array(value)))

    def put(self, op: Op, *args: Node) -> Node:
        self.count += 1
        return Node(f"{type(op).__name__}_{self.count}", op, args)

    def conv(self, x: Node, outs: int, *, k: tuple[int, int] = (3, 3), **given: Any) -> Node:
        group = given.get("group", 1)
        op = Conv(
            given.get("strides", (1, 1)),
            given.get("pads", (1, 1, 1, 1)),
            given.get("dilations", (1, 1)),
            group,
        )
        return self.put(op, x, self.const(*k, x.type.channels // group, outs))


def chain(net: Net, x: Node, *ops: Op) -> Node:
    for op in ops:
        x = net.put(op, x)
    return x


def _binary(net: Net) -> list[Node]:
    x = net.conv(net.input(5, 4, 3), 3)
    y = net.put(Add(), x, net.const(3))  # a bias
    y = net.put(Sub(), net.const(4, 1), net.put(Mul(), y, net.const(1, 1, 3)))
    y = net.put(Div(), y, net.const(data=0.5))
    y = net.put(Select("max"), y, net.put(Select("min"), x, net.const(5, 1, 1)))
    return [net.put(Add(), y, x), net.put(Add(), net.const(3), net.conv(x, 3))]


def _unary(net: Net) -> list[Node]:
    x = net.conv(net.input(4, 4, 2), 4)
    slopes = net.const(4).op.run()
    ops = [
        Relu(), Clip(-1.5, 2.0), Clip(-np.inf, 2.0), Clip(0.25, np.inf), Clip(-np.inf, np.inf),
        Sign(), LeakyRelu(Array(0.25)), LeakyRelu(Array(-1.0)), LeakyRelu(Array(slopes)),
    ]  # fmt: skip
    return [net.put(op, x) for op in ops]


DOMAIN = {"asin": 1 / 64, "acos": 1 / 64, "atanh": 1 / 64}
POSITIVE = ("log", "sqrt", "reciprocal", "acosh")


def _functions(net: Net) -> list[Node]:
    x = net.input(3, 6)
    found = []
    for kind in FLOAT64:
        y = net.put(Mul(), x, net.const(data=DOMAIN.get(kind, 0.5)))
        if kind in POSITIVE:
            y = net.put(Add(), net.put(LeakyRelu(Array(-1.0)), y), net.const(data=1.0))
        found.append(net.put(Function(kind), y))
    return found


def _convolutions(net: Net) -> list[Node]:
    x = net.input(7, 6, 4)
    return [
        net.conv(x, 6, group=2, strides=(2, 1), pads=(1, 0, 2, 1)),
        net.conv(x, 8, group=4, k=(2, 3), dilations=(2, 1)),
        net.conv(net.put(Relu(), net.conv(x, 3, k=(1, 1), pads=(0, 0, 0, 0))), 2),
    ]


def _transposed(net: Net) -> list[Node]:
    x = net.input(3, 4, 4)
    spread = Pad((0, 0, 0), (0, 0, 0), (1, 2, 0), 0.0)
    y = net.put(Add(), net.conv(net.put(spread, x), 6, group=2, pads=(1, 2, 2, 3)), net.const(6))
    dilated = net.conv(net.put(spread, x), 2, k=(2, 3), dilations=(2, 1), pads=(2, 1, 1, 2))
    return [y, dilated, net.conv(net.put(spread, x), 2, strides=(2, 2))]


def _pools(net: Net) -> list[Node]:
    x = net.conv(net.input(7, 6, 2), 3)
    pools = [
        MaxPool((2, 2), (2, 2)),
        MaxPool((3, 2), (2, 1), (1, 0, 2, 1), (1, 2)),
        AveragePool((2, 2), (2, 2), (0, 0, 0, 0), (0, 0, 0, 0)),
        AveragePool((3, 2), (1, 1), (1, 0, 1, 1), (0, 0, 0, 0)),
        AveragePool((3, 2), (1, 1), (1, 0, 1, 1), (1, 0, 1, 1)),
        AveragePool((2, 4), (2, 2), (1, 1, 0, 1), (1, 1, 0, 1)),
        AveragePool((3, 3), (2, 2), (0, 0, 0, 1), (0, 0, 0, 0)),  # ceil_mode
        AveragePool((3, 3), (3, 3), (0, 1, 2, 2), (0, 1, 1, 1)),  # both
        AveragePool((3, 3), (1, 1), (1, 1, 1, 1), (1, 0, 0, 0)),  # a Pad of its own
        AveragePool((2, 2), (1, 1), (0, 0, 0, 0), (0, 0, 0, 0), (2, 2)),
    ]
    return [net.put(op, x) for op in pools]


def _movement(net: Net) -> list[Node]:
    x = net.conv(net.input(4, 5, 2), 3)
    y = net.put(Concat(2), x, net.put(Relu(), x))
    return [
        chain(net, x, Reshape((20, 3)), Reduce("mean"), Reshape((1, 1, 3))),
        chain(net, x, Reshape((60,))),
        chain(net, x, Transpose((2, 0, 1)), Reshape((60,))),
        chain(net, x, Reshape((2, 2, 5, 3)), Transpose((1, 0, 3, 2))),
        net.put(Take(0, Array([3, 1, 1])), x),
        net.put(Take(1, Array([4, 2, 0])), x),
        net.put(Take(2, Array([1])), y),
        net.put(Concat(1), x, net.const(4, 2, 3)),
        net.put(Pad((1, 0, 2), (0, 3, 0), (0, 0, 0), 0.5), x),
        net.put(Pad((1, 0, 0), (0, 0, 1), (2, 1, 0), -1.0), x),
        net.put(Pad((0, 0, 0), (0, 0, 0), (0, 0, 0), 0.0), y),
    ]


def _vectors(net: Net) -> list[Node]:
    x = net.conv(net.input(4, 5, 2), 3)
    y = net.put(Add(), net.put(MatMul(), x, net.const(3, 7)), net.const(7))
    norm = net.put(LayerNorm(0.5), y)
    return [
        y,
        net.put(Add(), net.put(Mul(), norm, net.const(7)), net.const(1, 7)),
        net.put(LayerNorm(0.25), y),
        *(net.put(Reduce(kind), x) for kind in ("sum", "mean", "max", "min")),
        net.put(Softmax(), x),
        net.put(Softmax(2), x),
        net.put(TopK(1), x),
        net.put(TopK(1, last=True), y),
        net.put(TopK(2, largest=False), y),
        net.put(TopK(3), net.put(Reshape((140,)), y)),
    ]


def _pair(net: Net, x: Node, codes: Op, scale: ArrayLike, offset: ArrayLike) -> Node:
    op = Dequantize(Array(np.asarray(scale, float)), Array(np.asarray(offset, float)))
    return net.put(op, net.put(codes, x))


def _quantizers(net: Net) -> list[Node]:
    x = net.put(Mul(), net.conv(net.input(4, 5, 2), 3), net.const(data=0.125))
    scales, zeros = np.array([0.25, 0.5, 2.0]), np.array([2.0, 0.0, -4.0])
    none = Array(0.0)

    def grid(lo: int, hi: int, scale: ArrayLike = 0.5, zero: ArrayLike = 0) -> FakeQuant:
        return FakeQuant(Grid("int", IntType(lo, hi), Array(scale), Array(zero)))

    steps = MultiThreshold(Array(np.sort(net.const(3, 4).op.run())))
    kept = net.put(Quantize(Array(0.5), Array(2.0), IntType(-8, 7)), x)
    moved = chain(net, kept, MaxPool((2, 2)), Reshape((36,)), Take(0, Array([5, 2, 2])))
    odd = Quantize(Array(0.25), Array(3.0), IntType(0, 255), "HALF_ODD")
    floor = Quantize(Array(scales), Array(zeros), IntType(-100, 90), "FLOOR")
    return [
        net.put(grid(-8, 7), x),
        net.put(grid(-7, 7, scales, zeros.astype(int)), x),
        net.put(grid(0, 255, 0.125, 128), x),
        net.put(grid(-3, 9), x),  # no Quant has these codes
        net.put(grid(0, 1), x),
        _pair(net, x, Quantize(Array(0.5), Array(2.0), IntType(-8, 7)), 0.5, -1.0),
        _pair(net, x, Quantize(Array(0.5), none, IntType(-8, 7)), 0.75, 0.125),
        _pair(net, x, odd, 0.25, -0.75),
        _pair(net, x, floor, scales, -scales * zeros),
        _pair(net, x, BipolarQuant(), scales, 0.0),
        _pair(net, x, BipolarQuant(), 1.0, 0.5),
        _pair(net, x, steps, 0.5, -1.0),
        _pair(net, x, steps, scales, zeros),
        net.put(Dequantize(Array(0.5), Array(-1.0)), moved),
        net.put(Dequantize(Array(3.0), Array(1.0), 4), kept),
        net.put(Dequantize(Array(1.0), none), net.put(Reduce("sum"), kept)),
        net.put(TopK(1), kept),
    ]


def _integers(net: Net) -> list[Node]:
    x = net.input(3, 4, elem=IntType(0, 255))
    return [net.put(Dequantize(Array(1.0), Array(-128.0), 255), x), net.put(Reshape((12,)), x)]


def _ends(net: Net) -> list[Node]:
    x = net.input(3, 4)
    y = net.put(Relu(), x)
    return [y, y, x, net.put(Add(), net.const(2), net.const(2)), net.put(Reshape((3, 4)), y)]


CASES: dict[str, Callable[[Net], list[Node]]] = {
    function.__name__.strip("_"): function
    for function in (
        _binary, _unary, _functions, _convolutions, _transposed, _pools, _movement, _vectors,
        _quantizers, _integers, _ends,
    )
}  # fmt: skip


def graph_of(name: str) -> Graph:
    return Graph(tuple(CASES[name](Net())), name)


def data_of(graph: Graph) -> dict[str, Values]:
    rng = np.random.default_rng(2)
    found: dict[str, Values] = {}
    for node in graph:
        if isinstance(node.op, Input):
            codes = rng.integers(-24, 25, (FRAMES, *node.type.shape))
            real = isinstance(node.type.elem, Real)
            found[node.name] = codes / 8 if real else codes + 100
    return found


def read(exported: Exported, folder: Path) -> tuple[Graph, onnx.ModelProto]:
    path = folder / "net.onnx"
    path.write_bytes(exported.model.SerializeToString())
    imported = import_model(path)
    return imported.graph, imported.model


@pytest.mark.parametrize("form", ["float", "qonnx"])
@pytest.mark.parametrize("name", CASES)
def test_round_trip_and_runtime(name: str, form: Any, tmp_path: Path) -> None:
    graph = graph_of(name)
    if form == "float" and any(isinstance(node.op, FakeQuant) for node in graph):
        outputs = [output for output in graph.outputs if not isinstance(output.op, FakeQuant)]
        graph = Graph(tuple(outputs), name)
    exported = to_onnx(graph, form=form)
    assert exported.rounded == ()
    again, model = read(exported, tmp_path)
    data = data_of(graph)
    ours = execute(graph, data)
    theirs = execute(again, {identifier(f"{key}:0"): value for key, value in data.items()})
    pytest.importorskip("onnxruntime")
    runtime = FloatRuntime(model)
    floats = {f"{k}:0": v.astype(runtime.inputs[f"{k}:0"]) for k, v in data.items()}
    ran = runtime.run(floats) | runtime.constants
    for output, other, tensor in zip(graph.outputs, again.outputs, runtime.outputs, strict=True):
        near = 1e-12 if isinstance(output.op, NEAR) else 0
        value = ours[output]
        found = theirs[other].reshape(value.shape)
        np.testing.assert_allclose(found, value, near, near, err_msg=output.name)
        single = np.broadcast_to(ran[tensor], value.shape)
        near = 1e-5 if isinstance(output.op, (*NEAR, AveragePool)) else 1e-6
        np.testing.assert_allclose(single, value, near, near, err_msg=output.name)


def test_every_real_operator_is_written_and_tested() -> None:
    real = {
        cls for cls in classes().values() if cls.__module__.rpartition(".")[2] not in HARDWARE
    } - {Input, Const}
    missing = sorted(cls.__name__ for cls in real - all_exports().keys())
    assert not missing, f"write an export in frontend/to_onnx: {missing}"
    tested = {type(node.op) for name in CASES for node in graph_of(name)}
    assert not sorted(cls.__name__ for cls in real - tested)
    assert FLOAT64.keys() - FUNCTIONS.keys() == {"step"}


def test_names_opset_and_metadata() -> None:
    net = Net()
    x = net.input(4, 4, 2, name="in")
    y = net.put(Add(), net.conv(x, 3), net.const(3))
    end = Node("end", Relu(), (y,), tensor="scores/0")
    model = to_onnx(Graph((end,), "tiny"), form="float").model
    assert [n.op_type for n in model.graph.node] == ["Transpose", "Conv", "Relu", "Transpose"]
    assert [i.name for i in model.graph.input] == ["in:0"]
    assert [o.name for o in model.graph.output] == ["scores/0"]
    assert [n.name for n in model.graph.node][1:3] == [y.name, "end"]
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)
    assert (model.producer_name, model.graph.name) == ("gatesmith", "tiny")
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    onnx.checker.check_model(model, full_check=True)
    again = to_onnx(Graph((end,), "tiny"), form="float").model
    assert again.SerializeToString() == model.SerializeToString()


def test_no_transposes_in_a_chain() -> None:
    net = Net()
    x = net.put(Transpose((1, 2, 0)), net.input(2, 8, 8))
    x = net.put(MaxPool((2, 2), (2, 2)), net.put(Relu(), net.conv(x, 4)))
    x = net.put(Mul(), net.put(Add(), x, net.conv(x, 4)), net.const(1, 1, 4))
    x = net.put(Reshape((64,)), net.put(Transpose((2, 0, 1)), x))
    model = to_onnx(Graph((net.put(MatMul(), x, net.const(64, 3)),)), form="float").model
    kinds = ["Conv", "Relu", "MaxPool", "Conv", "Add", "Mul", "Reshape", "MatMul"]
    assert [node.op_type for node in model.graph.node] == kinds


def test_wanted_nodes_stay_tensors() -> None:
    net = Net()
    layer = net.conv(net.input(4, 4, 2), 3)
    graph = Graph((net.put(Add(), layer, net.const(3)),))
    exported = to_onnx(graph, form="float", wanted=[layer])
    made = {name for node in exported.model.graph.node for name in node.output}
    assert exported.tensors[layer] in made
    assert exported.orders[layer] == (2, 0, 1)
    assert [n.op_type for n in exported.model.graph.node] == [
        "Transpose",
        "Conv",
        "Add",
        "Transpose",
    ]


def test_misuse() -> None:
    net = Net()
    x = net.input(4)
    quantized = Graph((net.put(FakeQuant(Grid("int", IntType(-8, 7), Array(0.5))), x),))
    with pytest.raises(ValueError, match="write it as qonnx or qdq"):
        to_onnx(quantized, form="float")
    with pytest.raises(ValueError, match="not in the graph: x"):
        to_onnx(Graph((net.const(3),)), form="float", wanted=[x])
    rounded = Graph((net.put(Add(), x, net.const(data=[0.1, 0.5, 0.25, 1 / 3])),))
    assert to_onnx(rounded, form="float").rounded == ("c3",)
