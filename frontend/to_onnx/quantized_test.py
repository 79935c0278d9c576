"""Quantized networks: what is written lowers to the same integers, and runs elsewhere with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from gatesmith.cpu_gpu_baselines.agreement import agreement
from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import BIPOLAR, TERNARY, Array, Graph, IntType, Node, Reals
from gatesmith.ir.check import samples
from gatesmith.ir.execute import execute
from gatesmith.ops.const import Const
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.input import Input
from gatesmith.quant.fake_quant import expand
from gatesmith.quant.lower import Lowered, lower
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.sites import Site, find_sites, insert
from gatesmith.rtl_tests.qdq_net import Net
from gatesmith.rtl_tests.qdq_networks import NETWORKS

FRAMES = 20
POWERS = [2**e for e in range(7)]


def f32(x: Any) -> Reals:
    return np.asarray(np.asarray(x, np.float32), np.float64)


def weight_grid(kind: str, w: Reals) -> Grid:
    """A grid of some kind that fits the weights, output channels last."""
    all_but_last = tuple(range(w.ndim - 1))
    most = np.maximum(np.abs(w).max(axis=all_but_last, keepdims=True), 0.01)
    tensor = float(f32(most.max() / 100))
    match kind:
        case "bipolar":
            return Grid(kind, BIPOLAR, Array(f32(most / 2)))
        case "ternary":
            return Grid(kind, TERNARY, Array(f32(most * 0.7)))
        case "ttq":
            levels = Array([-90, 0, 120])
            return Grid("ternary", IntType(-90, 120), Array(tensor), levels=levels)
        case "pow2":
            levels = Array([*(-p for p in reversed(POWERS)), 0, *POWERS])
            return Grid(kind, IntType(-64, 64), Array(f32(most / 64)), levels=levels)
        case "codebook":
            levels = Array([-97, -51, -20, -3, 0, 11, 40, 88])
            return Grid(kind, IntType(-97, 88), Array(tensor), levels=levels)
        case "tensor3":
            return Grid("int", IntType(-4, 3), Array(float(f32(most.max() / 4))))
    bits = int(kind.removeprefix("int"))
    top = 2 ** (bits - 1) - 1
    return Grid("int", IntType(-top, top), Array(f32(most / top)))


ACTIVATIONS = {
    "i8": (IntType(-128, 127), 3 / 127, 0),
    "i4": (IntType(-8, 7), 3 / 7, 0),
    "i2": (IntType(-2, 1), 1.0, 0),
    "u4": (IntType(0, 15), 2 / 15, 0),
    "u1": (IntType(0, 1), 1.0, 0),
    "u8 affine": (IntType(0, 255), 6 / 255, 118),
    "i4 affine": (IntType(-8, 7), 4 / 15, 2),
    "few": (IntType(0, 100), 3 / 100, 32),
    "i12": (IntType(-2048, 2047), 3 / 2047, 0),
    "ternary": (TERNARY, 0.75, 0),
}


def activation_grid(kind: str, role: str, factor: float) -> Grid:
    if kind == "bipolar":
        if role == "activation":
            return Grid(kind, BIPOLAR, Array(float(f32(factor))))
        kind = "i8"
    clip, scale, zero = ACTIVATIONS[kind]
    name = "ternary" if kind == "ternary" else "int"
    return Grid(name, clip, Array(float(f32(scale * factor))), Array(zero))


def quantized(name: str, weights: str, activations: str, folder: Path) -> Graph:
    """A network of random weights with grids at all of its sites."""
    path = folder / "float.onnx"
    made: ModelProto = NETWORKS[name](Net(np.random.default_rng(7)))
    path.write_bytes(made.SerializeToString())
    graph = fold_affine(channels_last(import_model(path).graph))
    rng = np.random.default_rng(8)
    grids: dict[str, Grid] = {}
    for site in find_sites(graph):
        grids[site.name] = grids[site.tied] if site.tied else _grid(site, weights, activations, rng)
    return insert(graph, grids)


def _grid(site: Site, weights: str, activations: str, rng: np.random.Generator) -> Grid:
    if site.role == "weight":
        assert isinstance(site.node.op, Const)
        return weight_grid(weights, site.node.op.value.data)
    return activation_grid(activations, site.role, rng.uniform(0.8, 1.2))


def again(graph: Graph, form: Any, folder: Path) -> tuple[Graph, ModelProto]:
    """Written and read."""
    exported = to_onnx(graph, form=form)
    assert exported.rounded == ()
    path = folder / "net.onnx"
    path.write_bytes(exported.model.SerializeToString())
    imported = import_model(path)
    return imported.graph, imported.model


def same_integers(one: Lowered, other: Lowered) -> None:
    """Equal outputs for random codes, equal meanings, equal ports."""
    data = samples(one.graph, FRAMES, 4)
    fed = {b.node: data[a.node] for a, b in zip(one.inputs, other.inputs, strict=True)}
    assert [port.axes for port in one.inputs] == [port.axes for port in other.inputs]
    assert one.outputs == other.outputs
    ours, theirs = execute(one.graph, data), execute(other.graph, fed)
    for a, b in zip(one.graph.outputs, other.graph.outputs, strict=True):
        assert (a.meaning, a.type.shape) == (b.meaning, b.type.shape)
        np.testing.assert_array_equal(ours[a], theirs[b])


def operators(graph: Graph) -> list[str]:
    """Every node but for its name and origin."""
    number = {node: index for index, node in enumerate(graph)}
    return [f"{n.type} {n.op} {[number[arg] for arg in n.args]} {n.meaning}" for n in graph]


WEIGHTS = ["int8", "int4", "int2", "tensor3", "bipolar", "ternary", "ttq", "pow2", "codebook"]
EVERY = ["bipolar", *ACTIVATIONS]
PAIRS = [
    *((weights, "i8") for weights in WEIGHTS),
    *(("int3", activations) for activations in EVERY if activations != "i8"),
]
SAME = {
    "resnet": ("int8", "u8 affine"),
    "mobilenet_v1": ("pow2", "few"),
    "branches": ("int2", "i4 affine"),
    "dilated": ("tensor3", "i2"),
    "pools": ("bipolar", "bipolar"),
    "shared_weight": ("ttq", "u1"),
}
"""Networks that come back operator for operator."""
OTHERS = {
    "mobilenet_v2": ("codebook", "bipolar"),
    "two_inputs": ("ternary", "ternary"),
    "squeeze": ("int4", "i4"),
    "activations": ("int8", "i4"),
    "resizes": ("ternary", "u4"),
    "reductions": ("int8", "i4 affine"),
    "mixer": ("int4", "i8"),
    "joins": ("int3", "i4"),
}
"""Networks that come back with axes of one element elsewhere, or with a Sign for a quantizer."""

SLOW = ["squeeze", "activations"]
"""Tables of many transcendental values take their time."""
QUICK = [name for name in SAME | OTHERS if name not in SLOW]


@pytest.mark.parametrize("form", ["qonnx", "qdq"])
@pytest.mark.parametrize(("weights", "activations"), PAIRS)
def test_every_kind_comes_back(weights: str, activations: str, form: Any, tmp_path: Path) -> None:
    graph = quantized("lenet", weights, activations, tmp_path)
    ours, theirs = lower(expand(graph), "a"), lower(again(graph, form, tmp_path)[0], "b")
    same_integers(ours, theirs)
    assert operators(ours.graph) == operators(theirs.graph)


@pytest.mark.parametrize("form", ["qonnx", "qdq"])
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_networks_come_back(name: str, form: Any, tmp_path: Path) -> None:
    graph = quantized(name, *(SAME | OTHERS)[name], tmp_path)
    ours, theirs = lower(expand(graph), "a"), lower(again(graph, form, tmp_path)[0], "b")
    same_integers(ours, theirs)
    if name in SAME:
        assert operators(ours.graph) == operators(theirs.graph)


@pytest.mark.parametrize("form", ["qonnx", "qdq"])
@pytest.mark.parametrize(
    ("name", "weights", "activations"),
    [
        ("resnet", "int8", "i8"),
        ("lenet", "bipolar", "bipolar"),
        ("pools", "pow2", "few"),
        ("mobilenet_v1", "ttq", "i12"),
        ("joins", "codebook", "u8 affine"),
        ("branches", "ternary", "ternary"),
    ],
)
def test_codes_of_onnxruntime(
    name: str, weights: str, activations: str, form: Any, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    graph = quantized(name, weights, activations, tmp_path)
    real, model = again(graph, form, tmp_path)
    (entry,) = (node for node in real if isinstance(node.op, Input))
    shape = (FRAMES, *entry.type.shape)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = agreement(real, model, x)
    assert found.unexplained == 0
    assert len(found.quantizers) == sum(
        isinstance(n.op, FakeQuant) and not isinstance(n.args[0].op, Const) for n in graph
    )
    # what was compared is what the graph itself says
    ours = execute(graph, {entry.name: x.astype(float)})
    theirs = execute(real, {entry.name: x.astype(float)})
    for output, other in zip(graph.outputs, real.outputs, strict=True):
        np.testing.assert_allclose(theirs[other], ours[output], 1e-9, 1e-9)


def layer(grid: Grid, w: Reals) -> Graph:
    """x (8 bits) times weights on a grid."""
    from gatesmith.ir import Real, TensorType
    from gatesmith.ops.mat_mul import MatMul

    x = Node("x", Input(TensorType((len(w),), Real())))
    given = FakeQuant(Grid("int", IntType(-128, 127), Array(0.5)))
    coded = Node("x_quant", given, (x,))
    weights = Node("w_quant", FakeQuant(grid), (Node("w", Const(Array(w))),))
    return Graph((Node("y", MatMul(), (coded, weights)),))


@pytest.mark.parametrize("form", ["qonnx", "qdq"])
def test_groups_of_inputs(form: Any, tmp_path: Path) -> None:
    """A scale for every four inputs of an output channel; lowering has no integers for it."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(8, 3))
    scale = f32(np.repeat(rng.uniform(0.1, 0.3, (2, 3)), 4, axis=0))
    graph = layer(Grid("int", IntType(-7, 7), Array(scale)), w)
    real, model = again(graph, form, tmp_path)
    x = {"x": rng.normal(size=(4, 8))}
    ours, theirs = execute(expand(graph), x), execute(real, x)
    np.testing.assert_array_equal(next(iter(ours.values())), theirs[real.outputs[0]])
    if form == "qdq":
        (node,) = (n for n in model.graph.node if n.output[0] == "w_quant")
        assert {a.name: a.i for a in node.attribute} == {"axis": 0, "block_size": 4}
        assert model.opset_import[0].version == 21


