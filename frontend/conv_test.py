"""Convolutions, pools and reductions against onnxruntime, over random configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from gatesmith.cpu_gpu_baselines.exact_integers import exact
from gatesmith.frontend.importer import Imported
from gatesmith.frontend.model_test import FRAMES, T, frames, load, model, node, refused, run
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.conv import Conv
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.pad import Pad
from gatesmith.ops.reduce import Reduce

onnxruntime = pytest.importorskip("onnxruntime")
OPSETS = (7, 10, 11, 13, 18, 19, 22)
Rng = np.random.Generator
Session = Callable[[Mapping[str, Any]], Any]


def session(proto: onnx.ModelProto) -> Session:
    """onnxruntime without its rewrites; onnx.reference has ceil_mode and auto_pad wrong."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    proto.ir_version = min(proto.ir_version, 10)
    made = onnxruntime.InferenceSession(exact(proto).SerializeToString(), options)
    return lambda feeds: made.run(None, dict(feeds))


def agree(proto: onnx.ModelProto, folder: Path, evaluate: Session | None = None) -> Imported:
    imported = load(proto, folder)
    evaluate = evaluate or session(proto)
    feeds = frames(proto)
    stated = [o.type.tensor_type.shape.dim for o in imported.model.graph.output]
    ours = run(imported, feeds)
    for frame in range(FRAMES):
        theirs = evaluate({name: value[frame] for name, value in feeds.items()})
        for our, their, dims in zip(ours, theirs, stated, strict=True):
            assert tuple(d.dim_value for d in dims) == their.shape
            flat = our[frame].reshape(their.shape)
            np.testing.assert_allclose(flat, their, rtol=1e-4, atol=1e-4)
    return imported


def weights(rng: Rng, *shape: int) -> Any:
    return (rng.integers(-20, 20, shape) / 16).astype(np.float32)


def some(rng: Rng, low: int, high: int, count: int) -> list[int]:
    return [int(v) for v in rng.integers(low, high + 1, count)]


def maybe(rng: Rng, attributes: dict[str, Any]) -> dict[str, Any]:
    """Leave out each attribute now and then: its default is then in force."""
    return {name: value for name, value in attributes.items() if rng.random() < 0.75}


