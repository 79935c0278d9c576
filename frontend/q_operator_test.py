"""Operators on codes against onnxruntime, QONNX's Trunc against qonnx, and four-axis quantizers.

A float32 runtime may round a code the other way where the exact value lies on a boundary: codes may
differ by one, in few places. The formulas are compared in float64, exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from gatesmith.frontend.conv_test import agree, session, some, weights, windows
from gatesmith.frontend.importer import Imported
from gatesmith.frontend.model_test import FRAMES, T, frames, load, model, node, refused, run
from gatesmith.frontend.registry import MICROSOFT, QONNX
from gatesmith.ir import IntType
from gatesmith.ops.quantize import Quantize

Rng = np.random.Generator
KINDS = {"uint8": T.UINT8, "int8": T.INT8, "int32": T.INT32}
MAP = (1, 2, 5, 6)


def codes(rng: Rng, kind: str, *shape: int) -> Any:
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max, shape, endpoint=True).astype(kind)


def scale(rng: Rng, *shape: int) -> Any:
    return np.asarray(rng.uniform(0.01, 0.1, shape), np.float32)


def zero(rng: Rng, kind: str, *shape: int) -> Any:
    low = 100 if kind == "uint8" else -20
    return np.asarray(rng.integers(low, low + 40, shape), kind)


def compare(proto: onnx.ModelProto, folder: Path) -> Imported:
    """Codes of the IR against onnxruntime's, frame by frame."""
    imported = load(proto, folder)
    evaluate, feeds = session(proto), frames(proto)
    (ours,) = run(imported, feeds)
    for frame in range(FRAMES):
        (theirs,) = evaluate({name: value[frame] for name, value in feeds.items()})
        dims = imported.model.graph.output[0].type.tensor_type.shape.dim
        assert tuple(d.dim_value for d in dims) == theirs.shape
        if theirs.dtype.kind == "f":
            np.testing.assert_allclose(ours[frame].reshape(theirs.shape), theirs, rtol=1e-5)
            continue
        off = np.abs(ours[frame].reshape(theirs.shape) - theirs.astype(np.int64))
        assert off.max() <= 1 and (off > 0).mean() <= 0.05, (off > 0).mean()
    return imported


def quantized(made: Any, kind: str, shape: Any, constants: Any, opset: int = 13) -> Any:
    kinds = {"x": KINDS[kind], "y": KINDS[kind]}
    return model([made], {"x": shape}, constants, kinds=kinds, opset=opset)


