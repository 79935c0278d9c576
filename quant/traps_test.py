"""Traps of docs/traps.md that one operator can show: ONNX against the integers, code for code.

onnxruntime computes each model; constants are dyadic, so that float32 holds every number and the
results must be the same. Random configurations are in frontend/conv_test.py, whole networks in
networks_test.py and qonnx_networks_test.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from gatesmith.codegen.fold import Target
from gatesmith.codegen.fold_options import MAX_WIDTH
from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.model_test import T, model, node
from gatesmith.ir import Graph, Values
from gatesmith.ir.check import check
from gatesmith.ir.execute import execute
from gatesmith.pipeline import compile_model, silent
from gatesmith.quant.flip_falling import flip_falling
from gatesmith.quant.lower import lower
from gatesmith.rtl_tests.vectors import to_model, to_stream

FRAMES = 12
Given = Mapping[str, Any]


def weights(*shape: int, seed: int = 0) -> Any:
    """Multiples of 1/4, so small that float32 sums are exact."""
    return (np.random.default_rng(seed).integers(-7, 8, shape) / 4).astype(np.float32)


QUANTIZERS: Given = {"s": 0.5, "z": np.array(3, np.int8), "t": 0.25, "u": np.array(-5, np.int8)}


def coded(
    nodes: list[Any], shape: tuple[int | str, ...], constants: Given, quantize: bool = False
) -> onnx.ModelProto:
    """``x``, quantized, through nodes from ``q`` to ``r``; the end with a quantizer, or without."""
    nodes = [node("QuantizeLinear", "x s z", "c"), node("DequantizeLinear", "c s z", "q"), *nodes]
    last = node("QuantizeLinear", "r t u") if quantize else node("Identity", "r")
    kinds = {"y": T.INT8 if quantize else T.FLOAT}
    return model([*nodes, last], {"x": shape}, {**QUANTIZERS, **constants}, kinds=kinds)


def equals_onnxruntime(proto: onnx.ModelProto, folder: Path) -> Graph:
    """The integer graph; all of its outputs mean what onnxruntime computes, exactly."""
    onnxruntime = pytest.importorskip("onnxruntime")
    path = folder / "trap.onnx"
    proto.ir_version = min(proto.ir_version, 10)
    onnx.save(proto, path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # no warnings of constants that are not used
    session = onnxruntime.InferenceSession(str(path), options)
    (given,) = session.get_inputs()
    rng = np.random.default_rng(5)
    x = (rng.integers(-80, 80, (FRAMES, *given.shape[1:])) / 4).astype(np.float32)
    theirs = [session.run(None, {given.name: frame[None]}) for frame in x]

    real = import_model(path).graph
    found = lower(real, path.name)
    graph = flip_falling(found.graph)
    (port,) = found.inputs
    (quantizer,) = (n for n in real if n.name == port.host_quantizer)
    shape = next(n.type.shape for n in graph if n.name == port.node)
    given_x: dict[str, Values] = {port.real_node: x.astype(np.float64)}
    codes = execute(Graph((quantizer,)), given_x)[quantizer]
    stream = to_stream(codes, port.axes).reshape(FRAMES, *shape).astype(np.int64)
    check(graph, "lower", {port.node: stream})
    results = execute(graph, {port.node: stream})
    for k, (output, end) in enumerate(zip(graph.outputs, found.outputs, strict=True)):
        meaning, axes = output.meaning, end.axes or range(len(end.shape))
        y = results[output] if meaning is None else meaning.real(results[output].astype(np.int64))
        y = to_model(y.reshape(FRAMES, *(end.shape[axis] for axis in axes)), end.axes)
        expected = np.concatenate([their[k] for their in theirs])
        np.testing.assert_array_equal(y.reshape(expected.shape), expected)
    return graph


# ---- 1, 2, 8: convolutions -----------------------------------------------------------------------

CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], Given]] = {
    # trap 1: an effective kernel of (k - 1) * d + 1
    "dilated": ((2, 9, 11), (3, 2, 3, 2), {"dilations": [2, 3]}),
    "dilated_and_strided": ((2, 9, 8), (3, 2, 2, 3), {"dilations": [3, 2], "strides": [2, 1]}),
    "dilated_to_one": ((1, 5, 7), (2, 1, 3, 3), {"dilations": [2, 3]}),
    "dilated_1d": ((2, 13), (3, 2, 3), {"dilations": [4], "pads": [4, 4]}),
    "dilated_depthwise": ((4, 7, 7), (4, 1, 3, 3), {"dilations": [2, 2], "group": 4}),
    # trap 2: group
    "depthwise": ((5, 4, 4), (5, 1, 3, 3), {"group": 5, "pads": [1, 1, 1, 1]}),
    "depthwise_1d": ((3, 8), (3, 1, 3), {"group": 3}),
    "depth_multiplier": ((3, 4, 5), (9, 1, 2, 2), {"group": 3}),
    "grouped": ((6, 4, 4), (4, 3, 3, 3), {"group": 2}),
    "grouped_1x1": ((6, 3, 3), (9, 2, 1, 1), {"group": 3}),
    # trap 8: pads
    "asymmetric": ((2, 5, 4), (3, 2, 3, 3), {"pads": [0, 2, 1, 1], "strides": [2, 1]}),
    "asymmetric_1d": ((2, 7), (3, 2, 4), {"pads": [3, 1], "strides": [2]}),
    "larger_than_the_map": ((2, 3, 2), (3, 2, 7, 5), {"pads": [3, 2, 3, 2]}),
    "larger_1d": ((2, 4), (2, 2, 9), {"pads": [4, 4]}),
    "same_upper": ((2, 5, 6), (3, 2, 2, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "same_lower": ((2, 5, 6), (3, 2, 2, 3), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    "same_upper_1d": ((2, 6), (3, 2, 4), {"auto_pad": "SAME_UPPER"}),
    "same_lower_1d": ((2, 6), (3, 2, 4), {"auto_pad": "SAME_LOWER"}),
    "valid": ((2, 5, 6), (3, 2, 2, 3), {"auto_pad": "VALID", "strides": [2, 2]}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name: str, tmp_path: Path) -> None:
    shape, kernel, attributes = CONVOLUTIONS[name]
    constants = {"w": weights(*kernel), "b": weights(kernel[0])}
    nodes = [node("Conv", "q w b", "r", **attributes)]
    equals_onnxruntime(coded(nodes, (1, *shape), constants), tmp_path)


# ---- 3: pools ------------------------------------------------------------------------------------

STATED: Given = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 1, 1, 0]}
POOLS: dict[str, tuple[str, Given]] = {
    "one_pixel_of_two": ("MaxPool", {"kernel_shape": [1, 1], "strides": [2, 2]}),
    "one_pixel_average": ("AveragePool", {"kernel_shape": [1, 1], "strides": [2, 2]}),
    "does_not_divide": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "ceil": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "ceil_average": ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "excluded": ("AveragePool", {**STATED, "count_include_pad": 0}),
    "counted": ("AveragePool", {**STATED, "count_include_pad": 1}),
    "by_default": ("AveragePool", STATED),
    "dilated": ("MaxPool", {"kernel_shape": [2, 2], "dilations": [3, 2]}),
    "global_average": ("GlobalAveragePool", {}),
    "global_max": ("GlobalMaxPool", {}),
}


@pytest.mark.parametrize("name", POOLS)
def test_pool(name: str, tmp_path: Path) -> None:
    """Means of up to 9, and of 35: but for exact ones none is a tie of the quantizer."""
    op, attributes = POOLS[name]
    proto = coded([node(op, "q", "r", **attributes)], (1, 3, 5, 7), {}, quantize=True)
    equals_onnxruntime(proto, tmp_path)


# ---- 9: batch norm -------------------------------------------------------------------------------


def test_batch_norm_with_negative_and_zero_gamma(tmp_path: Path) -> None:
    rows = {
        "gamma": np.array([1, -1, 0, -0.5, 0], np.float32),
        "beta": np.array([0.5, -1, 2.25, 0, -0.75], np.float32),
        "mean": np.array([1, -3, 0.5, 0.25, 9], np.float32),
        "var": np.array([1, 4, 0.25, 16, 1], np.float32),
    }
    norm = node("BatchNormalization", "h gamma beta mean var", "r", epsilon=0.0)
    constants = {"w": weights(5, 2, 2, 2), **rows}
    proto = coded([node("Conv", "q w", "h"), norm], (1, 2, 4, 4), constants, quantize=True)
    equals_onnxruntime(proto, tmp_path)


# ---- 11: orders of axes --------------------------------------------------------------------------

ORDERS: dict[str, list[Any]] = {
    "flatten": [node("Flatten", "h", "f"), node("Gemm", "f m g", "r", transB=1)],
    "channels_last": [
        node("Transpose", "h", "l", perm=[0, 2, 3, 1]),
        node("Reshape", "l flat", "f"),
        node("Gemm", "f m g", "r", transB=1),
    ],
    "rows_and_columns": [
        node("Transpose", "h", "l", perm=[0, 1, 3, 2]),
        node("Flatten", "l", "f"),
        node("Gemm", "f m g", "r", transB=1),
    ],
    "no_flatten": [node("Reshape", "h folded", "f"), node("MatMul", "f small", "r")],
    "turned_map": [
        node("Transpose", "h", "l", perm=[0, 1, 3, 2]),
        node("Conv", "l kernel", "r", pads=[1, 0, 0, 1]),
    ],
    "channels_become_rows": [
        node("Transpose", "h", "l", perm=[0, 2, 1, 3]),
        node("Conv", "l across", "r"),
    ],
    "regrouped": [node("Reshape", "h wider", "l"), node("Conv", "l pairs", "r")],
}
AFTER: Given = {
    "m": weights(5, 36, seed=1),
    "g": weights(5),
    "flat": [-1, 36],
    "folded": [0, 9, 4],
    "small": weights(4, 2, seed=2),
    "kernel": weights(2, 3, 2, 2, seed=3),
    "across": weights(2, 3, 2, 2, seed=4),
    "wider": [0, 2, 9, 2],
    "pairs": weights(3, 2, 2, 2, seed=5),
}


@pytest.mark.parametrize("name", ORDERS)
def test_order_of_axes_behind_a_convolution(name: str, tmp_path: Path) -> None:
    """Behind a map of 3 channels, 3 rows and 4 columns."""
    between = [node("QuantizeLinear", "k s z", "h8"), node("DequantizeLinear", "h8 s z", "h")]
    nodes = [node("Conv", "q w", "k"), *between, *ORDERS[name]]
    read = {operand for made in nodes for operand in made.input}
    constants = {"w": weights(3, 2, 2, 2)} | {k: v for k, v in AFTER.items() if k in read}
    equals_onnxruntime(coded(nodes, (1, 2, 4, 5), constants), tmp_path)


# ---- 13: how files are put together --------------------------------------------------------------


def test_weights_shared_as_initializer_input_and_constant_node(tmp_path: Path) -> None:
    """One kernel read three times, once turned into a Constant node; outputs that are read on."""
    kernel = weights(2, 2, 3, 3)
    again = {"s": 0.5, "z": np.array(3, np.int8)}
    nodes = [
        node("Conv", "q w", "h", pads=[1, 1, 1, 1]),
        node("QuantizeLinear", "h s z", "h8"),
        node("DequantizeLinear", "h8 s z", "hq"),
        node("Constant", "", "v", value=onnx.numpy_helper.from_array(kernel)),
        node("Conv", "hq v", "a", pads=[1, 1, 1, 1]),
        node("Conv", "hq w", "b", pads=[1, 1, 1, 1]),
        node("Add", "a b", "r"),
        node("Relu", "r", "unused"),
    ]
    proto = coded(nodes, ("batch size", 2, 4, 3), {"w": kernel, **again})
    info = onnx.helper.make_tensor_value_info
    proto.graph.input.append(info("w", T.FLOAT, kernel.shape))
    proto.graph.output.append(info("hq", T.FLOAT, None))
    proto.graph.output.append(info("h", T.FLOAT, None))
    graph = equals_onnxruntime(proto, tmp_path)

    assert len(graph.outputs) == 3


# ---- 16: what is hardly there --------------------------------------------------------------------

ZERO = np.zeros((3, 2, 3, 3), np.float32)
HARDLY: dict[str, tuple[tuple[int, ...], list[Any], Given]] = {
    "no_weight_at_the_end": ((2, 5, 5), [node("Conv", "q w", "r")], {"w": ZERO}),
    "no_weight_inside": (
        (2, 5, 5),
        [node("Conv", "q w b", "h"), node("Relu", "h", "i"), node("Conv", "i v", "r")],
        {"w": ZERO, "b": weights(3), "v": weights(2, 3, 1, 1)},
    ),
    "a_constant_joined": (
        (3, 5, 5),
        [
            node("Conv", "q w b", "h"),
            node("QuantizeLinear", "h s z", "h8"),
            node("DequantizeLinear", "h8 s z", "i"),
            node("Add", "i q", "r"),
        ],
        {"w": np.zeros((3, 3, 1, 1), np.float32), "b": weights(3)},
    ),
    "one_of_everything": (
        (1, 1, 1),
        [node("Conv", "q w", "h"), node("Flatten", "h", "f"), node("Gemm", "f v", "r")],
        {"w": weights(1, 1, 1, 1), "v": weights(1, 1, seed=1)},
    ),
    "one_pixel_padded": (
        (1, 1, 1),
        [node("Conv", "q w", "r", pads=[1, 1, 1, 1])],
        {"w": weights(1, 1, 3, 3)},
    ),
    "only_an_activation": ((3, 2, 2), [node("Relu", "q", "r")], {}),
    "only_a_leak": ((3, 2), [node("LeakyRelu", "q", "r", alpha=0.25)], {}),
    "only_a_turn": (
        (3, 2, 4),
        [node("Slice", "q last before two last", "r")],
        {"last": [-1], "before": [-99], "two": [2]},
    ),
    "one_channel": (
        (1, 4, 5),
        [node("Conv", "q w", "h"), node("MaxPool", "h", "r", kernel_shape=[2, 2])],
        {"w": weights(1, 1, 2, 2)},
    ),
    "primes": (
        (7, 5, 3),
        [node("Conv", "q w", "h"), node("Conv", "h v", "r", pads=[1, 0, 1, 0])],
        {"w": weights(13, 7, 2, 3), "v": weights(11, 13, 3, 1, seed=1)},
    ),
}


@pytest.mark.parametrize("name", HARDLY)
def test_what_is_hardly_there(name: str, tmp_path: Path) -> None:
    shape, nodes, constants = HARDLY[name]
    equals_onnxruntime(coded(nodes, (1, *shape), constants), tmp_path)


def test_one_class(tmp_path: Path) -> None:
    nodes = [node("Flatten", "q", "f"), node("Gemm", "f w", "h"), node("ArgMax", "h", "r", axis=1)]
    proto = coded(nodes, (1, 1, 2, 3), {"w": weights(6, 1)})
    proto.graph.output[0].type.tensor_type.elem_type = T.INT64
    equals_onnxruntime(proto, tmp_path)


@pytest.mark.parametrize("outputs", [("y", "k"), ("k",)])
def test_constant_output_is_refused(outputs: tuple[str, ...], tmp_path: Path) -> None:
    proto = coded([node("Conv", "q w", "r"), node("Relu", "v", "k")], (1, 2, 3, 3),
                  {"w": weights(2, 2, 2, 2), "v": weights(1, 4)})  # fmt: skip
    del proto.graph.output[:]
    for name in outputs:
        proto.graph.output.append(onnx.helper.make_tensor_value_info(name, T.FLOAT, None))
    onnx.save(proto, tmp_path / "trap.onnx")
    with pytest.raises(UserError) as raised:
        lower(import_model(tmp_path / "trap.onnx").graph, "trap.onnx")

    assert raised.value.code == "quant.constant-output"


# ---- 17, 18: what no tool digests ----------------------------------------------------------------

WIDE = 1 << 17
"""Channels of a byte: a million bits."""

ACROSS: dict[str, list[Any]] = {
    "relu": [node("Relu", "q", "r")],
    "join": [
        node("Relu", "q", "h"),
        node("QuantizeLinear", "h s z", "h8"),
        node("DequantizeLinear", "h8 s z", "i"),
        node("Add", "i k", "r"),
    ],
    "max_pool": [node("MaxPool", "q", "r", kernel_shape=[1, 2])],
    "concat": [node("Concat", "q q", "r", axis=1)],
    "flip": [node("Slice", "q a b a a", "r")],
}


@pytest.mark.parametrize(
    ("name", "cycles"),
    [*((name, 2) for name in ACROSS), ("relu", None), ("max_pool", None), ("flip", None)],
)
def test_wide_vectors_are_folded_or_refused(name: str, cycles: int | None, tmp_path: Path) -> None:
    backwards = {"a": [-1], "b": [-99]} if name == "flip" else {}
    nodes = ACROSS[name]
    if name == "join":  # of two inputs, so that it is no function of one
        nodes = [*nodes[:3], node("DequantizeLinear", "k8 s z", "k"), nodes[3]]
    proto = coded(nodes, (1, WIDE, 1, 2), backwards)
    if name == "join":
        shape = (1, WIDE, 1, 2)
        proto.graph.input.append(onnx.helper.make_tensor_value_info("k8", T.INT8, shape))
    onnx.save(proto, tmp_path / "trap.onnx")
    try:
        compiled = compile_model(tmp_path / "trap.onnx", Target(cycles), None, silent)
    except UserError as error:
        assert cycles is not None, error
        assert error.code in {"codegen.too-wide", "codegen.target"}, error
        return
    streams = [x for stage in compiled.plan.stages for x in (*stage.sources, *stage.sinks)]
    assert max(stream.width for stream in streams) <= MAX_WIDTH
