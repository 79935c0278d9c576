"""Whole models: what comes out, and that real networks mean what their owners measured."""

from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from gatesmith.frontend.input_spec import InputSpec
from gatesmith.frontend.model_test import T, agree, frames, load, model, node, run
from gatesmith.ir.execute import execute

W = (np.arange(24).reshape(6, 4) % 7 - 3).astype(np.float32)


def test_text_of_a_small_network(tmp_path: Path) -> None:
    nodes = [
        node("Flatten", "x", "f"),
        node("Quant", "f s z b", "q", "", signed=1, narrow=1),
        node("Gemm", "q w c", "g"),
        node("ArgMax", "g", "y", axis=1),
    ]
    constants = {"s": 0.5, "z": 0.0, "b": 2.0, "w": W, "c": [1.0, 2.0, 3.0, 4.0]}
    proto = model(nodes, {"x": ("batch", 2, 3)}, constants, kinds={"y": T.INT64})
    graph = load(proto, tmp_path).graph
    assert re.sub("#[0-9a-f]+", "", str(graph)) == (
        "x: real[2, 3] = Input()\n"
        "Flatten_f: real[6] = Reshape(x, shape=(6,))\n"
        "Quant_q: i2[-1..1][6] = Quantize(Flatten_f, scale=float64[], zero_point=float64[], "
        "clip=i2[-1..1], rounding=ROUND)\n"
        "Quant_q_dequantize: real[6] = Dequantize(Quant_q, scale=float64[], offset=float64[], "
        "denominator=1)\n"
        "w: real[6, 4] = Const(value=float64[6, 4])\n"
        "Gemm_g: real[4] = MatMul(Quant_q_dequantize, w)\n"
        "c: real[4] = Const(value=float64[4])\n"
        "Gemm_g_bias: real[4] = Add(Gemm_g, c)\n"
        "ArgMax_y: u2[1] = TopK(Gemm_g_bias, k=1, largest=True, last=False)"
    )
    assert [(n.name, n.tensor, n.origin) for n in graph if "Const" not in repr(n.op)] == [
        ("x", "x", ("Input x",)),
        ("Flatten_f", "f", ("Flatten_f",)),
        ("Quant_q", None, ("Quant_q",)),
        ("Quant_q_dequantize", "q", ("Quant_q",)),
        ("Gemm_g", None, ("Gemm_g",)),
        ("Gemm_g_bias", "g", ("Gemm_g",)),
        ("ArgMax_y", "y", ("ArgMax_y",)),
    ]
    assert graph.name == "tiny"


def test_the_model_has_every_shape(tmp_path: Path) -> None:
    nodes = [
        node("Quant", "x s z b", "q", "onnx.brevitas", signed=1, narrow=1),
        node("MatMul", "q w", "m"),
        node("TopK", "m k", "v y"),
        node("Sigmoid", "m", "dead"),
    ]
    constants = {"s": 0.5, "z": 0.0, "b": 2.0, "w": W, "k": [2], "unused": 1.0}
    proto = model(nodes, {"x": ("batch", 6), "z2": (3,)}, constants, kinds={"y": T.INT64})
    made = load(proto, tmp_path).model
    onnx.checker.check_model(made, full_check=True)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*made.graph.input, *made.graph.value_info, *made.graph.output)
    }
    full = {"x": [1, 6], "q": [1, 6], "m": [1, 4], "y": [1, 2], "v": [1, 2]}
    assert shapes == full
    assert [n.op_type for n in made.graph.node] == ["Quant", "MatMul", "TopK"]
    assert {i.name for i in made.graph.initializer} == {"s", "z", "b", "w", "k"}


def test_fixed_batch_is_noted(tmp_path: Path) -> None:
    imported = load(model([node("Relu", "x")], {"x": (128, 6)}), tmp_path)
    assert imported.notes == ("input 'x': the first axis, 128, is taken as the batch and set to 1",)


def test_input_spec(tmp_path: Path) -> None:
    imported = load(model([node("Relu", "x")]), tmp_path, InputSpec.parse("u8:1/255:1/2"))
    x, real, _ = imported.graph
    assert (str(x), x.tensor) == ("x: u8[4] = Input()", None)
    assert (real.name, real.tensor) == ("x_dequantize", "x")
    codes = np.arange(256).reshape(-1, 4)
    values = execute(imported.graph, {"x": codes}, keep=[real])[real]
    expected = [float(Fraction(int(code) * 2 - 1, 510)) for code in codes.reshape(-1)]
    assert values.reshape(-1).tolist() == expected
    assert imported.notes == ("input 'x' arrives as u8:1/255:1/2",)