def test_what_a_file_says_of_weights() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(8, 3))
    model = to_onnx(layer(weight_grid("pow2", w), w), form="qonnx").model
    stored = {t.name: t for t in model.graph.initializer}
    assert stored["w"].doc_string == (
        '{"kind": "pow2", "bits": 4, "levels": '
        "[-64, -32, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16, 32, 64]}"
    )
    (node,) = (n for n in model.graph.node if n.name == "w_quant")
    assert (node.op_type, node.domain) == ("Quant", "qonnx.custom_op.general")
    assert float(numpy_helper.to_array(stored["w_quant_bits"])) == 8
    assert stored["w"].data_type == stored["w_quant_scale"].data_type == 1
    codes = to_onnx(layer(weight_grid("int4", w), w), form="qdq").model
    (held,) = (t for t in codes.graph.initializer if t.name == "w")
    assert held.data_type == 3
    assert np.abs(numpy_helper.to_array(held)).max() == 7


def test_refusals(tmp_path: Path) -> None:
    w = np.ones((2, 1))
    grid = Grid("bipolar", BIPOLAR, Array(1.0))
    graph = layer(grid, w)
    bipolar_input = insert(graph, {"x": grid})
    with pytest.raises(UserError) as caught:
        to_onnx(bipolar_input, form="qdq")
    assert str(caught.value) == (
        "error[quantize.qdq-form]: a quantizer has no form in standard ONNX\n"
        "  at   node x_quant\n"
        "  why  it is the first quantizer of an input, and Sign of 0 is 0\n"
        "  fix  write QONNX instead: --format qonnx"
    )
    real, _ = again(bipolar_input, "qonnx", tmp_path)
    same_integers(lower(expand(bipolar_input), "a"), lower(real, "b"))
    wide = Grid("int", IntType(-(2**16), 3), Array(1.0), rounding="UP")
    with pytest.raises(UserError) as caught:
        to_onnx(insert(graph, {"x": wide}), form="qonnx")
    assert "error[quantize.qonnx-form]" in str(caught.value)
    levels = Grid("pow2", IntType(-1, 1), Array(1.0), levels=Array([-1, 0, 1]))
    with pytest.raises(ValueError, match="x_quant: only constants can be put on chosen levels"):
        to_onnx(insert(graph, {"x": levels}), form="qonnx")
