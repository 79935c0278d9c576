"""Whole quantized networks lower exactly: every code of the integer graph is the real graph's.

The real graph runs in float64. Its scales are float32, so a sum is not always exact, but a code
could differ only where a sum lies within 1e-13 of a tie and is none; with scales of one bit every
operation is exact, and ties are everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, IntType, Node, TensorType, Values
from gatesmith.ir.check import check, samples
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.div import Div
from gatesmith.ops.function import Function
from gatesmith.ops.input import Input
from gatesmith.ops.join import Join
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.mul import Mul
from gatesmith.ops.product import Product
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.relu import Relu
from gatesmith.ops.table import Table
from gatesmith.quant.flip_falling import flip_falling
from gatesmith.quant.lower import lower
from gatesmith.rtl_tests.qdq_by_hand import round_scales, tflite
from gatesmith.rtl_tests.qdq_net import STYLES, quantized
from gatesmith.rtl_tests.qdq_networks import NETWORKS
from gatesmith.rtl_tests.vectors import to_model, to_stream

FRAMES = 20

REFUSED = {
    ("autoencoder", "operators"): "quant.float-weights",  # no operator for ConvTranspose
    **{(name, "u16"): "quant.no-exact-form" for name in NETWORKS},  # over 64 bits of product
}
"""What cannot be built, and the code of the reason."""

STYLE_OF = dict(zip(NETWORKS, [s for s in STYLES if s != "u16"] * len(NETWORKS), strict=False))
STYLE_OF["autoencoder"] = "s8"
REST = [
    (name, style)
    for name in NETWORKS
    for style in STYLES
    if style not in ("u16", STYLE_OF[name]) and (name, style) not in REFUSED
]


def lowered(path: Path) -> Graph:
    """The integer graph, after it was compared with the real one; its outputs too."""
    real = import_model(path).graph
    found = lower(real, path.name)
    rng = np.random.default_rng(3)
    data = samples(real, FRAMES, 3) if any(_coded(node) for node in real) else {}
    for node in real:
        if isinstance(node.op, Input) and not _coded(node):
            x = rng.normal(size=(FRAMES, *node.type.shape)).astype(np.float32)
            data[node.name] = x.astype(np.float64)
    wanted = {port.host_quantizer for port in found.inputs}
    values = execute(real, data, keep=[node for node in real if node.name in wanted])
    codes = {node.name: value for node, value in values.items()} | data
    shapes = {node.name: node.type.shape for node in found.graph}
    given = {
        port.node: to_stream(codes[port.host_quantizer or port.real_node], port.axes)
        .reshape(FRAMES, *shapes[port.node])
        .astype(np.int64)
        for port in found.inputs
    }
    check(found.graph, "lower", given)
    flipped = flip_falling(found.graph)
    check(flipped, "flip_falling", given)
    for graph in (found.graph, flipped):
        results = execute(graph, given)
        for node, port, expected in zip(graph.outputs, found.outputs, real.outputs, strict=True):
            assert not port.host
            axes = port.axes or range(len(port.shape))
            y = _meant(node, results[node]).reshape(FRAMES, *(port.shape[axis] for axis in axes))
            np.testing.assert_array_equal(to_model(y, port.axes), values[expected], node.name)
    return flipped


def _coded(node: Node) -> bool:
    return isinstance(node.op, Input) and isinstance(node.type.elem, IntType)


def _meant(node: Node, y: Values) -> Values:
    return y if node.meaning is None else node.meaning.real(y.astype(np.int64))


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


@pytest.fixture(autouse=True)
def _needs_onnxruntime() -> None:
    pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network(name: str, tmp_path: Path) -> None:
    lowered(saved(quantized(NETWORKS[name], STYLE_OF[name]), tmp_path))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_with_ties(name: str, tmp_path: Path) -> None:
    lowered(saved(round_scales(quantized(NETWORKS[name], "s8")), tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "style"), REST)
def test_every_network_in_every_style(name: str, style: str, tmp_path: Path) -> None:
    lowered(saved(quantized(NETWORKS[name], style), tmp_path))


@pytest.mark.parametrize("seed", range(3))
def test_residual_network_as_tflite_writes_it(seed: int, tmp_path: Path) -> None:
    lowered(saved(tflite(seed), tmp_path))
    lowered(saved(round_scales(tflite(seed)), tmp_path))


@pytest.mark.parametrize(
    ("name", "style"), [("autoencoder", "operators"), ("one_pixel", "u16"), ("one_channel", "u16")]
)
def test_what_is_refused(name: str, style: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        lowered(saved(quantized(NETWORKS[name], style), tmp_path))

    error = raised.value
    codes = [e.code for e in error.errors] if isinstance(error, UserErrors) else [error.code]
    assert set(codes) == {REFUSED[name, style]}


# ---- what the networks have shown, one by one ---------------------------------------------------

S8 = IntType(-128, 127)
SCALE = Array(2.0**-4)


class Few:
    """Real operators on a frame of int8 codes."""

    def __init__(self, *shape: int) -> None:
        self.count = 0
        self.x = self.real(Node("inp", Input(TensorType(shape, S8)), origin=("inp",)))

    def real(self, codes: Node) -> Node:
        return self.put(Dequantize(SCALE, Array(0.0)), codes)

    def put(self, op: object, *args: Node) -> Node:
        self.count += 1
        name = f"{type(op).__name__.lower()}{self.count}"
        return Node(name, op, args, (f"/{name}",))  # type: ignore[arg-type]

    def again(self, value: Node) -> Node:
        """Quantized and back."""
        return self.real(self.put(Quantize(SCALE, Array(0.0), S8), value))

    def lowered(self, value: Node) -> Graph:
        """The integer graph of the quantized value, compared with the real one."""
        real = Graph((self.put(Quantize(SCALE, Array(0.0), S8), value),))
        graph = lower(real, "few.onnx").graph
        data = samples(real, 200)
        (expected,) = execute(real, data).values()
        (found,) = execute(graph, {"x": data["inp"]}).values()
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)
        return graph


def kinds(graph: Graph) -> list[type]:
    return [type(node.op) for node in graph]


def test_a_function_under_one_scale_is_one_table_row() -> None:
    net = Few(3, 4)
    graph = net.lowered(net.put(Function("sigmoid"), net.x))

    assert not {Join, Product} & set(kinds(graph))


def test_a_sum_of_two_functions_of_one_value_is_a_table() -> None:
    net = Few(5)
    above, below = net.put(Relu(), net.x), net.put(Function("tanh"), net.x)
    graph = net.lowered(net.put(Add(), above, below))

    assert kinds(graph) == [Input, Table]


@pytest.mark.parametrize("op", [Mul(), Add(), Div()])
def test_functions_of_one_value_meet_behind_a_quantizer(op: object) -> None:
    net = Few(2, 3)
    size = net.again(net.put(LeakyRelu(Array(-1.0)), net.x))  # |x|
    one = Node("one", Const(Array(1.0)))
    graph = net.lowered(net.put(op, net.x, net.again(net.put(Add(), size, one))))

    assert kinds(graph) == [Input, Table]


def test_a_divisor_that_can_be_zero_is_refused() -> None:
    net = Few(2)
    value = net.put(Div(), net.x, net.put(LeakyRelu(Array(-1.0)), net.x))
    with pytest.raises(UserError) as raised:
        net.lowered(value)

    assert raised.value.code == "quant.divide-by-zero"


def test_a_quotient_of_two_streams_is_refused() -> None:
    net = Few(2)
    other = Node("other", Input(TensorType((2,), S8)), origin=("other",))
    with pytest.raises(UserError) as raised:
        net.lowered(net.put(Div(), net.x, net.real(other)))

    assert raised.value.code == "quant.divide-by-stream"