def test_input_spec_on_an_integer_input(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", "x s")]
    proto = model(nodes, constants={"s": 0.5}, kinds={"x": T.INT8})
    imported = load(proto, tmp_path, InputSpec.parse("u4:1"))
    assert str(next(iter(imported.graph))) == "x: u4[4] = Input()"


def test_strange_names(tmp_path: Path) -> None:
    wide = "größe 層"
    nodes = [
        helper.make_node("MatMul", ["x:0", "wire"], ["/a/b:0"], "module"),
        helper.make_node("Relu", ["/a/b:0"], [wide]),
        helper.make_node("Relu", [wide], ["begin"], "a/b"),
        helper.make_node("Relu", ["begin"], ["0"], "a b"),
    ]
    proto = model(nodes, {"x:0": (1, 6)}, {"wire": W}, outputs=("0",))
    imported = load(proto, tmp_path)
    assert [n.name for n in imported.graph] == [
        "x_0", "wire_", "module_", "Relu_grosse", "a_b", "a_b_2",
    ]  # fmt: skip
    assert [n.origin for n in imported.graph][3] == ("Relu größe 層",)
    assert imported.graph.outputs[0].tensor == "0"
    agree(proto, tmp_path)


def test_shared_weights_and_several_inputs_and_outputs(tmp_path: Path) -> None:
    square = np.eye(6, dtype=np.float32) * 2
    nodes = [
        node("MatMul", "x w", "a"),
        node("MatMul", "a w", "b"),
        node("Add", "b z", "c"),
        node("Identity", "x", "d"),
    ]
    inputs = {"x": (1, 6), "z": (1, 6)}
    imported = agree(model(nodes, inputs, {"w": square}, outputs=("a", "c", "d")), tmp_path)
    assert [o.tensor for o in imported.graph.outputs] == ["a", "c", "x"]


def test_initializers_that_are_graph_inputs_too(tmp_path: Path) -> None:
    proto = model([node("MatMul", "x w")], {"x": (1, 6), "w": (6, 4)}, {"w": W}, opset=9)
    assert [n.name for n in agree(proto, tmp_path).graph] == ["x", "w", "MatMul_y"]


@pytest.mark.parametrize("shape", [(), (1, 3), (3,)])
def test_constant_output(shape: tuple[int, ...], tmp_path: Path) -> None:
    data = np.full(shape, 2.5, np.float32)
    nodes = [node("Relu", "c", "y"), node("Relu", "x", "z")]
    imported = load(model(nodes, constants={"c": data}, outputs=("y", "z")), tmp_path)
    assert (imported.graph.outputs[0].op.run() == 2.5).all()
    assert imported.notes == ("output 'y' is constant",)


def test_unsorted_nodes(tmp_path: Path) -> None:
    nodes = [node("Relu", "a"), node("Neg", "c", "d"), node("Add", "x d", "a")]
    proto = model(nodes, {"x": (1, 4)}, {"c": 1.5})
    sorted_proto = model([nodes[1], nodes[2], nodes[0]], {"x": (1, 4)}, {"c": 1.5})
    assert str(load(proto, tmp_path).graph) == str(load(sorted_proto, tmp_path).graph)
    agree(proto, tmp_path)


def test_import_twice_is_the_same(tmp_path: Path) -> None:
    proto = model([node("Gemm", "x w", "y")], {"x": (1, 6)}, {"w": W})
    first, second = load(proto, tmp_path), load(proto, tmp_path)
    assert str(first.graph) == str(second.graph)
    assert first.model.SerializeToString() == second.model.SerializeToString()


def test_a_deep_network(tmp_path: Path) -> None:
    names = ["x", *(f"t{i}" for i in range(1500)), "y"]
    nodes = [node("Relu", a, b) for a, b in pairwise(names)]
    assert sum(1 for _ in load(model(nodes), tmp_path).graph) == len(names)


def test_import_of_the_package_is_light() -> None:
    code = (
        "import sys, gatesmith.frontend, gatesmith.frontend.input_spec\n"
        "print([m for m in ('onnx', 'torch', 'onnxruntime', 'qonnx') if m in sys.modules])\n"
        "import gatesmith.frontend.importer\n"
        "from gatesmith.frontend.registry import converters; converters()\n"
        "print([m for m in ('torch', 'onnxruntime', 'qonnx', 'hls4ml') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


SIZES = st.integers(1, 5)
LAYERS = st.lists(
    st.tuples(st.sampled_from(["gemm", "matmul", "norm", "relu", "clip", "scale"]), SIZES),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(LAYERS, SIZES, st.sampled_from([9, 13, 17, 21]), st.integers(0, 99))
def test_random_mlps_agree_with_the_onnx_reference(
    tmp_path: Path, layers: list[tuple[str, int]], ins: int, opset: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    constants: dict[str, Any] = {}
    nodes, width, last = [], ins, "x"

    def weights(*shape: int) -> str:
        constants[f"c{len(constants)}"] = (rng.integers(1, 9, shape) / 4).astype(np.float32)
        return f"c{len(constants) - 1}"

    for index, (kind, outs) in enumerate(layers):
        y = f"t{index}"
        match kind:
            case "gemm":
                made = node("Gemm", f"{last} {weights(outs, width)} {weights(outs)}", y, transB=1)
            case "matmul":
                made = node("MatMul", f"{last} {weights(width, outs)}", y)
            case "norm" if opset >= 14:
                parameters = " ".join(weights(width) for _ in range(4))
                made = node("BatchNormalization", f"{last} {parameters}", y)
            case "clip" if opset >= 11:
                made = node("Clip", f"{last} - {weights()}", y)
            case "scale":
                made = node("Div", f"{last} {weights(width)}", y)
            case _:
                made = node("Relu", last, y)
        nodes.append(made)
        width = outs if kind in ("gemm", "matmul") else width
        last = y
    nodes.append(node("Identity", last))
    agree(model(nodes, {"x": ("n", ins)}, constants, opset=opset), tmp_path, rtol=1e-4)


def test_frames_are_independent(tmp_path: Path) -> None:
    proto = model([node("Gemm", "x w", "y")], {"x": (1, 6)}, {"w": W})
    imported, feeds = load(proto, tmp_path), frames(proto)
    (together,) = run(imported, feeds)
    for index in range(len(together)):
        (alone,) = run(imported, {"x": np.repeat(feeds["x"][index : index + 1], 5, axis=0)})
        assert (alone == together[index]).all()
