"""Files that no exporter writes: each crashed, hung or filled the memory before it was refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.frontend.names import Names

Nodes = list[onnx.NodeProto]


def model(
    nodes: Nodes, shape: tuple[int, ...] = (1, 4), opset: int = 13, **constants: Any
) -> onnx.ModelProto:
    """From x to y; constants by name."""
    kept = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    ends = [
        helper.make_tensor_value_info("x", 1, shape),
        helper.make_tensor_value_info("y", 1, None),
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def relu() -> onnx.ModelProto:
    return model([helper.make_node("Relu", ["x"], ["y"])])


def refusal(proto: onnx.ModelProto | bytes, tmp_path: Path) -> UserError:
    """The one reason, or the first of several."""
    path = tmp_path / "model.onnx"
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    began = time.process_time()
    with pytest.raises((UserError, UserErrors)) as caught:
        import_model(path)
    assert time.process_time() - began < 5
    error = caught.value
    return error.errors[0] if isinstance(error, UserErrors) else error  # type: ignore[return-value]


# ---- the message --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [b"Relu", b"x"])
def test_text_that_is_no_utf8(text: bytes, tmp_path: Path) -> None:
    data = relu().SerializeToString().replace(text, b"\xff" + text[1:])
    error = refusal(data, tmp_path)
    assert error.code == "frontend.corrupt-file"
    assert "is not UTF-8" in error.why


@pytest.mark.parametrize("version", [-1, 2**40])
def test_ir_version_of_no_time(version: int, tmp_path: Path) -> None:
    proto = relu()
    proto.ir_version = version
    assert refusal(proto, tmp_path).code == "frontend.ir-version"


@pytest.mark.parametrize("version", [-1, 0, 2**40])
def test_opset_of_another_domain_of_no_time(version: int, tmp_path: Path) -> None:
    proto = relu()
    proto.opset_import.append(helper.make_opsetid("other", version))
    assert refusal(proto, tmp_path).code == "frontend.opset"


@pytest.mark.parametrize("twice", [False, True])
def test_function_that_calls_itself_or_is_there_twice(twice: bool, tmp_path: Path) -> None:
    proto = model([helper.make_node("Block", ["x"], ["y"], domain="local")])
    body = [
        helper.make_node(
            "Relu" if twice else "Block", ["a"], ["b"], domain="" if twice else "local"
        )
    ]
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("local", 1)]
    made = helper.make_function("local", "Block", ["a"], ["b"], body, opsets)
    proto.functions.extend([made] * (1 + twice))
    proto.opset_import.append(helper.make_opsetid("local", 1))
    error = refusal(proto, tmp_path)
    assert error.code in ("frontend.unsupported-op", "frontend.invalid-model")


def test_attribute_of_a_function_outside_of_one(tmp_path: Path) -> None:
    proto = model([helper.make_node("Softmax", ["x"], ["y"], axis=1)])
    proto.graph.node[0].attribute[0].ref_attr_name = "other"
    assert "function" in refusal(proto, tmp_path).why


def test_external_data_with_a_word_that_onnx_does_not_know(tmp_path: Path) -> None:
    proto = model([helper.make_node("Add", ["x", "w"], ["y"])], w=np.zeros(4, np.float32))
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("evil", "1")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    (tmp_path / "w.bin").write_bytes(bytes(16))
    error = refusal(proto, tmp_path)
    assert error.code == "frontend.external-data"
    assert "'evil'" in error.why


def test_extent_below_zero(tmp_path: Path) -> None:
    proto = model([helper.make_node("Add", ["x", "w"], ["y"])], w=np.zeros(4, np.float32))
    proto.graph.initializer[0].dims[0] = -1
    assert refusal(proto, tmp_path).code in ("frontend.corrupt-tensor", "frontend.invalid-model")


# ---- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [
        (1, 2**40),
        (1, 2**62, 2**62),
        (1, *(2**62,) * 300),
        (1, 3000, 3000),
        (1,) * 60,
    ],
)
def test_inputs_that_are_too_large(shape: tuple[int, ...], tmp_path: Path) -> None:
    proto = model([helper.make_node("Relu", ["x"], ["y"])], shape)
    assert refusal(proto, tmp_path).code == "frontend.too-large"


HUGE = np.array([1, 2**40])
GROWING: dict[str, Callable[[], onnx.ModelProto]] = {
    "Expand": lambda: model(
        [helper.make_node("Expand", ["x", "s"], ["y"])], (1, 4), s=np.array([2**40, 4])
    ),
    "Tile": lambda: model([helper.make_node("Tile", ["x", "s"], ["y"])], s=HUGE),
    "Pad": lambda: model(
        [helper.make_node("Pad", ["x", "s"], ["y"])], s=np.array([0, 2**40, 0, 2**40])
    ),
    "Pad edge": lambda: model(
        [helper.make_node("Pad", ["x", "s"], ["y"], mode="edge")], s=np.array([0, 2**40, 0, 0])
    ),
    "Resize": lambda: model(
        [helper.make_node("Resize", ["x", "", "s"], ["y"], nearest_mode="floor")],
        s=np.array([1, 2.0**30], np.float32),
    ),
    "Upsample": lambda: model(
        [helper.make_node("Upsample", ["x", "s"], ["y"])], opset=9, s=np.array([1, 2e6], np.float32)
    ),
}


@pytest.mark.parametrize("name", GROWING)
def test_nodes_that_make_too_much(name: str, tmp_path: Path) -> None:
    assert refusal(GROWING[name](), tmp_path).code in ("frontend.too-large", "frontend.shape")


def folding(op: str, *operands: str, **constants: Any) -> onnx.ModelProto:
    nodes = [helper.make_node(op, operands, ["c"]), helper.make_node("Add", ["x", "c"], ["y"])]
    return model(nodes, **constants)


FOLDED: dict[str, Callable[[], onnx.ModelProto]] = {
    "ConstantOfShape": lambda: folding("ConstantOfShape", "s", s=np.array([2**20, 2**20])),
    "Expand": lambda: folding("Expand", "w", "s", w=np.array([1], np.float32), s=np.array([2**40])),
    "Tile": lambda: folding("Tile", "w", "s", w=np.array([1], np.float32), s=np.array([2**40])),
    "Range": lambda: folding(
        "Range", "a", "b", "c0", a=np.int64(0), b=np.int64(2**40), c0=np.int64(1)
    ),
    "Range without end": lambda: folding(
        "Range", "a", "b", "c0", a=np.int64(0), b=np.int64(5), c0=np.int64(0)
    ),
    "OneHot": lambda: folding(
        "OneHot", "i", "d", "v", i=np.arange(9), d=np.int64(2**40), v=np.array([0, 1], np.float32)
    ),
}


@pytest.mark.parametrize("name", FOLDED)
def test_constants_that_would_fill_the_memory(name: str, tmp_path: Path) -> None:
    error = refusal(FOLDED[name](), tmp_path)
    assert error.code == "frontend.constant-folding"


def test_constant_that_is_doubled_again_and_again(tmp_path: Path) -> None:
    nodes = [helper.make_node("Concat", [f"c{k}"] * 2, [f"c{k + 1}"], axis=0) for k in range(40)]
    proto = model(
        [*nodes, helper.make_node("Add", ["x", "c40"], ["y"])], c0=np.array([1], np.float32)
    )
    assert refusal(proto, tmp_path).code == "frontend.constant-folding"


def test_constants_of_a_usual_size_are_still_folded(tmp_path: Path) -> None:
    """Shape, Gather, ConstantOfShape, Range, Expand as exporters write them."""
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["zeros"]),
        helper.make_node("Range", ["a", "b", "one"], ["range"]),
        helper.make_node("Cast", ["range"], ["reals"], to=1),
        helper.make_node("Add", ["zeros", "reals"], ["sum"]),
        helper.make_node("Gather", ["sum", "i"], ["some"]),
        helper.make_node("Expand", ["some", "s"], ["c"]),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    proto = model(
        nodes, s=np.array([4]), a=np.int64(0), b=np.int64(4), one=np.int64(1), i=np.array([2])
    )
    onnx.save(proto, tmp_path / "model.onnx")
    graph = import_model(tmp_path / "model.onnx").graph
    assert graph.outputs[0].type.shape == (4,)


@pytest.mark.parametrize("operand", ["w", "s"])
def test_empty_operands_of_a_quantizer(operand: str, tmp_path: Path) -> None:
    constants: dict[str, Any] = {"w": np.ones((4, 3), np.float32), "s": np.float32(1)}
    constants |= {"z": np.float32(0)}
    constants |= {"b": np.float32(3), operand: np.zeros(0, np.float32)}
    quant = helper.make_node(
        "Quant", ["w", "s", "z", "b"], ["q"], domain="qonnx.custom_op.general", signed=1, narrow=0
    )
    proto = model([quant, helper.make_node("MatMul", ["x", "q"], ["y"])], **constants)
    error = refusal(proto, tmp_path)
    assert (error.code, "has no elements" in error.what) == ("frontend.shape", True)


@pytest.mark.parametrize("scale", [np.ones((2, 5), np.float32), np.ones((2, 4, 3), np.float32)])
def test_scale_that_does_not_fit_its_weights(scale: Any, tmp_path: Path) -> None:
    constants: dict[str, Any] = {"w": np.full((4, 3), 0.5, np.float32), "s": scale}
    constants |= {"z": np.float32(0), "b": np.float32(3)}
    quant = helper.make_node(
        "Quant", ["w", "s", "z", "b"], ["q"], domain="qonnx.custom_op.general", signed=1, narrow=0
    )
    proto = model([quant, helper.make_node("MatMul", ["x", "q"], ["y"])], **constants)
    error = refusal(proto, tmp_path)
    assert (error.code, "does not fit" in error.what) == ("frontend.shape", True)


# ---- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["u8:" + "9" * 400, "u8:1/" + "9" * 5000, "u8:1:" + "1" * 5000, "u8:1e-999", "u8:1e300"]
)
def test_numbers_longer_than_any_scale(text: str) -> None:
    with pytest.raises(UserError) as caught:
        InputSpec.parse(text)
    assert caught.value.code == "cli.input-spec"


def test_fraction_that_float32_cannot_hold() -> None:
    spec = InputSpec.parse("u8:123456789/987654321:5/7")
    assert spec.scale * 987654321 == 123456789
    assert spec.zero * 7 == 5


def test_one_name_for_thousands() -> None:
    """Counting up from one each time took a minute."""
    names, began = Names(), time.process_time()
    found = [names.fresh("same") for _ in range(30_000)]
    assert time.process_time() - began < 5
    assert found[:2] + found[-1:] == ["same", "same_2", "same_30000"]
    assert len(set(found)) == len(found)


def test_control_characters_are_shown_not_obeyed() -> None:
    error = UserError("a.b", "x\x1b[31m\u202e", where="a\nb", why="1\n2\x07", fix=("c\r",))
    lines = str(error).split("\n")
    assert lines == [
        "error[a.b]: x\\x1b[31m\\u202e",
        "  at   a\\nb",
        "  why  1",
        "2\\x07",
        "  fix  c\\r",
    ]
