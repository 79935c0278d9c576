"""QONNX networks, lowered: the integers equal the real graph, executed where float64 is exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import gatesmith
from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Graph, Node, Values
from gatesmith.ir.check import check, samples
from gatesmith.ir.execute import execute
from gatesmith.ops.input import Input
from gatesmith.quant.flip_falling import flip_falling
from gatesmith.quant.lower import InputPort, Lowered, lower
from gatesmith.rtl_tests import branching_networks, integer_networks, qonnx_networks  # noqa: F401
from gatesmith.rtl_tests.qonnx_builder import NETWORKS, Net, Network
from gatesmith.rtl_tests.random_conv_network import random_conv_network

FRAMES = 24
EXPORTED = Path(gatesmith.__file__).parents[1] / "examples" / "exported"


def exact(network: Network, folder: Path, *, dyadic: bool = True) -> Graph:
    """The integer graph, after every output of it was compared on random data."""
    path = folder / "model.onnx"
    onnx.save(network.model, path)
    spec = None if network.spec is None else InputSpec.parse(network.spec)
    real = import_model(path, spec).graph
    lowered = lower(real, path.name)
    (port,) = lowered.inputs
    data = _real_data(real, lowered)
    given = {port.node: _given(real, port, data)}
    check(lowered.graph, "lower", given)
    flipped = flip_falling(lowered.graph)
    check(flipped, "flip_falling", given)
    expected = execute(real, data, keep=list(real))
    for graph in (lowered.graph, flipped):
        found = execute(graph, given)
        for node, wanted, end in zip(graph.outputs, real.outputs, lowered.outputs, strict=True):
            assert node.meaning is not None
            value = node.meaning.real(found[node].astype(np.int64))
            axes = end.axes or tuple(range(len(end.shape)))
            value = value.reshape(FRAMES, *(end.shape[axis] for axis in axes))
            value = value.transpose(0, *(1 + axes.index(axis) for axis in range(len(axes))))
            last = wanted
            for _ in end.host:  # the host's part does not make integers
                (last,) = last.args
            tolerance = 1e-13 if dyadic else 1e-9  # means divide by 9 or 25 in float64
            np.testing.assert_allclose(value, expected[last], rtol=tolerance, atol=tolerance)
    return flipped


def _real_data(real: Graph, lowered: Lowered) -> dict[str, Values]:
    """Frames of the model's input; on a fine grid where the model's first quantizer reads reals."""
    (node,) = (n for n in real if isinstance(n.op, Input))
    if lowered.inputs[0].host_quantizer is None:
        return samples(real, FRAMES, seed=1)
    rng = np.random.default_rng(1)
    size = rng.choice([0.5, 2.0, 8.0], (FRAMES, *(1,) * len(node.type.shape)))
    values = rng.uniform(-1, 1, (FRAMES, *node.type.shape)) * size
    return {node.name: np.round(values * 256) / 256}


def _given(real: Graph, port: InputPort, data: dict[str, Values]) -> Values:
    """What the stream carries."""
    at: Node = next(n for n in real if n.name == (port.host_quantizer or port.real_node))
    codes = execute(Graph((at,)), data)[at]
    axes = port.axes or tuple(range(codes.ndim - 1))
    return codes.transpose(0, *(1 + axis for axis in axes))


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_equal_the_real_graph(name: str, tmp_path: Path) -> None:
    exact(NETWORKS[name](True), tmp_path)


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_equal_the_real_graph_under_any_scales(name: str, tmp_path: Path) -> None:
    exact(NETWORKS[name](False), tmp_path, dyadic=False)


@pytest.mark.parametrize("name", ["binary", "residual", "mobile", "radio", "fake_quant"])
def test_exported_networks(name: str, tmp_path: Path) -> None:
    exact(Network(onnx.load(EXPORTED / f"{name}.onnx")), tmp_path, dyadic=False)


def test_an_output_that_is_read_inside_is_built_once(tmp_path: Path) -> None:
    graph = exact(NETWORKS["integer_golden"](True), tmp_path)
    kinds = [type(node.op).__name__ for node in graph]

    assert kinds.count("Requantize") == 3  # one a layer, Floor and Clip together
    assert [node.tensor for node in graph.outputs] == ["t4", "t9", "t14"]


@pytest.mark.parametrize("rounding", ["Floor", "Ceil", "Round"])
@pytest.mark.parametrize("divisor", [1.0, 4.0, -4.0, 3.0, -0.5])
def test_rounding_meets_every_tie(rounding: str, divisor: float, tmp_path: Path) -> None:
    net = Net((3,))
    net.put("MatMul", np.diag([1.0, -1.0, 3.0])).put("Add", [0.0, 0.5, -2.0]).put("Div", divisor)
    net.put(rounding).put("Clip", -3.0, 2.5).put("MatMul", np.ones((3, 2)))
    exact(Network(net.model(), "i5:1"), tmp_path)


@pytest.mark.parametrize("rounding", ["Floor", "Ceil", "Round"])
def test_rounding_before_a_quantizer_is_part_of_it(rounding: str, tmp_path: Path) -> None:
    net = Net((3,))
    net.put("MatMul", net.codes(5, 3, 7)).put("Div", -8.0).put(rounding).put("Relu")
    net.put("Mul", [1.0, -0.5, 0.25, 2.0, -1.0, 0.0, 0.5]).put("Add", 0.25)
    graph = exact(Network(net.quant(3, 0.5).model(), "i7:1"), tmp_path)

    assert [type(node.op).__name__ for node in graph] == ["Input", "Dense", "Threshold"]


def test_values_that_no_machine_integer_holds(tmp_path: Path) -> None:
    net = Net((3,))
    for _ in range(5):  # 15 bits more in each
        net.put("MatMul", np.array([[2.0**14, 1, 2], [3, -(2.0**15), 1], [1, 0, 2.0**13]]))
    with pytest.raises(UserError) as raised:
        exact(Network(net.model(), "i2:1"), tmp_path)

    assert raised.value.code == "quant.too-wide"
    assert "MatMul" in raised.value.where


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 3)])
def test_axes_behind_a_product_are_the_values_own(shape: tuple[int, ...], tmp_path: Path) -> None:
    """The base of a reshaped value keeps the axes that it had, and is read in its order."""
    net = Net(shape)
    net.quant(2, 0.5).put("Reshape", np.array([1, -1, shape[2]])).put("Relu")
    net.put("MatMul", net.codes(2, shape[2], 5)).quant(3, 1.0)
    net.put("Transpose", perm=[0, 2, 1])
    exact(Network(net.model()), tmp_path)


def test_factors_beyond_any_integer_before_a_rounding(tmp_path: Path) -> None:
    net = Net((3,))
    net.put("MatMul", net.codes(5, 3, 2)).put("Mul", [2.0**100, -(2.0**-20)])
    graph = exact(Network(net.put("Floor").put("Clip", -3.0, 2.0).model(), "i5:1"), tmp_path)

    assert [type(node.op).__name__ for node in graph] == ["Input", "Dense", "Threshold"]


@pytest.mark.parametrize(
    ("after", "code"),
    [
        ("Relu", "frontend.inexact-cast"),  # nothing was rounded
        ("Round", "frontend.inexact-cast"),  # rounded, of any size
    ],
)
def test_a_cast_that_may_change_values(after: str, code: str, tmp_path: Path) -> None:
    net = Net((3,))
    net.put("MatMul", net.codes(5, 3, 3)).put("Mul", 0.25).put(after)
    net.put("Cast", to=onnx.TensorProto.INT8)
    with pytest.raises(UserError) as raised:
        exact(Network(net.model(kind=onnx.TensorProto.INT8), "i7:1"), tmp_path)

    assert raised.value.code == code


def test_scales_without_a_common_measure_behind_a_concat(tmp_path: Path) -> None:
    net = Net((2, 3, 3))
    net.quant(3, 0.3)
    net.conv(2, 2, (1, 1), 2).quant(3, 0.7)
    right = net.current
    net.conv(2, 2, (1, 1), 2).quant(3, 0.45)
    net.raw("Concat", [net.current, right], axis=1)
    with pytest.raises(UserError) as raised:
        exact(Network(net.conv(4, 2, (1, 1), 4).model()), tmp_path)

    assert raised.value.code == "quant.channel-scales"


def test_a_clamp_beyond_all_values_is_constant(tmp_path: Path) -> None:
    net = Net((3,))
    net.put("MatMul", net.codes(2, 3, 4)).put("Sub", 100.0).put("Relu")
    net.put("MatMul", net.codes(2, 4, 2)).put("Add", 1.0).put("Clip", -3.0, -2.0)
    exact(Network(net.model(), "u2:1"), tmp_path)


def test_a_real_input_beside_its_quantizer(tmp_path: Path) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [("Concat", {"axis": 1}), ("Add", {}), ("Mul", {})]
    for operator, more in cases:
        net = Net((2, 3, 3))
        net.quant(3, 0.5).raw(operator, [net.current, "x"], **more)
        with pytest.raises(UserError) as raised:
            exact(Network(net.quant(3).model()), tmp_path)

        assert raised.value.code == "quant.real-input"


def test_reductions_and_pads_of_scales_by_channel(tmp_path: Path) -> None:
    scale = np.array([0.5, 1.0, 0.25, 2.0]).reshape(1, 4, 1, 1)
    net = Net((4, 3, 5))
    net.quant(3, scale)
    net.raw("Pad", [net.current, net.const([0, 0, 1, 0, 0, 0, 0, 2], np.int64)])
    net.put("GlobalMaxPool").flat().dense(4, 2, 2)
    exact(Network(net.model()), tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_random_convolutional_networks_are_exact(seed: int, tmp_path: Path) -> None:
    exact(random_conv_network(seed), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40, 400))
def test_more_random_convolutional_networks_are_exact(seed: int, tmp_path: Path) -> None:
    exact(random_conv_network(seed), tmp_path)