def q_conv(rng: Rng) -> Any:
    kind, group = str(rng.choice(["uint8", "int8"])), int(rng.choice([1, 2]))
    kernel, outputs = some(rng, 1, 3, 2), 2 * group
    each = bool(rng.integers(2))
    many = (outputs,) if each else ()
    constants = {
        "xs": scale(rng), "xz": zero(rng, kind),
        "w": codes(rng, "int8", outputs, 2 // group, *kernel),
        "ws": scale(rng, *many), "wz": np.zeros(many, np.int8),
        "ys": scale(rng) * 50, "yz": zero(rng, kind),
    }  # fmt: skip
    operands = "x xs xz w ws wz ys yz"
    if rng.integers(2):
        operands += " b"
        constants["b"] = rng.integers(-5000, 5000, outputs).astype(np.int32)
    made = node("QLinearConv", operands, group=group, **windows(rng, kernel))
    return quantized(made, kind, MAP, constants)


@pytest.mark.parametrize("seed", range(30))
def test_q_linear_conv(seed: int, tmp_path: Path) -> None:
    compare(q_conv(np.random.default_rng(seed)), tmp_path)


def test_q_linear_conv_is_exact(tmp_path: Path) -> None:
    """The bias times both scales does not fit a float64, and is not needed to."""
    rng = np.random.default_rng(0)
    constants = {
        "xs": np.float32(0.1), "xz": np.uint8(3), "w": codes(rng, "int8", 3, 2, 1, 1),
        "ws": np.array([0.1, 0.2, 0.3], np.float32), "wz": np.array([1, -2, 3], np.int8),
        "ys": np.float32(8.1),
        "yz": np.uint8(8), "b": np.array([20001, -13001, 777], np.int32),
    }  # fmt: skip
    constants = {name: np.asarray(value) for name, value in constants.items()}
    proto = quantized(node("QLinearConv", "x xs xz w ws wz ys yz b"), "uint8", MAP, constants)
    feeds = frames(proto)
    (ours,) = run(load(proto, tmp_path), feeds)
    kernel = constants["w"].astype(np.int64) - constants["wz"].reshape(3, 1, 1, 1)
    x = feeds["x"][:, 0].astype(np.int64) - 3
    sums = np.einsum("fchw,oc->fohw", x, kernel[:, :, 0, 0]) + constants["b"].reshape(3, 1, 1)
    step = np.float64(constants["xs"]) * constants["ws"].astype(np.float64).reshape(3, 1, 1)
    expected = (np.rint(sums * step / np.float64(np.float32(8.1))) + 8).clip(0, 255)
    assert (ours == expected).all() and len(np.unique(ours)) > 30


def matrices(rng: Rng, kind: str, *, columns: bool, transposed: bool = False) -> dict[str, Any]:
    many = (4,) if columns else ()
    shape = (4, 6) if transposed else (6, 4)
    return {
        "xs": scale(rng), "xz": zero(rng, kind), "w": codes(rng, "int8", *shape),
        "ws": scale(rng, *many), "wz": zero(rng, "int8", *many),
        "ys": scale(rng) * 50, "yz": zero(rng, kind),
    }  # fmt: skip


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_q_linear_mat_mul(kind: str, columns: bool, tmp_path: Path) -> None:
    constants = matrices(np.random.default_rng(1), kind, columns=columns)
    made = node("QLinearMatMul", "x xs xz w ws wz ys yz")
    compare(quantized(made, kind, (1, 6), constants), tmp_path)
    compare(quantized(made, kind, (1, 3, 6), constants, opset=21), tmp_path)


@pytest.mark.parametrize("operands", ["x xs xz w ws wz b ys yz", "x xs xz w ws wz - ys yz",
                                      "x xs xz w ws wz b", "x xs xz w ws wz"])  # fmt: skip
@pytest.mark.parametrize("turned", [0, 1])
def test_q_gemm(operands: str, turned: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    constants = matrices(rng, "uint8", columns=True, transposed=bool(turned))
    constants["b"] = rng.integers(-999, 999, 4).astype(np.int32)
    attributes: Any = {"transB": turned, "alpha": 0.7}
    made = node("QGemm", operands, domain=MICROSOFT, **attributes)
    proto = quantized(made, "uint8", (1, 6), constants)
    if "ys" not in operands:
        proto.graph.output[0].type.tensor_type.elem_type = T.FLOAT
    compare(proto, tmp_path)


def operand(rng: Rng, kind: str, name: str) -> dict[str, Any]:
    return {f"{name}s": scale(rng), f"{name}z": zero(rng, kind)}


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_q_linear_arithmetic(op: str, kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    constants = operand(rng, kind, "x") | operand(rng, kind, "a") | operand(rng, kind, "y")
    constants["ys"] *= 3
    made = node(op, "x xs xz a as az ys yz", domain=MICROSOFT)
    both = {"x": (1, 3, 4), "a": (1, 3, 1)}
    kinds = dict.fromkeys("xay", KINDS[kind])
    compare(model([made], both, constants, kinds=kinds), tmp_path)
    constants["a"] = codes(rng, kind, 3, 4)
    compare(quantized(made, kind, (1, 3, 4), constants), tmp_path)
    made = node(op, "a as az x xs xz ys", domain=MICROSOFT)
    compare(quantized(made, kind, (1, 3, 4), constants), tmp_path)


@pytest.mark.parametrize("axis", [1, -1])
def test_q_linear_concat(axis: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    constants = {k: v for name in "xay" for k, v in operand(rng, "uint8", name).items()}
    made = node("QLinearConcat", "ys yz x xs xz a as az", domain=MICROSOFT, axis=axis)
    kinds = dict.fromkeys("xay", T.UINT8)
    proto = model([made], {"x": (1, 3, 4), "a": (1, 3, 4)}, constants, kinds=kinds)
    compare(proto, tmp_path)


UNARY: list[tuple[str, Any, Any]] = [
    ("QLinearLeakyRelu", {"alpha": 0.3}, (1, 6)),
    ("QLinearLeakyRelu", {}, (1, 2, 3)),
    ("QLinearSigmoid", {}, (1, 6)),
    ("QLinearSoftmax", {"axis": 1, "opset": 13}, (1, 6)),
    ("QLinearSoftmax", {"axis": 1, "opset": 12}, (1, 2, 3)),
    ("QLinearGlobalAveragePool", {"channels_last": 0}, (1, 3, 4, 4)),
    ("QLinearGlobalAveragePool", {"channels_last": 1}, (1, 4, 4, 3)),
    ("QLinearAveragePool", {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]}, (1, 3, 6, 7)),
    ("QLinearAveragePool", {"kernel_shape": [2], "strides": [2], "ceil_mode": 1}, (1, 3, 7)),
    ("QLinearAveragePool", {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "channels_last": 1,
                            "count_include_pad": 1}, (1, 6, 7, 3)),
    ("QLinearAveragePool", {"kernel_shape": [2], "strides": [2], "channels_last": 1}, (1, 7, 3)),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize(("op", "attributes", "shape"), UNARY)
def test_q_linear_unary(op: str, attributes: Any, shape: Any, kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    constants = operand(rng, kind, "x") | {"ys": np.float32(1 / 128), "yz": zero(rng, kind)}
    if "Softmax" in op:
        constants |= {"ys": np.float32(1 / 256), "yz": np.array(np.iinfo(kind).min, kind)}
    if "Pool" in op:
        constants["ys"] = scale(rng)
    constants = {name: np.asarray(value) for name, value in constants.items()}
    made = node(op, "x xs xz ys yz", domain=MICROSOFT, **attributes)
    compare(quantized(made, kind, shape, constants), tmp_path)


def test_quantizers_of_onnxruntime_with_16_bits(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x s z", "q", domain=MICROSOFT, axis=1),
        node("DequantizeLinear", "q s z", domain=MICROSOFT, axis=1),
    ]
    rng = np.random.default_rng(6)
    constants = {"s": scale(rng, 3), "z": np.array([4, -200, 0], np.int16)}
    agree(model(nodes, {"x": (1, 3, 5)}, constants), tmp_path)


# -- 32 bits ---------------------------------------------------------------------------------------


def to_real(made: Any) -> list[Any]:
    return [made, node("Cast", "i", "f", to=T.FLOAT), node("Mul", "f s")]


@pytest.mark.parametrize("operands", ["x w", "x w xz", "x w xz wz", "x w - wz"])
@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_conv_integer(kind: str, operands: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    constants = {
        "w": codes(rng, "uint8", 4, 2, 3, 2),
        "xz": zero(rng, kind),
        "wz": np.array(9, np.uint8),
        "s": scale(rng, 4, 1, 1),
    }
    attributes: Any = {"pads": [1, 1, 0, 2], "strides": [1, 2]}
    nodes = to_real(node("ConvInteger", operands, "i", **attributes))
    agree(model(nodes, {"x": MAP}, constants, kinds={"x": KINDS[kind]}), tmp_path)
    proto = quantized(node("ConvInteger", operands, "y", **attributes), kind, MAP, constants)
    proto.graph.output[0].type.tensor_type.elem_type = T.INT32
    (y,) = compare(proto, tmp_path).graph.outputs
    assert isinstance(y.op, Quantize) and y.type.int_elem.bits < 24


@pytest.mark.parametrize("operands", ["x w", "x w xz wz"])
def test_mat_mul_integer(operands: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    constants = matrices(rng, "uint8", columns=True) | {"s": scale(rng)}
    nodes = to_real(node("MatMulInteger", operands, "i"))
    agree(model(nodes, {"x": (1, 6)}, constants, kinds={"x": T.UINT8}), tmp_path)


def test_range_of_32_bit_sums(tmp_path: Path) -> None:
    constants = {"w": np.array([[1], [-2]], np.int8), "z": np.array(3, np.uint8)}
    nodes = [node("MatMulInteger", "x w z")]
    proto = model(nodes, {"x": (1, 2)}, constants, kinds={"x": T.UINT8, "y": T.INT32})
    (y,) = load(proto, tmp_path).graph.outputs
    assert y.type.elem == IntType(-3 - 504, 252 + 6)


# -- QONNX -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL", "UP", "DOWN", "HALF_UP", "HALF_DOWN"])
def test_trunc(mode: str, tmp_path: Path) -> None:
    trunc = pytest.importorskip("qonnx.custom_op.general.trunc")
    one, two = (np.float32(v) for v in (0.125, 3.0))
    widths = {"i": np.float32(8), "o": np.float32(5)}
    made = node("Trunc", "x s z i o", domain=QONNX, rounding_mode=mode)
    proto = model([made], {"x": MAP}, {"s": one, "z": two, **widths})
    feeds = frames(proto)
    (ours,) = run(load(proto, tmp_path), feeds)
    theirs = trunc.trunc_v1(feeds["x"], one, two, widths["i"], widths["o"], mode)
    assert (ours == theirs.reshape(ours.shape)).all()
    for signed, narrow in ((0, 0), (0, 1), (1, 0), (1, 1)):
        attributes: Any = {"rounding_mode": mode, "signed": signed, "narrow": narrow}
        made = node("Trunc", "x s z i t o", domain=QONNX, **attributes)
        constants = {"s": one, "z": two, "t": np.float32(1.0), **widths}
        (ours,) = run(load(model([made], {"x": MAP}, constants), tmp_path), feeds)
        args = (one, two, widths["i"], narrow, signed, np.float32(1.0), widths["o"], mode)
        theirs = trunc.trunc_v2(feeds["x"], *args)
        assert (ours == theirs.reshape(ours.shape)).all()


@pytest.mark.parametrize("where", ["activation", "weights"])
def test_quant_one_scale_a_channel(where: str, tmp_path: Path) -> None:
    intquant = pytest.importorskip("qonnx.custom_op.general.intquant")
    rng = np.random.default_rng(9)
    per = {"z": 0.0, "b": 4.0}
    attributes: Any = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
    w = weights(rng, 4, 2, 2, 2)
    if where == "activation":
        s = scale(rng, 1, 2, 1, 1)
        nodes = [node("Quant", "x s z b", "y", domain=QONNX, **attributes)]
        proto = model(nodes, {"x": MAP}, {"s": s, **per})
        feeds = frames(proto)
        args = (s, np.float32(0), np.float32(4), 1, 1, "ROUND")
        expected = intquant.int_quant(feeds["x"][:, 0], *args)
    else:
        s = scale(rng, 4, 1, 1, 1)
        nodes = [node("Quant", "w s z b", "q", domain=QONNX, **attributes), node("Conv", "x q")]
        proto = model(nodes, {"x": MAP}, {"w": w, "s": s, **per})
        feeds = frames(proto)
        q = intquant.int_quant(w, s, np.float32(0), np.float32(4), 1, 1, "ROUND")
        plain = model([node("Conv", "x w")], {"x": MAP}, {"w": q.astype(np.float32)})
        expected = np.concatenate([session(plain)({"x": x})[0] for x in feeds["x"]])
    (ours,) = run(load(proto, tmp_path), feeds)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


# -- refusals --------------------------------------------------------------------------------------

CONV = {
    "xs": 0.5, "xz": np.array(3, np.uint8), "w": np.ones((4, 2, 2, 2), np.int8), "ws": 0.25,
    "wz": np.array(0, np.int8), "ys": 2.0, "yz": np.array(9, np.uint8),
}  # fmt: skip
OPERANDS = "x xs xz w ws wz ys yz"
TO_INT = node("QuantizeLinear", "x xs xz", "q")


def q_linear(**more: Any) -> Callable[[], onnx.ModelProto]:
    return lambda: quantized(node("QLinearConv", OPERANDS), "uint8", MAP, CONV | more)


REFUSED = [
    (q_linear(xs=np.array([0.5, 1.0], np.float32)),
     "error[frontend.shape]: the scale of QLinearConv has the shape [2]"),
    (q_linear(xz=np.array([1, 2], np.uint8)),
     "error[frontend.shape]: the zero point of QLinearConv has the shape [2]"),
    (q_linear(ws=np.array([0.5, 1.0, 2.0], np.float32)),
     "error[frontend.shape]: the scale of the weights of QLinearConv has the shape [3]"),
    (q_linear(wz=np.array([[1, 2], [3, 4]], np.int8)),
     "error[frontend.shape]: the zero point of the weights of QLinearConv has the shape [2, 2]"),
    (q_linear(ys=0.0), "error[frontend.scale]: the scale of QLinearConv reaches 0.0"),
    (q_linear(w=np.ones((4, 2, 2, 2), np.float32)),
     "error[frontend.element-type]: 'w', an operand of QLinearConv, is FLOAT"),
    (lambda: model([node("QLinearConv", OPERANDS)], {"x": MAP}, CONV),
     "error[frontend.element-type]: QLinearConv reads reals, x of type real[2, 5, 6]"),
    (lambda: model([node("DynamicQuantizeLinear", "x", "y s z")], {"x": (1, 4)},
                   kinds={"y": T.UINT8}),
     "error[frontend.dynamic-parameter]: DynamicQuantizeLinear takes its scale and zero point"),
    (lambda: quantized(node("QLinearConcat", "ys yz x xs xz xs", domain=MICROSOFT, axis=1),
                       "uint8", MAP, CONV),
     "error[frontend.invalid-node]: QLinearConcat has 6 inputs"),
    (lambda: quantized(node("QLinearAdd", "x xs xz x xs xz ys yz", domain=MICROSOFT, a=1),
                       "uint8", MAP, CONV),
     "error[frontend.attribute]: QLinearAdd has an attribute 'a' that gatesmith does not know"),
    (lambda: model([node("Trunc", "x xs z b b", domain=QONNX, signed=1)], {"x": MAP},
                   CONV | {"z": 0.0, "b": 4.0}),
     "error[frontend.attribute]: Trunc of 5 inputs has the attribute 'signed'"),
    (lambda: model([node("Trunc", "x xs z b b", domain=QONNX)], {"x": MAP},
                   CONV | {"z": 0.0, "b": 4.5}),
     "error[frontend.fractional-bits]: the bit width of Trunc is 4.5"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "first"), REFUSED)
def test_refused(make: Callable[[], onnx.ModelProto], first: str, tmp_path: Path) -> None:
    text = refused(make(), tmp_path)
    assert text.startswith(first), text


def test_sums_that_wrap_around_are_refused(tmp_path: Path) -> None:
    w = np.full((70000, 1), 127, np.int8)
    nodes = [node("MatMulInteger", "x w")]
    proto = model(nodes, {"x": (1, 70000)}, {"w": w}, kinds={"x": T.UINT8, "y": T.INT32})
    text = refused(proto, tmp_path)
    assert text.startswith("error[frontend.element-type]: the sums of MatMulInteger reach 0..22")
