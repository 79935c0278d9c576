"""Models that are refused: what is said, where, and that everything is said at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from gatesmith.errors import UserErrors
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.frontend.model_test import NEWEST, T, load, model, node, refused
from gatesmith.frontend.registry import converters

X2, X3 = {"x": (1, 6)}, {"x": (1, 3, 5)}
W = np.ones((6, 4), np.float32)
BATCH_NORM = {name: np.ones(6, np.float32) for name in "gbmv"}
BN = "x g b m v"


def codes(text: str) -> list[str]:
    return [line.partition("]")[0][6:] for line in text.splitlines() if line.startswith("error[")]


REFUSED = [
    # batch axis
    (node("Transpose", "x"), X2, {}, 13,
     "error[frontend.batch-axis]: Transpose moves the batch axis (perm [1, 0])"),
    (node("ArgMax", "x"), X2, {}, 13,
     "error[frontend.batch-axis]: ArgMax works along axis 0, the batch axis"),
    (node("Softmax", "x", axis=0), X2, {}, 11,
     "error[frontend.batch-axis]: Softmax works along axis 0, the batch axis"),
    (node("TopK", "x k", "v y", axis=-2), X2, {"k": [1]}, 13,
     "error[frontend.batch-axis]: TopK works along axis -2, the batch axis"),
    (node("Add", "x c"), X2, {"c": np.ones((4, 6), np.float32)}, 13,
     "error[frontend.batch-axis]: Add spreads the batch over an axis of 4"),
    (node("Add", "x c"), X2, {"c": np.ones((4, 1, 6), np.float32)}, 13,
     "error[frontend.batch-axis]: Add makes [4, 1, 6], with 4 in front of the batch"),
    (node("Mul", "x z"), {"x": (1, 3, 6), "z": (1, 6)}, {}, 13,
     "error[frontend.batch-axis]: Mul spreads the batch over an axis of 3"),
    (node("Reshape", "x s"), X2, {"s": [2, 3]}, 13,
     "error[frontend.batch-axis]: Reshape makes [2, 3] of [1, 6]"),
    (node("Gemm", "x w", transA=1), X2, {"w": np.ones((1, 4), np.float32)}, 13,
     "error[frontend.batch-axis]: Gemm transposes its data (transA 1)"),
    # shapes
    (node("MatMul", "x w"), {"x": (1, 5)}, {"w": W}, 13,
     "error[frontend.shape]: the operands of MatMul do not fit: real[5], real[6, 4]"),
    (node("Add", "x c"), X2, {"c": np.ones(4, np.float32)}, 13,
     "error[frontend.shape]: the operands of Add do not fit: [1, 6] and [4]"),
    (node("Reshape", "x s"), X2, {"s": [1, 7]}, 13,
     "error[frontend.shape]: Reshape cannot make the shape [1, 7] of [1, 6]"),
    (node("Reshape", "x s"), X2, {"s": [-1, -1]}, 13,
     "error[frontend.shape]: Reshape cannot make the shape [-1, -1] of [1, 6]"),
    (node("Reshape", "x s", allowzero=1), X2, {"s": [0, 6]}, 14,
     "error[frontend.shape]: Reshape cannot make the shape [0, 6] of [1, 6]"),
    (node("Squeeze", "x a"), X2, {"a": [1]}, 13,
     "error[frontend.shape]: Squeeze cannot remove axis 1 of [1, 6]"),
    (node("Unsqueeze", "x a"), X2, {"a": [1, 1]}, 13,
     "error[frontend.axis]: Unsqueeze names an axis twice: [1, 1]"),
    (node("Softmax", "x", axis=2), X2, {}, 13,
     "error[frontend.axis]: attribute 'axis' of Softmax is 2"),
    (node("TopK", "x k", "v y"), X2, {"k": [7]}, 13,
     "error[frontend.shape]: the operands of TopK do not fit: real[6]"),
    (node("BatchNormalization", BN), {"x": (1, 5)}, BATCH_NORM, 13,
     "error[frontend.shape]: the scale of BatchNormalization has the shape [6]"),
    # operands
    (node("MatMul", "w x"), {"x": (4, 2)}, {"w": W}, 13,
     "error[frontend.constant-left]: MatMul has its constant 'w' on the left"),
    (node("MatMul", "x z"), {"x": (1, 6), "z": (1, 6)}, {}, 13,
     "error[frontend.two-activations]: MatMul multiplies two values that the network computes"),
    (node("Gemm", "x z", transB=1), {"x": (1, 6), "z": (1, 6)}, {}, 13,
     "error[frontend.two-activations]: Gemm multiplies two values that the network computes"),
    (node("GatherND", "x c"), X2, {"c": np.array([[0, 0]])}, 13,
     "error[frontend.unsupported-op]: operator GatherND is not supported"),
    (node("Reshape", "x s"), {"x": (1, 6), "s": (2,)}, {}, 13,
     "error[frontend.dynamic-parameter]: the shape of Reshape depends on the input of the network"),
    (node("Clip", "x x"), X2, {}, 13,
     "error[frontend.dynamic-parameter]: min of Clip depends on the input of the network"),
    (node("Cast", "x", to=T.INT8), X2, {}, 13,
     "error[frontend.inexact-cast]: Cast to INT8 changes values"),
    (node("Cast", "x", to=T.FLOAT8E5M2), X2, {}, 19,
     "error[frontend.inexact-cast]: Cast to FLOAT8E5M2 changes values"),
    # numbers
    (node("MatMul", "x w"), X2, {"w": np.where(W, np.nan, 0).astype(np.float32)}, 13,
     "error[frontend.non-finite]: the weights of MatMul, 'w', has 24 elements that are infinite "
     "or not a number"),
    (node("Add", "x c"), X2, {"c": np.array([1, np.inf, 0, 0, 0, 0], np.float32)}, 13,
     "error[frontend.non-finite]: operand 1 of Add, 'c', has 1 elements that are infinite or not "
     "a number"),
    (node("Clip", "x c"), X2, {"c": float("nan")}, 13,
     "error[frontend.non-finite]: a limit of Clip is not a number"),
    (node("BatchNormalization", BN), X2, {**BATCH_NORM, "v": -np.ones(6, np.float32)}, 13,
     "error[frontend.variance]: the variance of BatchNormalization reaches -1.0"),
    # training
    (node("BatchNormalization", BN, "y p q", training_mode=1), X2, BATCH_NORM, 15,
     "error[frontend.training-mode]: BatchNormalization is in training mode"),
    (node("BatchNormalization", BN, spatial=0), X3, {k: np.ones(3, np.float32) for k in "gbmv"}, 7,
     "error[frontend.attribute]: BatchNormalization has spatial 0"),
    (node("Dropout", "x r t"), X2, {"r": 0.5, "t": np.array(True)}, 13,
     "error[frontend.training-mode]: Dropout is in training mode"),
    (node("Dropout", "x", "z y"), X2, {}, 9,
     "error[frontend.unsupported-output]: the mask of Dropout is read"),
    (node("TopK", "x k", "y i"), X2, {"k": [1]}, 13,
     "error[frontend.unsupported-output]: the output Values of TopK, 'y', is read"),
    # attributes, operators
    (node("Relu", "x", alpha=0.1), X2, {}, 13,
     "error[frontend.attribute]: Relu has an attribute 'alpha' that gatesmith does not know"),
    (node("ArgMax", "x", axis=1, select_last_index=1), X2, {}, 11,
     "error[frontend.attribute]: ArgMax has an attribute 'select_last_index' that gatesmith does "
     "not know"),
    (node("Softmax", "x", axis=1.0), X2, {}, 13,
     "error[frontend.attribute]: attribute 'axis' has the type float"),
    (node("Cast", "x"), X2, {}, 13,
     "error[frontend.attribute]: Cast has no attribute 'to'"),
    (node("Add", "x x x"), X2, {}, 13,
     "error[frontend.invalid-node]: Add has 3 inputs"),
    (node("Hardmax", "x"), X2, {}, 13,
     "error[frontend.unsupported-op]: operator Hardmax is not supported"),
    (node("NoSuchThing", "x"), X2, {}, 13,
     "error[frontend.unsupported-op]: operator NoSuchThing is not supported"),
    (node("FusedConv", "x", domain="com.microsoft"), X2, {}, 13,
     "error[frontend.unsupported-op]: operator com.microsoft.FusedConv is not supported"),
    (node("FloatQuant", "x", domain="onnx.brevitas"), X2, {}, 13,
     "error[frontend.unsupported-op]: operator qonnx.custom_op.general.FloatQuant is not "
     "supported"),
    (node("Relu", "nowhere"), X2, {}, 13,
     "error[frontend.invalid-model]: node Relu_y reads 'nowhere', which nothing makes"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=[entry[4][6:50] for entry in REFUSED])
def test_refused(case: Any, tmp_path: Path) -> None:
    made, inputs, constants, opset, first = case
    text = refused(model([made], inputs, constants, opset=opset), tmp_path)
    assert text.splitlines()[0] == first
    assert codes(text) == [first.partition("]")[0][6:]], "one problem, one error"
    if "invalid-model" not in first:
        assert f"  at   tiny.onnx, node {made.name}\n" in text


def test_unsupported_operator_in_full(tmp_path: Path) -> None:
    nodes = [node("Hardmax", "x", "a"), node("Relu", "a", "b"), node("Hardmax", "b")]
    assert refused(model(nodes, X2), tmp_path) == (
        "error[frontend.unsupported-op]: operator Hardmax is not supported\n"
        "  at   tiny.onnx, nodes Hardmax_a, Hardmax_y\n"
        f"  why  it is none of the {len({name for _, name in converters()})} operators taken "
        "(docs/onnx-node-tests.md lists them)\n"
        "  fix  use ArgMax: it gives the index of the same element\n"
        "  fix  express it with operators that are taken, or keep that part in software"
    )


def test_attribute_in_full(tmp_path: Path) -> None:
    assert refused(model([node("Gemm", "x w", gamma=1.0)], X2, {"w": W}), tmp_path) == (
        "error[frontend.attribute]: Gemm has an attribute 'gamma' that gatesmith does not know\n"
        "  at   tiny.onnx, node Gemm_y\n"
        "  why  attributes taken at opset 13: alpha, beta, transA, transB\n"
        "  fix  export the model again, for another opset\n"
        "  fix  or remove what is named here, if the network means the same without it"
    )


def test_all_problems_at_once_and_none_twice(tmp_path: Path) -> None:
    """Seven independent problems behind each other, two of them behind an unknown shape."""
    nan = np.full((4, 4), np.nan, np.float32)
    quant = {"signed": 1, "narrow": 0}
    nodes = [
        node("LpPool", "x", "c", kernel_shape=[3, 3]),  # 1: unsupported, shape known
        node("Flatten", "c", "f"),
        node("MatMul", "f w", "m"),
        node("Quant", "m one zero half", "q", "onnx.brevitas", **quant),  # 2: fractional bits
        node("Relu", "q", "r", alpha=1.0),  # 3: unknown attribute
        node("MatMul", "r nan", "n"),  # 4: non-finite
        node("Mystery", "n", "u", "some.where"),  # 5: unsupported, shape unknown
        node("Relu", "u", "v"),
        node("Cast", "v", "t"),  # 6: missing attribute
        node("Hardmax", "t", "y"),  # 7: unsupported
    ]
    constants = {
        "w": np.ones((4, 4), np.float32), "nan": nan, "one": 1.0, "zero": 0.0, "half": 2.5,
    }  # fmt: skip
    proto = model(nodes, {"x": (1, 1, 4, 4)}, constants)
    with pytest.raises(UserErrors) as caught:
        load(proto, tmp_path)
    found = [(error.code.partition(".")[2], error.where) for error in caught.value.errors]
    at = f"{tmp_path}/tiny.onnx, node "
    assert found == [
        ("unsupported-op", f"{at}LpPool_c"),
        ("unsupported-op", f"{at}Mystery_u"),
        ("unsupported-op", f"{at}Hardmax_y"),
        ("fractional-bits", f"{at}Quant_q"),
        ("attribute", f"{at}Relu_r"),
        ("non-finite", f"{at}MatMul_n"),
        ("attribute", f"{at}Cast_t"),
    ]


def test_dead_code_is_a_note(tmp_path: Path) -> None:
    nodes = [node("Sigmoid", "x", "dead"), node("Mystery", "dead", "deader"), node("Relu", "x")]
    proto = model(nodes, {"x": (1, 6), "unused": (1, 2)})
    imported = load(proto, tmp_path)
    assert imported.notes == (
        "no output needs these nodes: Sigmoid_dead, Mystery_deader",
        "input 'unused' is not needed and was left out",
    )
    assert str(imported.graph) == "x: real[6] = Input()\nRelu_y: real[6] = Relu(x)"


@pytest.mark.parametrize("opset", [6, NEWEST + 1])
def test_opset(opset: int, tmp_path: Path) -> None:
    text = refused(model([node("Relu", "x")], opset=opset), tmp_path)
    assert text == (
        f"error[frontend.opset]: the opset of the model is {opset}\n"
        "  at   tiny.onnx\n"
        f"  why  gatesmith reads opset 7 to {NEWEST} (onnx {onnx.__version__})\n"
        f"  fix  export with opset_version=13 or another from 7 to {NEWEST}\n"
        "  fix  or convert: onnx.version_converter.convert_version(model, 13)\n"
        "  fix  for a newer opset: pip install --upgrade onnx"
    )


def test_ir_version(tmp_path: Path) -> None:
    proto = model([node("Relu", "x")])
    proto.ir_version = onnx.IR_VERSION + 1
    assert codes(refused(proto, tmp_path)) == ["frontend.ir-version"]


def test_cycle(tmp_path: Path) -> None:
    nodes = [
        node("Relu", "x", "a"),
        node("Add", "a d", "b"),
        node("Relu", "b", "c"),
        node("Relu", "c", "d"),
        node("Relu", "d", "y"),
    ]
    assert refused(model(nodes), tmp_path) == (
        "error[frontend.cyclic-graph]: the graph has a cycle\n"
        "  at   tiny.onnx, nodes Add_b, Relu_c, Relu_d\n"
        "  why  each of these nodes waits for the one before it, and the first for the last\n"
        "  fix  unroll the recurrence before export: a streaming core has no feedback"
    )


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((1, "width"), "the extent of axis 1 is named 'width'"),
        (("n", 3, None), "the extent of axis 2 is not a positive number"),
        (("n",), "the extent of axis 0 is named 'n'"),
        ((1, 0), "the extent of axis 1 is not a positive number"),
        (None, "it is declared with no shape"),
    ],
)
def test_dynamic_shape(shape: Any, why: str, tmp_path: Path) -> None:
    assert refused(model([node("Relu", "x")], {"x": shape}), tmp_path) == (
        "error[frontend.dynamic-shape]: input 'x' has no fixed shape\n"
        "  at   tiny.onnx, input x\n"
        f"  why  {why}; only the batch axis, the first of two or more, may be open\n"
        "  fix  export with a fixed input shape\n"
        "  fix  or fix it: python -m onnxruntime.tools.make_dynamic_shape_fixed --input_name x "
        "--input_shape 1,... model.onnx fixed.onnx"
    )


def test_no_output(tmp_path: Path) -> None:
    proto = model([node("Relu", "x")], outputs=())
    assert codes(refused(proto, tmp_path)) == ["frontend.no-output"]


def test_wiring(tmp_path: Path) -> None:
    twice = model([node("Relu", "x"), node("Sign", "x")])
    assert "tensor 'y' is made more than once\n" in refused(twice, tmp_path)
    nowhere = model([node("Relu", "x", "z")])
    assert "nothing makes the output 'y'\n" in refused(nowhere, tmp_path)


def test_sparse_initializer(tmp_path: Path) -> None:
    proto = model([node("Add", "x c")])
    values = helper.make_tensor("c", T.FLOAT, [1], [1.0])
    where = helper.make_tensor("i", T.INT64, [1], [2])
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, where, [4]))
    assert codes(refused(proto, tmp_path)) == ["frontend.sparse-tensor"]


def test_subgraphs_and_functions(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [node("Relu", "x", "r")], "inner", [], [helper.make_tensor_value_info("r", T.FLOAT, None)]
    )
    branch = node("If", "c", then_branch=inner, else_branch=inner)
    text = refused(model([branch], X2, {"c": np.array(True)}), tmp_path)
    assert text.startswith("error[frontend.unsupported-op]: operator If is not supported\n")
    proto = model([node("Mine", "x", domain="local")])
    imports = [helper.make_opsetid("", 13)]
    body = [node("Relu", "a", "b")]
    proto.functions.append(helper.make_function("local", "Mine", ["a"], ["b"], body, imports))
    text = refused(proto, tmp_path)
    assert text.startswith("error[frontend.unsupported-op]: operator local.Mine is not supported\n")
    assert "fix  inline functions first: onnx.inliner.inline_local_functions(model)\n" in text


def test_integer_operand(tmp_path: Path) -> None:
    nodes = [node("QuantizeLinear", "x s", "q"), node("Relu", "q")]
    text = refused(model(nodes, X2, {"s": 0.5}, opset=14), tmp_path)
    assert text.splitlines()[0] == (
        "error[frontend.integer-operand]: Relu reads integers, QuantizeLinear_q of type u8[6]"
    )


def test_constant_folding_that_fails(tmp_path: Path) -> None:
    nodes = [node("Reshape", "c s", "d"), node("Add", "x d")]
    text = refused(model(nodes, X2, {"c": [1.0, 2.0], "s": [3]}), tmp_path)
    assert text.startswith(
        "error[frontend.constant-folding]: the constant node Reshape_d (Reshape) cannot be "
        "evaluated\n  at   tiny.onnx, node Reshape_d\n  why  onnx's reference implementation says:"
    )


def test_random_constants_are_not_folded(tmp_path: Path) -> None:
    nodes = [node("RandomNormal", "", "c", shape=[4]), node("Add", "x c")]
    text = refused(model(nodes), tmp_path)
    assert codes(text) == ["frontend.unsupported-op"] and "RandomNormal" in text


@pytest.mark.parametrize(
    ("kind", "spec", "why"),
    [
        (T.STRING, None, "its element type is STRING"),
        (T.INT64, None, "its element type is INT64, and gatesmith takes up to 32 bits"),
        (T.UINT8, "u8:1/255", "the model reads UINT8 codes, which stand for themselves, not u8:1/"),
        (T.UINT8, "i9:1", "i9 does not fit the model's UINT8"),
    ],
)
def test_input_types(kind: int, spec: str | None, why: str, tmp_path: Path) -> None:
    proto = model([node("Identity", "x")], kinds={"x": kind, "y": kind})
    text = refused(proto, tmp_path, InputSpec.parse(spec) if spec else None)
    assert text.startswith("error[frontend.input-type]: input 'x' cannot be a stream\n")
    assert f"  why  {why}" in text
