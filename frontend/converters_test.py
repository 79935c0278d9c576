"""Every converter against onnx.reference, over the opsets in which its operator changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from gatesmith.frontend.model_test import NEWEST, T, agree, frames, load, model, node, run, tensor
from gatesmith.frontend.registry import converters, stems
from gatesmith.ir import IntType
from gatesmith.ops.quantize import Quantize

RNG = np.random.default_rng(7)
ALL = (7, 9, 13, 17, NEWEST)


def weights(*shape: int) -> Any:
    return (RNG.integers(-20, 20, shape) / 16).astype(np.float32)


def positive(*shape: int) -> Any:
    return (RNG.integers(1, 20, shape) / 16).astype(np.float32)


def case(name: str, opsets: tuple[int, ...], nodes: Any, **rest: Any) -> Any:
    listed = nodes if isinstance(nodes, list) else [nodes]
    return [pytest.param(listed, opset, rest, id=f"{name}-{opset}") for opset in opsets]


X2, X3, X4 = {"x": (1, 6)}, {"x": (1, 3, 5)}, {"x": (1, 3, 4, 5)}
ARITHMETIC = [
    entry
    for op in ("Add", "Sub", "Mul", "Div")
    for at, (shape, inputs) in enumerate(
        [((6,), X2), ((1, 6), X2), ((1, 1), X2), ((), X2), ((1, 1, 6), X2), ((3, 1), X3)]
    )
    for order in ("x c", "c x")
    for entry in case(
        f"{op}{at}{order[0]}",
        (7, NEWEST),
        [node("Add", "x one", "moved"), node(op, order.replace("x", "moved"))],
        inputs=inputs,
        constants={"c": positive(*shape), "one": 5.5},
    )
]
BATCH_NORM = {"g": weights(3), "b": weights(3), "m": weights(3), "v": positive(3)}
CASES = [
    *ARITHMETIC,
    *case("two", (7, NEWEST), node("Add", "x z"), inputs={"x": (1, 6), "z": (1, 6)}),
    *case("ranks", (13,), node("Mul", "x z"), inputs={"x": (1, 1, 6), "z": (1, 6)}),
    *case("ranks2", (13,), node("Sub", "x z"), inputs={"x": (1, 6), "z": (1, 1, 6)}),
    *case("vector", (13,), node("Sub", "x c"), inputs={"x": (6,)}, constants={"c": weights(2, 6)}),
    *case("matmul", ALL, node("MatMul", "x w"), inputs=X2, constants={"w": weights(6, 4)}),
    *case("matmul3", (13,), node("MatMul", "x w"), inputs=X3, constants={"w": weights(5, 2)}),
    *case("matmul31", (13,), node("MatMul", "x w"), inputs=X3, constants={"w": weights(1, 5, 2)}),
    *case("matvec", (13,), node("MatMul", "x w"), inputs=X2, constants={"w": weights(6)}),
    *case("vecmat", (13,), node("MatMul", "x w"), inputs={"x": (6,)},
          constants={"w": weights(6, 2)}),
    *case("gemm", ALL, node("Gemm", "x w c"), inputs=X2,
          constants={"w": weights(6, 4), "c": weights(4)}),
    *case("gemm_all", (7, 9, 11, 13, NEWEST),
          node("Gemm", "x w c", alpha=0.3, beta=-1.7, transB=1), inputs=X2,
          constants={"w": weights(4, 6), "c": weights(1, 4)}),
    *case("gemm_scalar", (13,), node("Gemm", "x w c"), inputs=X2,
          constants={"w": weights(6, 4), "c": weights()}),
    *case("gemm_noc", (11, NEWEST), node("Gemm", "x w", alpha=2.0), inputs=X2,
          constants={"w": weights(6, 4)}),
    *case("gemm_beta0", (13,), node("Gemm", "x w c", beta=0.0), inputs=X2,
          constants={"w": weights(6, 4), "c": weights(4)}),
    *case("gemm_dynamic_c", (13,), node("Gemm", "x w z", beta=3.0),
          inputs={"x": (1, 6), "z": (1, 4)}, constants={"w": weights(6, 4)}),
    *case("bn2", (7, 9, 14, 15, NEWEST), node("BatchNormalization", "x g b m v", epsilon=0.01),
          inputs={"x": (1, 3)}, constants=BATCH_NORM),
    *case("bn3", (7, 9, 15), node("BatchNormalization", "x g b m v"),
          inputs=X3, constants=BATCH_NORM),
    *case("bn4", (9, NEWEST), node("BatchNormalization", "x g b m v", momentum=0.5),
          inputs=X4, constants=BATCH_NORM),
    *case("bn_spatial", (7,), node("BatchNormalization", "x g b m v", spatial=0),
          inputs={"x": (1, 3)}, constants=BATCH_NORM),
    *case("relu", ALL, node("Relu", "x"), inputs=X3),
    *case("sign", (9, NEWEST), node("Sign", "x"), inputs=X3),
    *case("clip_attributes", (7, 10), node("Clip", "x", min=-0.5, max=1.5), inputs=X2),
    *case("clip_max", (7,), node("Clip", "x", max=1.5), inputs=X2),
    *case("clip_none", (7, 11, NEWEST), node("Clip", "x"), inputs=X2),
    *case("clip_inputs", (11, 12, NEWEST), node("Clip", "x lo hi"), inputs=X2,
          constants={"lo": -0.5, "hi": 1.5}),
    *case("clip_hi", (11, NEWEST), node("Clip", "x - hi"), inputs=X2, constants={"hi": 1.5}),
    *case("clip_crossed", (13,), node("Clip", "x lo hi"), inputs=X2,
          constants={"lo": 1.0, "hi": 0.5}),
    *case("identity", ALL, [node("Identity", "x", "i"), node("Relu", "i")], inputs=X2),
    *case("dropout", (7, 10), node("Dropout", "x", ratio=0.3), inputs=X2),
    *case("dropout_inputs", (12, 13, NEWEST), node("Dropout", "x r t", seed=3), inputs=X2,
          constants={"r": 0.3, "t": np.array(False)}),
    *case("flatten", ALL, node("Flatten", "x"), inputs=X4),
    *case("flatten0", (9, 13), node("Flatten", "x", axis=0), inputs=X4),
    *case("flatten-3", (11, NEWEST), node("Flatten", "x", axis=-3), inputs=X4),
    *case("reshape", ALL, node("Reshape", "x s"), inputs=X4, constants={"s": [0, -1, 4]}),
    *case("reshape_drop", (13,), node("Reshape", "x s"), inputs=X2, constants={"s": [6]}),
    *case("reshape_fixed", (14, NEWEST), node("Reshape", "x s", allowzero=1), inputs=X4,
          constants={"s": [1, 12, 5]}),
    *case("squeeze", (7, 11), node("Squeeze", "x", axes=[2]), inputs={"x": (1, 3, 1)}),
    *case("squeeze_input", (13, NEWEST), node("Squeeze", "x a"), inputs={"x": (1, 3, 1)},
          constants={"a": [-1]}),
    *case("squeeze_all", (7, 13), node("Squeeze", "x"), inputs={"x": (1, 3, 1)}),
    *case("unsqueeze", (7, 11), node("Unsqueeze", "x", axes=[1, 3]), inputs=X2),
    *case("unsqueeze_input", (13, NEWEST), node("Unsqueeze", "x a"), inputs=X2,
          constants={"a": [-1]}),
    *case("unsqueeze_front", (13,), node("Unsqueeze", "x a"), inputs={"x": (6,)},
          constants={"a": [0]}),
    *case("transpose", ALL, node("Transpose", "x", perm=[0, 3, 1, 2]), inputs=X4),
    *case("transpose_default", (13,),
          [node("Squeeze", "x a", "s"), node("Transpose", "s")], inputs=X3, constants={"a": [0]}),
    *case("cast", (9, 13, 19), [node("Cast", "x", "d", to=T.DOUBLE), node("Cast", "d", to=T.FLOAT)],
          inputs=X2),
    *case("argmax", (7, 11, 12, 13, NEWEST), node("ArgMax", "x", axis=1), inputs=X2),
    *case("argmax_last", (12, NEWEST), node("ArgMax", "x", axis=-1, select_last_index=1),
          inputs=X2),
    *case("argmax_drop", (13,), node("ArgMax", "x", axis=1, keepdims=0), inputs=X3),
    *case("topk", (7, 9), node("TopK", "x", "v y", k=2), inputs=X2),
    *case("topk_input", (10, 11, 13, NEWEST), node("TopK", "x k", "v y"), inputs=X2,
          constants={"k": [3]}),
    *case("topk_smallest", (11,), node("TopK", "x k", "v y", largest=0, axis=1), inputs=X3,
          constants={"k": [2]}),
    *case("softmax", (7, 11), node("Softmax", "x"), inputs=X2),
    *case("softmax_flat", (7, 12), node("Softmax", "x", axis=1), inputs=X3),
    *case("softmax_axis", (13, NEWEST), node("Softmax", "x", axis=1), inputs=X3),
    *case("softmax_default", (13,), node("Softmax", "x"), inputs=X3),
    *case("head", (9, 11), [node("Shape", "x", "s"), node("Gather", "s zero", "n", axis=0),
          node("Unsqueeze", "n", "u", axes=[0]), node("Concat", "u rest", "r", axis=0),
          node("Reshape", "x r")], inputs=X4, constants={"zero": 0, "rest": [-1]}),
    *case("shape_part", (15, NEWEST), [node("Shape", "x", "s", start=1, end=-1),
          node("ReduceProd", "s", "p", keepdims=1), node("Concat", "one p last", "r", axis=0),
          node("Reshape", "x r")], inputs=X4, constants={"one": [1], "last": [5]}),
    *case("folded", (9, 13), [node("Pow", "c p", "q"), node("Sqrt", "q", "r"),
          node("Div", "x r")], inputs=X2, constants={"c": [2.0], "p": 2.0}),
    *case("filled", (9, 13, NEWEST), [node("ConstantOfShape", "s", "c",
          value=onnx.helper.make_tensor("v", T.FLOAT, [1], [0.5])), node("Mul", "x c")],
          inputs=X2, constants={"s": [6]}),
    *case("cast_constant", (13,), [node("Cast", "c", "f", to=T.FLOAT), node("Add", "x f")],
          inputs=X2, constants={"c": [1, 2, 3, 4, 5, 6]}),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "opset", "rest"), CASES)
def test_agrees_with_the_onnx_reference(nodes: Any, opset: int, rest: Any, tmp_path: Path) -> None:
    integer = nodes[-1].op_type in ("ArgMax", "TopK")
    kinds = {"y": T.INT64} if integer else {}
    agree(model(nodes, opset=opset, kinds=kinds, **rest), tmp_path)


def test_every_converter_is_tested() -> None:
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("*_test.py"))
    untested = [op for _, op in converters() if f'"{op}"' not in source]
    assert not untested


def test_one_file_an_operator() -> None:
    found = {entry.convert.__module__.rpartition(".")[2] for entry in converters().values()}
    assert found == set(stems())
    for (_, op), entry in converters().items():
        stem = entry.convert.__module__.rpartition(".")[2]
        assert stem.replace("_", "") == op.lower() or op == "IntQuant"


def test_registered_attributes_are_those_of_the_onnx_schemas() -> None:
    """Defaults per opset, too: ours must be what onnx says at every opset from 7 on."""
    for (domain, op), entry in converters().items():
        if domain:
            continue
        for opset in range(max(7, entry.since), NEWEST + 1):
            schema = onnx.defs.get_schema(op, opset)
            assert entry.names(opset) == sorted(schema.attributes), f"{op} at {opset}"
            for name, attribute in schema.attributes.items():
                ours = entry.attribute(name, opset)
                assert ours is not None
                assert ours.required == attribute.required or op == "Constant"
                if attribute.default_value.type:
                    theirs = onnx.helper.get_attribute_value(attribute.default_value)
                    theirs = theirs.decode() if isinstance(theirs, bytes) else theirs
                    if isinstance(theirs, float):
                        assert np.float32(ours.default) == np.float32(theirs), f"{op} {name}"
                    else:
                        assert ours.default == theirs, f"{op} {name} at {opset}"


CONSTANTS = [
    ({"value": tensor(weights(6), "")}, 9),
    ({"value": onnx.helper.make_tensor("t", T.FLOAT16, [2], [0.5, -1.5])}, 13),
    ({"value": onnx.helper.make_tensor("t", T.BFLOAT16, [1], [0.5])}, 13),
    ({"value": onnx.helper.make_tensor("t", T.DOUBLE, [1], [0.1])}, 13),
    ({"value_float": 0.5}, 12),
    ({"value_floats": [0.5, 1.5]}, NEWEST),
    ({"value_int": 3}, 12),
    ({"value_ints": [3, 4]}, 13),
]


@pytest.mark.parametrize(("attributes", "opset"), CONSTANTS)
def test_constant_nodes(attributes: Any, opset: int, tmp_path: Path) -> None:
    nodes = [node("Constant", "", "c", **attributes), node("Identity", "c", "y")]
    nodes.append(node("Relu", "x", "z"))
    proto = model(nodes, outputs=("z", "y"), opset=opset)
    constant = load(proto, tmp_path).graph.outputs[1]
    value = attributes[next(iter(attributes))]
    expected = onnx.numpy_helper.to_array(value) if hasattr(value, "dims") else np.array(value)
    if expected.dtype.kind == "f" and "value_float" in attributes:
        expected = expected.astype(np.float32)
    got = constant.op.run()
    assert (got == expected.astype(np.float64)).all() and got.shape == expected.shape


def test_cast_of_indices_and_of_integers(tmp_path: Path) -> None:
    nodes = [
        node("ArgMax", "x", "i", axis=1),
        node("Cast", "i", "j", to=T.INT32),
        node("Cast", "j", "y", to=T.FLOAT),
    ]
    agree(model(nodes, X2), tmp_path)


def test_integer_input_through_cast(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "f", to=T.FLOAT), node("Mul", "f c")]
    proto = model(nodes, {"x": (1, 6)}, {"c": 0.25}, kinds={"x": T.UINT8})
    imported = agree(proto, tmp_path)
    assert str(imported.graph).splitlines()[0] == "x: u8[6] = Input()"


@pytest.mark.parametrize("opset", [10, 13, 19, 21, 23, NEWEST])
@pytest.mark.parametrize(
    ("kind", "zero"),
    [("uint8", 128), ("uint8", 3), ("int8", 0), ("int8", -5), ("int16", 7), ("uint16", 2)],
)
def test_quantize_dequantize_linear(kind: str, zero: int, opset: int, tmp_path: Path) -> None:
    """Scale 1/4 against inputs in eighths: every other input is a tie."""
    if "16" in kind and opset < 21:
        pytest.skip("16 bits came with opset 21")
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z")]
    constants = {"s": 0.25, "z": np.array(zero, kind)}
    kinds = {"q": onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))}
    proto = model(nodes, X2, constants, outputs=("q", "y"), opset=opset, kinds=kinds)
    imported = agree(proto, tmp_path)
    assert [output.tensor for output in imported.graph.outputs] == ["q", "y"]


@pytest.mark.parametrize("opset", [13, 19, NEWEST])
def test_clip_between_quantize_and_dequantize(opset: int, tmp_path: Path) -> None:
    """Three bits, as QCDQ exports write them."""
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("Clip", "q lo hi", "c"),
        node("DequantizeLinear", "c s z"),
    ]
    limits = {"lo": np.array(-3, np.int8), "hi": np.array(3, np.int8)}
    constants = {"s": 0.5, "z": np.array(0, np.int8), **limits}
    imported = agree(model(nodes, X2, constants, opset=opset), tmp_path)
    _, clipped, _ = imported.graph
    assert isinstance(clipped.op, Quantize) and clipped.op.clip == IntType(-3, 3)
    assert (clipped.tensor, clipped.origin) == ("c", ("QuantizeLinear_q", "Clip_c"))


@pytest.mark.parametrize("opset", [13, NEWEST])
def test_quantize_dequantize_linear_per_axis(opset: int, tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x s z", "q", axis=1),
        node("DequantizeLinear", "q s z", axis=-2),
    ]
    constants = {"s": positive(3), "z": np.array([2, 0, -4], np.int8)}
    proto = model(nodes, X3, constants, outputs=("q", "y"), opset=opset, kinds={"q": T.INT8})
    agree(proto, tmp_path)


def test_quantize_linear_of_four_bits_and_output_dtype(tmp_path: Path) -> None:
    nodes = [node("QuantizeLinear", "x s", "q", output_dtype=T.INT4)]
    proto = model(nodes, X2, {"s": 0.5}, outputs=("q",), opset=21, kinds={"q": T.INT4})
    (q,) = load(proto, tmp_path).graph.outputs
    assert isinstance(q.op, Quantize) and q.op.clip == IntType(-8, 7)


@pytest.mark.parametrize("opset", [10, 13, 21, NEWEST])
def test_dequantize_linear_of_weights(opset: int, tmp_path: Path) -> None:
    axis: Any = {"axis": 1} if opset >= 13 else {}
    nodes = [node("DequantizeLinear", "w s z", "d", **axis), node("MatMul", "x d")]
    scale = positive(4) if opset >= 13 else 0.125
    zero = np.array([1, -2, 3, 0], np.int8) if opset >= 13 else np.array(3, np.int8)
    codes = RNG.integers(-128, 128, (6, 4)).astype(np.int8)
    agree(model(nodes, X2, {"w": codes, "s": scale, "z": zero}, opset=opset), tmp_path)


def test_dequantize_linear_of_blocks(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", "w s", "d", axis=0, block_size=4), node("MatMul", "x d")]
    codes = RNG.integers(-128, 128, (6, 4)).astype(np.int8)
    proto = model(nodes, X2, {"w": codes, "s": positive(2, 4)}, opset=21)
    imported = load(proto, tmp_path)
    feeds = frames(proto)
    scale = onnx.numpy_helper.to_array(proto.graph.initializer[1]).astype(np.float64)
    expected = feeds["x"][:, 0] @ (codes * np.repeat(scale, 4, axis=0)[:6])
    assert (run(imported, feeds)[0] == expected).all()


def test_quantized_bias_of_int32(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", "b s", "d"), node("Add", "x d")]
    bias = np.array([2**31 - 1, -(2**31), 5, 0, 1, -1], np.int32)
    agree(model(nodes, X2, {"b": bias, "s": 0.37}), tmp_path)


def test_quantize_linear_of_a_constant(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "w s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("MatMul", "x d"),
    ]
    agree(model(nodes, X2, {"w": weights(6, 4), "s": 0.3, "z": np.array(3, np.uint8)}), tmp_path)
