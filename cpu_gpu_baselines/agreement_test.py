"""A small network whose ONNX form and real IR are both written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from gatesmith.cpu_gpu_baselines.agreement import agreement
from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ops.add import Add
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.const import Const
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.relu import Relu
from gatesmith.ops.sub import Sub
from gatesmith.ops.top_k import TopK

F32 = np.float32


def f32(value: float) -> float:
    return float(F32(value))


def model_of(nodes: list[Any], constants: dict[str, Any], out: str, kind: int) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info(out, kind, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    domain = helper.make_opsetid("qonnx.custom_op.general", 1)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), domain])


def network(seed: int = 0) -> tuple[ModelProto, Graph]:
    """x -> Quant -> MatMul -> BatchNormalization -> Relu -> Quant -> MatMul -> MultiThreshold
    -> MatMul -> Add -> TopK, in ONNX and as the real IR.
    """
    rng = np.random.default_rng(seed)
    in_scale, scale = f32(0.1), f32(1 / 7)
    w1 = (rng.integers(-3, 4, (8, 16)) * F32(rng.uniform(0.1, 0.2, 16))).astype(F32)
    w2 = rng.normal(0, 0.4, (16, 6)).astype(F32)
    w3 = rng.normal(0, 1, (6, 5)).astype(F32)
    gamma, beta = (rng.normal(0.2, 0.7, 16).astype(F32) for _ in range(2))
    mean, var = rng.normal(0, 0.2, 16).astype(F32), rng.uniform(0.1, 0.4, 16).astype(F32)
    bias = rng.normal(0, 1, 5).astype(F32)
    steps = np.sort(rng.normal(0, 1, (6, 3)).astype(F32), axis=1)
    constants: dict[str, Any] = {
        "w1": w1, "w2": w2, "w3": w3, "gamma": gamma, "beta": beta, "mean": mean, "var": var,
        "bias": bias, "steps": steps, "s0": F32(in_scale), "s1": F32(scale), "zero": F32(0),
        "four": F32(4), "three": F32(3), "one": np.array([1], np.int64),
    }  # fmt: skip
    q: dict[str, Any] = {"domain": "qonnx.custom_op.general", "narrow": 0}
    bn = ["h", "gamma", "beta", "mean", "var"]
    make = helper.make_node
    threshold = {"out_scale": 0.5, "out_bias": -1.0, "domain": q["domain"]}
    nodes = [
        make("Quant", ["x", "s0", "zero", "four"], ["xq"], signed=1, rounding_mode="ROUND", **q),
        make("MatMul", ["xq", "w1"], ["h"]),
        make("BatchNormalization", bn, ["n"], epsilon=f32(1e-5)),
        make("Relu", ["n"], ["r"]),
        make("Quant", ["r", "s1", "zero", "three"], ["rq"], signed=0, rounding_mode="ROUND", **q),
        make("MatMul", ["rq", "w2"], ["m"]),
        make("MultiThreshold", ["m", "steps"], ["t"], out_dtype="INT2", **threshold),
        make("MatMul", ["t", "w3"], ["l"]),
        make("Add", ["l", "bias"], ["y"]),
        make("TopK", ["y", "one"], ["top", "index"], axis=-1),
    ]

    def const(name: str) -> Node:
        return Node(name, Const(Array(constants[name].astype(np.float64))), tensor=name)

    def affine(value: float, offset: float = 0.0) -> Dequantize:
        return Dequantize(Array(value), Array(offset))

    root = gamma.astype(np.float64) / np.sqrt(var.astype(np.float64) + f32(1e-5))
    x = Node("x", Input(TensorType((8,), Real())), tensor="x")
    q0 = Node("q0", Quantize(Array(in_scale), Array(0.0), IntType(-8, 7)), (x,))
    d0 = Node("d0", affine(in_scale), (q0,), tensor="xq")
    h = Node("h", MatMul(), (d0, const("w1")), tensor="h")
    centred = Node("n1", Sub(), (h, const("mean")))
    scaled = Node("n2", Mul(), (centred, Node("a", Const(Array(root)))))
    n = Node("n", Add(), (scaled, const("beta")), tensor="n")
    r = Node("r", Relu(), (n,), tensor="r")
    q1 = Node("q1", Quantize(Array(scale), Array(0.0), IntType(0, 7)), (r,))
    d1 = Node("d1", affine(scale), (q1,), tensor="rq")
    m = Node("m", MatMul(), (d1, const("w2")), tensor="m")
    q2 = Node("q2", MultiThreshold(Array(steps.astype(np.float64))), (m,))
    d2 = Node("d2", affine(0.5, -1.0), (q2,), tensor="t")
    product = Node("l", MatMul(), (d2, const("w3")), tensor="l")
    y = Node("y", Add(), (product, const("bias")), tensor="y")
    index = Node("index", TopK(1), (y,), tensor="index")
    return model_of(nodes, constants, "index", TensorProto.INT64), Graph((index, y))


def frames(count: int = 4000) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, 0.5, (count, 8)).astype(F32)


@pytest.mark.parametrize("onnxruntime", [False, True])
def test_every_code_is_compared_and_none_is_unexplained(onnxruntime: bool) -> None:
    if onnxruntime:
        pytest.importorskip("onnxruntime")
    model, real = network()

    found = agreement(real, model, frames(), onnxruntime=onnxruntime)

    assert found.engine.startswith("onnxruntime" if onnxruntime else "onnx.reference")
    compared = [(part.node, part.tensor, part.compared) for part in found.quantizers]
    assert compared == [("q0", "xq", 32000), ("q1", "rq", 64000), ("q2", "t", 24000)]
    outputs = [(part.node, part.compared) for part in found.outputs]
    assert outputs == [("index", 4000), ("y", 20000)]
    assert found.unexplained == 0
    # The bound is tight: float32 rounding cannot account for a visible part of a step.
    assert all(0 < part.bound < 1e-4 for part in found.quantizers)
    assert 0 < found.outputs[1].difference <= found.outputs[1].bound < 1e-5


def test_predictions_are_the_runtimes() -> None:
    model, real = network()
    labels = agreement(real, model, frames(50)).predictions
    labels[:5] = 99

    assert agreement(real, model, frames(50), labels).top1_float == 0.9
    assert agreement(real, model, frames(50)).top1_float is None


def change(real: Graph, name: str, edit: Callable[[Any], Any]) -> Graph:
    changed = real.rewrite(lambda n, _: replace(n, op=edit(n.op)) if n.name == name else None)
    assert str(changed) != str(real)
    return changed


def nudge(array: Array, at: tuple[int, ...], by: float) -> Array:
    data = array.data.copy()
    data[at] += by
    return Array(data)


def quantize_coarser(op: Quantize) -> Quantize:
    return replace(op, scale=Array(op.scale.data * 1.01))


MISTAKES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "scale": ("q1", quantize_coarser, "q1"),
    "meaning": ("d1", lambda op: replace(op, scale=Array(op.scale.data * 1.01)), "q1"),
    "rounding": ("q0", lambda op: replace(op, rounding="FLOOR"), "q0"),
    "clip": ("q0", lambda op: replace(op, clip=IntType(-7, 7)), "q0"),
    "threshold": (
        "q2",
        lambda op: replace(op, thresholds=nudge(op.thresholds, (0, 1), 0.02)),
        "q2",
    ),
    "weight": ("w2", lambda op: replace(op, value=nudge(op.value, (2, 4), 0.01)), "w2"),
    "mean": ("mean", lambda op: replace(op, value=nudge(op.value, (7,), 0.01)), "mean"),
    "batch norm": ("a", lambda op: replace(op, value=nudge(op.value, (0,), 0.1)), "q1"),
    "sum": ("n", lambda op: Sub(), "q1"),
    "bias": ("bias", lambda op: replace(op, value=nudge(op.value, (2,), 1e-4)), "bias"),
    "order": ("index", lambda op: replace(op, largest=False), "index"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_the_ir_is_unexplained_where_it_was_made(mistake: str) -> None:
    name, edit, where = MISTAKES[mistake]
    model, real = network()

    found = agreement(change(real, name, edit), model, frames())

    wrong = {part.node for part in found.parts if part.unexplained}
    assert min(wrong, key=["w2", "mean", "bias", "q0", "q1", "q2", "y", "index"].index) == where


def product_and_quantizer(factor: float) -> tuple[ModelProto, Graph]:
    constants = {"c": F32(factor), "s": F32(1), "zero": F32(0), "four": F32(4)}
    q: dict[str, Any] = {
        "domain": "qonnx.custom_op.general",
        "signed": 1,
        "narrow": 0,
        "rounding_mode": "ROUND",
    }
    nodes = [
        helper.make_node("Mul", ["x", "c"], ["p"]),
        helper.make_node("Quant", ["p", "s", "zero", "four"], ["y"], **q),
    ]
    x = Node("x", Input(TensorType((8,), Real())), tensor="x")
    p = Node("p", Mul(), (x, Node("c", Const(Array(factor)), tensor="c")), tensor="p")
    code = Node("q", Quantize(Array(1.0), Array(0.0), IntType(-8, 7)), (p,))
    y = Node("y", Dequantize(Array(1.0), Array(0.0)), (code,), tensor="y")
    return model_of(nodes, constants, "y", TensorProto.FLOAT), Graph((y,))


def test_difference_that_a_rounding_makes_is_explained() -> None:
    # (1.5 + 3/2**23) * (1 - 1/2**22) is 1.5 - 12/2**47, which float32 rounds to the tie 1.5.
    model, real = product_and_quantizer(1.5 + 3 * 2.0**-23)
    x = np.zeros((1, 8), F32)
    x[0, 3] = 1 - 2.0**-22

    (part,) = agreement(real, model, x).quantizers

    assert (part.compared, part.differing, part.explained, part.unexplained) == (8, 1, 1, 0)


def test_difference_away_from_a_step_is_not_explained() -> None:
    model, real = product_and_quantizer(1.5)
    narrower = change(real, "q", lambda op: replace(op, clip=IntType(-8, 1)))

    (part,) = agreement(narrower, model, np.full((1, 8), 1.01, F32)).quantizers

    assert (part.differing, part.explained, part.unexplained) == (8, 0, 8)


def test_pixels_reach_the_runtime_as_the_reals_they_stand_for() -> None:
    model, _ = product_and_quantizer(5.0)
    pixel = Node("pixel", Input(TensorType((2, 4), IntType(0, 255))))
    x = Node("x", Dequantize(Array(1.0), Array(0.0), 255), (pixel,), tensor="x")
    p = Node("p", Mul(), (x, Node("c", Const(Array(5.0)), tensor="c")), tensor="p")
    code = Node("q", Quantize(Array(1.0), Array(0.0), IntType(-8, 7)), (p,))
    y = Node("y", Dequantize(Array(1.0), Array(0.0)), (code,), tensor="y")
    codes = np.arange(256).reshape(32, 8)

    found = agreement(Graph((y,)), model, codes)

    assert (found.quantizers[0].compared, found.unexplained) == (256, 0)
    assert found.quantizers[0].bound > 0  # 1 / 255 is no float32
    assert [round(Fraction(5 * c, 255)) for c in (24, 25, 26, 27)] == [0, 0, 1, 1]
    assert found.predictions[3] == 2  # frame 3 is 24, 25, 26, ...


@pytest.mark.parametrize(
    ("codes", "why"),
    [
        (np.full((2, 8), 256), "expected codes of u8, not values from 256 to 256"),
        (np.full((2, 8), 0.5), "expected codes of u8, not values from 0.5 to 0.5"),
        (np.zeros((2, 3, 3)), "expected frames of [8] elements, not [3, 3]"),
        (np.zeros((0, 8)), "expected frames of [8] elements, not [8]"),
    ],
)
def test_data_that_does_not_fit_is_a_user_error(codes: NDArray[Any], why: str) -> None:
    model, _ = product_and_quantizer(1.0)
    pixel = Node("pixel", Input(TensorType((8,), IntType(0, 255))))
    x = Node("x", Dequantize(Array(1.0), Array(0.0), 255), (pixel,), tensor="x")

    with pytest.raises(UserError) as caught:
        agreement(Graph((x,)), model, codes)

    assert (caught.value.code, caught.value.why) == ("float.wrong-input", why)


def weights_on_a_step(code: int) -> tuple[ModelProto, Graph]:
    """Weights that CEIL takes to 4 steps in truth, to 3 in float32, and to ``code`` in the IR."""
    weight, scale = F32(0.3), F32(0.1)
    assert weight / scale == 3 and Fraction(float(weight)) / Fraction(float(scale)) > 3
    q: dict[str, Any] = {"domain": "qonnx.custom_op.general", "signed": 1, "narrow": 1}
    nodes = [
        helper.make_node("Quant", ["w", "s", "zero", "four"], ["wq"], rounding_mode="CEIL", **q),
        helper.make_node("MatMul", ["x", "wq"], ["m"]),
        helper.make_node("BipolarQuant", ["m", "one"], ["y"], domain=q["domain"]),
    ]
    constants = {"w": np.full((8, 2), weight), "s": scale, "zero": F32(0), "four": F32(4)}
    mine = np.full((8, 2), code * float(scale))
    x = Node("x", Input(TensorType((8,), Real())), tensor="x")
    m = Node("m", MatMul(), (x, Node("w", Const(Array(mine)))), tensor="m")
    code_node = Node("q", BipolarQuant(), (m,))
    y = Node("y", Dequantize(Array(1.0), Array(0.0)), (code_node,), tensor="y")
    return model_of(nodes, constants | {"one": F32(1)}, "y", TensorProto.FLOAT), Graph((y,))


@pytest.mark.parametrize(("code", "differing", "explained"), [(3, 0, 0), (4, 16, 16), (5, 16, 0)])
def test_weights_on_a_step_are_compared_once(code: int, differing: int, explained: int) -> None:
    model, real = weights_on_a_step(code)

    found = agreement(real, model, frames(500))

    assert sum(part.differing for part in found.constants) == differing
    assert sum(part.explained for part in found.constants) == explained
    assert [part.differing for part in found.quantizers] == [0]  # it does not spread


@pytest.mark.parametrize("onnxruntime", [False, True])
def test_qdq_network_as_imported(tmp_path: Path, onnxruntime: bool) -> None:
    if onnxruntime:
        pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(7)
    make = helper.make_node
    constants = {
        "s0": F32(0.02), "z0": np.int8(-3), "s1": F32(0.031), "z1": np.int8(5),
        "w": rng.integers(-127, 128, (16, 8)).astype(np.int8), "zw": np.zeros(16, np.int8),
        "sw": rng.uniform(0.001, 0.01, 16).astype(F32), "b": rng.normal(0, 0.3, 16).astype(F32),
        "w2": rng.normal(0, 1, (16, 5)).astype(F32),
    }  # fmt: skip
    nodes = [
        make("QuantizeLinear", ["x", "s0", "z0"], ["xq"]),
        make("DequantizeLinear", ["xq", "s0", "z0"], ["xd"]),
        make("DequantizeLinear", ["w", "sw", "zw"], ["wd"], axis=0),
        make("Gemm", ["xd", "wd", "b"], ["g"], transB=1),
        make("Relu", ["g"], ["r"]),
        make("QuantizeLinear", ["r", "s1", "z1"], ["rq"]),
        make("DequantizeLinear", ["rq", "s1", "z1"], ["rd"]),
        make("MatMul", ["rd", "w2"], ["y"]),
        make("ArgMax", ["y"], ["index"], axis=1, keepdims=0),
    ]
    model = model_of(nodes, constants, "index", TensorProto.INT64)
    model.graph.output[0].type.CopyFrom(helper.make_tensor_type_proto(TensorProto.INT64, [1]))
    model.ir_version = 8
    onnx.save(model, tmp_path / "m.onnx")
    read = import_model(tmp_path / "m.onnx")

    found = agreement(read.graph, read.model, frames(), onnxruntime=onnxruntime)

    compared = [(part.tensor, part.compared) for part in (*found.quantizers, *found.outputs)]
    assert compared == [("xq", 32000), ("rq", 64000), ("index", 4000)]
    assert found.unexplained == 0
    assert found.constants == ()
    assert len(set(found.predictions.tolist())) > 1
    wrong = change(read.graph, "b", lambda op: replace(op, value=Array(op.value.data + 0.01)))
    worse = agreement(wrong, read.model, frames(), onnxruntime=onnxruntime)
    assert [part.unexplained for part in worse.constants] == [16]
    assert worse.quantizers[1].unexplained > 0