def windows(rng: Rng, kernel: list[int]) -> dict[str, Any]:
    """Attributes that any windowed operator has."""
    rank = len(kernel)
    attributes = maybe(rng, {"strides": some(rng, 1, 3, rank)})
    match rng.integers(4):
        case 0:
            attributes["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        case 1:
            pass
        case _:
            pads = [int(rng.integers(0, kernel[axis % rank])) for axis in range(2 * rank)]
            attributes["pads"] = pads
    return attributes


def evaluator(proto: onnx.ModelProto) -> Session | None:
    """None for what onnxruntime refuses: windows that do not fit, mostly."""
    try:
        evaluate = session(proto)
        evaluate({name: value[0] for name, value in frames(proto).items()})
    except Exception:  # its errors have no common class of their own
        return None
    return evaluate


def try_many(
    make: Callable[[Rng], onnx.ModelProto], folder: Path, count: int, least: float = 0.6
) -> None:
    """Random models: those that onnxruntime computes must agree, if they are not refused."""
    compared = 0
    for seed in range(count):
        proto = make(np.random.default_rng(seed))
        evaluate = evaluator(proto)
        if evaluate is not None:
            agree(proto, folder, evaluate)
            compared += 1
    assert compared > least * count, compared


def conv(rng: Rng) -> onnx.ModelProto:
    rank, group = int(rng.integers(1, 3)), int(rng.choice([1, 1, 2, 3]))
    inputs, outputs = (int(v) for v in rng.integers(1, 4, 2))
    kernel = some(rng, 1, 4, rank)
    attributes = windows(rng, kernel) | maybe(rng, {"kernel_shape": kernel})
    if "SAME" not in attributes.get("auto_pad", ""):
        attributes |= maybe(rng, {"dilations": some(rng, 1, 2, rank)})
    if group > 1:
        attributes["group"] = group
    constants = {"w": weights(rng, group * outputs, inputs, *kernel)}
    operands = "x w"
    if rng.random() < 0.5:
        constants["b"], operands = weights(rng, group * outputs), "x w b"
    shape = (1, group * inputs, *some(rng, 3, 8, rank))
    opset = int(rng.choice(OPSETS))
    return model([node("Conv", operands, **attributes)], {"x": shape}, constants, opset=opset)


def test_conv(tmp_path: Path) -> None:
    try_many(conv, tmp_path, 70)


@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("auto", ["SAME_UPPER", "SAME_LOWER"])
def test_conv_same_with_dilation(auto: str, dilation: int, tmp_path: Path) -> None:
    """Against the pads that ONNX's formula gives; onnxruntime refuses the combination."""
    rng = np.random.default_rng(3)
    constants = {"w": weights(rng, 2, 3, 3, 2)}
    common: Any = {"strides": [2, 1], "dilations": [dilation, dilation]}
    # rows: 4 windows of 2 * dilation + 1 in 7 values; columns: 6 of dilation + 1 in 6
    rows, columns = 3 * 2 + 2 * dilation + 1 - 7, dilation
    front = (rows // 2, columns // 2) if auto == "SAME_UPPER" else (-(-rows // 2), -(-columns // 2))
    pads = [*front, rows - front[0], columns - front[1]]
    explicit = model([node("Conv", "x w", pads=pads, **common)], {"x": (1, 3, 7, 6)}, constants)
    proto = model([node("Conv", "x w", auto_pad=auto, **common)], {"x": (1, 3, 7, 6)}, constants)
    agree(proto, tmp_path, session(explicit))


def test_conv_reads_channels_last(tmp_path: Path) -> None:
    w = weights(np.random.default_rng(0), 4, 1, 3, 3)
    attributes: Any = {"group": 2, "pads": [1, 0, 2, 1], "strides": [2, 1]}
    proto = model([node("Conv", "x w b", **attributes)], {"x": (1, 2, 6, 5)},
                  {"w": w, "b": weights(np.random.default_rng(1), 4)})  # fmt: skip
    imported = agree(proto, tmp_path)
    x, last, kernel, y, _, total, first = imported.graph
    assert y.op == Conv((2, 1), (1, 0, 2, 1), (1, 1), 2)
    assert last.type.shape == (6, 5, 2) and kernel.type.shape == (3, 3, 1, 4)
    assert [n.name for n in (x, y, total, first)] == [
        "x", "Conv_y", "Conv_y_bias", "Conv_y_channels_first"
    ]  # fmt: skip
    assert [n.tensor for n in imported.graph] == ["x", None, None, None, None, None, "y"]


def test_conv_of_quantized_weights(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    nodes = [
        node("DequantizeLinear", "w ws wz", "d", axis=0),
        node("DequantizeLinear", "b bs", "e"),
        node("Conv", "x d e"),
    ]
    constants = {
        "w": rng.integers(-128, 128, (4, 2, 3, 3)).astype(np.int8),
        "ws": (rng.integers(1, 99, 4) / 512).astype(np.float32),
        "wz": np.array([0, 3, -7, 0], np.int8),
        "b": rng.integers(-999, 999, 4).astype(np.int32),
        "bs": np.float32(0.01),
    }
    agree(model(nodes, {"x": (1, 2, 6, 5)}, constants), tmp_path)


def conv_transpose(rng: Rng) -> onnx.ModelProto:
    rank, group = int(rng.integers(1, 3)), int(rng.choice([1, 1, 2, 3]))
    inputs, outputs = (int(v) for v in rng.integers(1, 4, 2))
    kernel = some(rng, 1, 4, rank)
    sizes, strides, dilations = some(rng, 1, 5, rank), some(rng, 1, 3, rank), some(rng, 1, 2, rank)
    attributes: dict[str, Any] = {"strides": strides, "dilations": dilations}
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    match rng.integers(4):
        case 0:
            attributes["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
            attributes["strides"] = strides = [
                min(s, r) for s, r in zip(strides, reach, strict=True)
            ]
        case 1:
            attributes["pads"] = [int(rng.integers(0, r)) for r in reach * 2]
        case 2:
            sizes_out = [
                (n - 1) * s + r - int(rng.integers(-2, r))
                for n, s, r in zip(sizes, strides, reach, strict=True)
            ]
            attributes["output_shape"] = sizes_out
            attributes |= maybe(rng, {"auto_pad": "SAME_UPPER"})
    if "output_shape" not in attributes:
        attributes |= maybe(rng, {"output_padding": [int(rng.integers(0, s)) for s in strides]})
    attributes |= maybe(rng, {"kernel_shape": kernel})
    if group > 1:
        attributes["group"] = group
    constants = {"w": weights(rng, group * inputs, outputs, *kernel)}
    operands = "x w"
    if rng.random() < 0.5:
        constants["b"], operands = weights(rng, group * outputs), "x w b"
    nodes = [node("ConvTranspose", operands, **attributes)]
    return model(nodes, {"x": (1, group * inputs, *sizes)}, constants, opset=11)


def test_conv_transpose(tmp_path: Path) -> None:
    try_many(conv_transpose, tmp_path, 70)


def test_conv_transpose_is_a_convolution_over_a_spread_map(tmp_path: Path) -> None:
    w = weights(np.random.default_rng(0), 2, 3, 3, 2)
    proto = model([node("ConvTranspose", "x w", strides=[2, 3])], {"x": (1, 2, 4, 5)}, {"w": w})
    imported = agree(proto, tmp_path)
    spread, y = (n for n in imported.graph if isinstance(n.op, Pad | Conv))
    assert spread.type.shape == (7, 13, 2) and y.op == Conv((1, 1), (2, 1, 2, 1), (1, 1), 1)


def pool(op: str) -> Callable[[Rng], onnx.ModelProto]:
    def make(rng: Rng) -> onnx.ModelProto:
        rank, opset = int(rng.integers(1, 3)), int(rng.choice(OPSETS))
        kernel = some(rng, 1, 4, rank)
        attributes = windows(rng, kernel) | {"kernel_shape": kernel}
        if opset >= 10:
            attributes |= maybe(rng, {"ceil_mode": int(rng.integers(2))})
        dilated = opset >= (10 if op == "MaxPool" else 19)
        if dilated and "SAME" not in attributes.get("auto_pad", ""):
            attributes |= maybe(rng, {"dilations": some(rng, 1, 2, rank)})
        if op == "AveragePool":
            attributes |= maybe(rng, {"count_include_pad": int(rng.integers(2))})
        shape = (1, 2, *some(rng, 7, 10, rank))
        return model([node(op, "x", **attributes)], {"x": shape}, opset=opset)

    return make


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_pool(op: str, tmp_path: Path) -> None:
    try_many(pool(op), tmp_path, 80)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_max_pool_of_integers(kind: str, tmp_path: Path) -> None:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    nodes = [node("MaxPool", "x", kernel_shape=[2, 3], pads=[1, 1, 0, 0], storage_order=1)]
    proto = model(nodes, {"x": (1, 2, 5, 6)}, opset=12, kinds={"x": dtype, "y": dtype})
    agree(proto, tmp_path)


def test_ceil_mode_counts_only_the_stated_pads(tmp_path: Path) -> None:
    attributes: Any = {"kernel_shape": [3], "strides": [2], "pads": [1, 1], "ceil_mode": 1}
    nodes = [node("AveragePool", "x", count_include_pad=1, **attributes)]
    imported = agree(model(nodes, {"x": (1, 2, 6)}, opset=13), tmp_path)
    (op,) = (n.op for n in imported.graph if isinstance(n.op, AveragePool))
    assert (op.pads, op.counted) == ((0, 1, 0, 2), (0, 1, 0, 1))


@pytest.mark.parametrize("shape", [(1, 3, 5), (1, 3, 4, 5), (1, 2, 3, 2, 2)])
@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("opset", [7, 22])
def test_global_pool(op: str, shape: Any, opset: int, tmp_path: Path) -> None:
    imported = agree(model([node(op, "x")], {"x": shape}, opset=opset), tmp_path)
    (reduced,) = (n for n in imported.graph if isinstance(n.op, Reduce))
    assert reduced.type.shape == (shape[1],)


@pytest.mark.parametrize("axes", [[1], [-1], [1, 2], [2, 3], [1, 3], [-3, -2, -1]])
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"])
def test_reductions(op: str, axes: list[int], tmp_path: Path) -> None:
    for opset in (7, 11, 13, 18, 20):
        for keepdims in (0, 1):
            attribute = opset < (13 if op == "ReduceSum" else 18)
            made = (
                node(op, "x", axes=axes, keepdims=keepdims)
                if attribute
                else node(op, "x a", keepdims=keepdims)
            )
            constants = {} if attribute else {"a": axes}
            agree(model([made], {"x": (1, 3, 4, 2)}, constants, opset=opset), tmp_path)


def test_reduction_of_a_vector_and_of_nothing(tmp_path: Path) -> None:
    agree(model([node("ReduceSum", "x", keepdims=0)], {"x": (6,)}), tmp_path)
    agree(model([node("ReduceMax", "x", axes=[0])], {"x": (6,)}), tmp_path)
    for operands in ("x", "x a"):
        nodes = [node("ReduceSum", operands, "s", noop_with_empty_axes=1), node("Relu", "s")]
        agree(model(nodes, {"x": (1, 6)}, {"a": np.zeros(0, np.int64)}), tmp_path)


def test_reduction_of_integers(tmp_path: Path) -> None:
    kinds = {"x": T.INT8, "y": T.INT8}
    nodes = [node("ReduceMax", "x a", keepdims=0)]
    agree(model(nodes, {"x": (1, 3, 4)}, {"a": [2]}, opset=18, kinds=kinds), tmp_path)
    kinds = {"x": T.INT32, "y": T.INT32}
    text = refused(model([node("ReduceSum", "x a")], {"x": (1, 3)}, {"a": [1]}, kinds=kinds),
                   tmp_path)  # fmt: skip
    assert text.startswith("error[frontend.element-type]: the result of ReduceSum reaches -64424")


MAP = {"x": (1, 3, 5, 6)}
ONES = np.ones((4, 3, 2, 2), np.float32)
REFUSED = [
    (node("Conv", "x w"), {"x": (1, 3, 5, 6, 4)}, {"w": np.ones((4, 3, 2, 2, 2), np.float32)},
     "error[frontend.shape]: Conv works on 5 axes, [1, 3, 5, 6, 4]"),
    (node("Conv", "x w"), {"x": (1, 3)}, {"w": np.ones((4, 3), np.float32)},
     "error[frontend.shape]: Conv works on 2 axes, [1, 3]"),
    (node("Conv", "x w", group=2), MAP, {"w": ONES},
     "error[frontend.shape]: the weights of Conv have the shape [4, 3, 2, 2]"),
    (node("Conv", "x w", group=3), MAP, {"w": np.ones((4, 1, 2, 2), np.float32)},
     "error[frontend.shape]: the weights of Conv have the shape [4, 1, 2, 2]"),
    (node("Conv", "x w", group=0), MAP, {"w": ONES},
     "error[frontend.shape]: the weights of Conv have the shape [4, 3, 2, 2]"),
    (node("Conv", "x w", kernel_shape=[3, 3]), MAP, {"w": ONES},
     "error[frontend.shape]: the weights of Conv have the shape [4, 3, 2, 2]"),
    (node("Conv", "x w"), MAP, {"w": np.ones((4, 3, 2), np.float32)},
     "error[frontend.shape]: the weights of Conv have the shape [4, 3, 2]"),
    (node("Conv", "x w"), MAP, {"w": np.ones((4, 3, 6, 2), np.float32)},
     "error[frontend.shape]: no window of Conv fits the map"),
    (node("Conv", "x w", strides=[1]), MAP, {"w": ONES},
     "error[frontend.attribute]: attribute 'strides' of Conv is [1]"),
    (node("Conv", "x w", strides=[1, 0]), MAP, {"w": ONES},
     "error[frontend.attribute]: attribute 'strides' of Conv is [1, 0]"),
    (node("Conv", "x w", dilations=[1, 0]), MAP, {"w": ONES},
     "error[frontend.attribute]: attribute 'dilations' of Conv is [1, 0]"),
    (node("Conv", "x w", pads=[1, 1]), MAP, {"w": ONES},
     "error[frontend.attribute]: attribute 'pads' of Conv is [1, 1]"),
    (node("Conv", "x w", pads=[-1, 0, 0, 0]), MAP, {"w": ONES},
     "error[frontend.attribute]: attribute 'pads' of Conv is [-1, 0, 0, 0]"),
    (node("Conv", "x w", auto_pad="SAME"), MAP, {"w": ONES},
     "error[frontend.attribute]: auto_pad of Conv is 'SAME'"),
    (node("Conv", "x w", auto_pad="SAME_UPPER", pads=[1, 1, 0, 0]), MAP, {"w": ONES},
     "error[frontend.attribute]: Conv has pads [1, 1, 0, 0] and auto_pad SAME_UPPER"),
    (node("Conv", "x w b"), MAP, {"w": ONES, "b": np.ones(3, np.float32)},
     "error[frontend.shape]: the bias of Conv has the shape [3]"),
    (node("Conv", "x w"), MAP | {"w": (4, 3, 2, 2)}, {},
     "error[frontend.dynamic-parameter]: the weights of Conv depends on the input"),
    (node("Conv", "x w b"), MAP | {"b": (4,)}, {"w": ONES},
     "error[frontend.dynamic-parameter]: the bias of Conv depends on the input of the network"),
    (node("ConvTranspose", "x w", group=2), MAP, {"w": ONES},
     "error[frontend.shape]: the weights of ConvTranspose have the shape [4, 3, 2, 2]"),
    (node("ConvTranspose", "x w", pads=[9, 0, 0, 0]), MAP, {"w": ONES[:3]},
     "error[frontend.shape]: ConvTranspose leaves nothing along spatial axis 0"),
    (node("ConvTranspose", "x w", pads=[2, 0, 2, 0]), {"x": (1, 3, 2, 6)}, {"w": ONES[:3]},
     "error[frontend.shape]: ConvTranspose leaves nothing along spatial axis 0"),
    (node("ConvTranspose", "x w", pads=[3, 0, 0, 0], output_padding=[1, 0]),
     {"x": (1, 3, 1, 6)}, {"w": np.ones((3, 1, 3, 1), np.float32)},
     "error[frontend.shape]: the pads of ConvTranspose take away all of 1 values"),
    (node("ConvTranspose", "x w", strides=[1, 3], auto_pad="SAME_UPPER"), MAP, {"w": ONES[:3]},
     "error[frontend.attribute]: ConvTranspose makes 17 values along spatial axis 1, and 18"),
    (node("ConvTranspose", "x w", pads=[1, 0, 0, 0], output_shape=[6, 7]), MAP, {"w": ONES[:3]},
     "error[frontend.attribute]: ConvTranspose has pads [1, 0, 0, 0]"),
    (node("MaxPool", "x", kernel_shape=[2]), MAP, {},
     "error[frontend.attribute]: attribute 'kernel_shape' of MaxPool is [2]"),
    (node("MaxPool", "x", kernel_shape=[2, 2], pads=[0, 2, 0, 0]), MAP, {},
     "error[frontend.shape]: the operands of MaxPool do not fit: real[5, 6, 3]"),
    (node("AveragePool", "x", kernel_shape=[2, 2], pads=[0, 2, 0, 0]), MAP, {},
     "error[frontend.shape]: the operands of AveragePool do not fit: real[5, 6, 3]"),
    (node("AveragePool", "x", kernel_shape=[2, 2], count_include_pad=2), MAP, {},
     "error[frontend.attribute]: attribute 'count_include_pad' is 2"),
    (node("LpPool", "x", kernel_shape=[2, 2]), MAP, {},
     "error[frontend.unsupported-op]: operator LpPool is not supported"),
    (node("GlobalAveragePool", "x"), {"x": (6,)}, {},
     "error[frontend.shape]: GlobalAveragePool of the shape [6]"),
    (node("ReduceMean", "x"), MAP, {},
     "error[frontend.batch-axis]: ReduceMean works along axis 0, the batch axis"),
    (node("ReduceMean", "x", axes=[4]), MAP, {},
     "error[frontend.axis]: attribute 'axis' of ReduceMean is 4"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "inputs", "constants", "first"), REFUSED)
def test_refused(made: Any, inputs: Any, constants: Any, first: str, tmp_path: Path) -> None:
    text = refused(model([made], inputs, constants), tmp_path)
    assert text.startswith(first), text
    assert "\n  fix  " in text


def test_indices_of_max_pool_are_refused_where_they_are_read(tmp_path: Path) -> None:
    made = node("MaxPool", "x", "y i", kernel_shape=[2, 2])
    proto = model([made], MAP, outputs=("y", "i"), kinds={"i": T.INT64})
    text = refused(proto, tmp_path)
    assert text.startswith("error[frontend.unsupported-output]: the indices of MaxPool are read")
    imported = load(model([made], MAP), tmp_path)
    assert any(isinstance(n.op, MaxPool) for n in imported.graph)
