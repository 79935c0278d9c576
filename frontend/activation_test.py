"""Activation functions and normalizations: what others compute, to float32 rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gatesmith.frontend.model_test import NEWEST, load, model, node, refused
from gatesmith.frontend.oracle_test import same
from gatesmith.ops.clip import Clip

X2, X3, X4 = {"x": (1, 6)}, {"x": (1, 3, 5)}, {"x": (1, 4, 3, 5)}
RNG = np.random.default_rng(5)


def f32(*shape: int) -> Any:
    return (RNG.integers(-20, 20, shape) / 16).astype(np.float32)


def case(
    name: str,
    opsets: tuple[int, ...],
    made: Any,
    inputs: Any = X3,
    skip: str = "",
    **constants: Any,
) -> Any:
    nodes = made if isinstance(made, list) else [made]
    return [
        pytest.param(model(nodes, inputs, constants, opset=opset), skip, id=f"{name}-{opset}")
        for opset in opsets
    ]


CASES = [
    *case("leaky", (7, 16), node("LeakyRelu", "x")),
    *case("leaky_slope", (7, 16), node("LeakyRelu", "x", alpha=-1.5)),
    *case("prelu", (7, 9, 16), node("PRelu", "x s"), s=f32(3, 1)),
    *case("prelu_one", (16,), node("PRelu", "x s"), s=f32(1)),
    *case("prelu_batch", (16,), node("PRelu", "x s"), s=f32(1, 3, 5)),
    *case("abs", (7, 13), node("Abs", "x")),
    *case("neg", (7, 13), node("Neg", "x")),
    *case("hard_sigmoid", (7, 21), node("HardSigmoid", "x")),
    *case("hard_sigmoid_given", (13,), node("HardSigmoid", "x", alpha=1 / 6, beta=0.25)),
    *case("hard_sigmoid_plain", (13,), node("HardSigmoid", "x", alpha=1.0, beta=0.0)),
    *case("hard_swish", (14, 21), node("HardSwish", "x")),
    *case("silu", (13,), [node("Sigmoid", "x", "s"), node("Mul", "x s")]),
    *case("sigmoid", (7, 13), node("Sigmoid", "x")),
    *case("tanh", (7, 13), node("Tanh", "x")),
    *case("elu", (7, 21), node("Elu", "x")),
    *case("elu_given", (7, 21), node("Elu", "x", alpha=-0.75)),
    *case("selu", (7, 21), node("Selu", "x")),
    *case("selu_given", (7,), node("Selu", "x", alpha=0.5, gamma=2.0)),
    *case("celu", (12, 21), node("Celu", "x")),
    *case("celu_given", (12,), node("Celu", "x", alpha=2.5)),
    *case("celu_negative", (12,), node("Celu", "x", alpha=-2.0), skip="reference"),
    *case("softplus", (7, 21), node("Softplus", "x")),
    *case("softsign", (7, 21), node("Softsign", "x")),
    *case("mish", (18, 21), node("Mish", "x")),
    *case("swish", (24,), node("Swish", "x"), skip="onnxruntime"),
    *case("swish_given", (24,), node("Swish", "x", alpha=0.5), skip="onnxruntime"),
    *case("gelu", (20,), node("Gelu", "x")),
    *case("gelu_tanh", (20,), node("Gelu", "x", approximate="tanh")),
    *case("erf", (9, 13), node("Erf", "x")),
    *case("exp", (7, 13), node("Exp", "x")),
    *case("thresholded", (10, 21), node("ThresholdedRelu", "x")),
    *case("thresholded_given", (10,), node("ThresholdedRelu", "x", alpha=-0.5)),
    *case("thresholded_zero", (10,), node("ThresholdedRelu", "x", alpha=0.0)),
    *(entry for op in ("Floor", "Ceil", "Sin", "Cos", "Tan", "Atan") for entry in
      case(op, (7, 13), node(op, "x"))),
    *(entry for op in ("Round", "Sinh", "Cosh", "Asinh") for entry in
      case(op, (11, 21), node(op, "x"))),
    *case("pow", (7, 12, 13), node("Pow", "x p"), p=3.0),
    *case("pow_one", (13,), [node("Relu", "x", "r"), node("Pow", "r p")],
          p=np.array([1.0], np.float32)),
    *case("pow_integer", (13,), node("Pow", "x p"), p=2),
    *case("max", (7,), node("Max", "x z"), {"x": (1, 6), "z": (1, 6)}),
    *case("max_three", (8, 13), node("Max", "x z c"), {"x": (1, 3, 6), "z": (1, 1, 6)},
          c=f32(3, 1)),
    *case("max_scalar", (8, 13), node("Max", "c x"), c=0.5),
    *case("max_one", (13,), [node("Relu", "x", "r"), node("Max", "r")]),
    *case("max_wide", (13,), node("Max", "x c"), {"x": (1, 1, 6)},
          c=np.ones((1, 4, 1), np.float32)),
    *case("min", (8, 13), node("Min", "x z c"), {"x": (1, 6), "z": (1, 6)}, c=f32(6)),
    *case("min_scalar", (8,), node("Min", "x c d"), c=0.5, d=0.25),
    *case("sum", (7,), node("Sum", "x z x"), {"x": (1, 6), "z": (1, 6)}),
    *case("sum_spread", (8, 13), node("Sum", "x z c"), {"x": (1, 3, 6), "z": (1, 1, 6)},
          c=f32(3, 1)),
    *case("mean", (7,), node("Mean", "x z"), {"x": (1, 6), "z": (1, 6)}),
    *case("mean_three", (8, 13), node("Mean", "x c x"), c=f32(3, 1)),
    *case("logsoftmax", (7, 11), node("LogSoftmax", "x"), skip="reference"),
    *case("logsoftmax_axis", (13,), node("LogSoftmax", "x", axis=1)),
    *case("logsoftmax_default", (13,), node("LogSoftmax", "x")),
    *case("layer", (17,), node("LayerNormalization", "x g b"), X4, g=f32(5), b=f32(5)),
    *case("layer_two", (17,), node("LayerNormalization", "x g b", axis=2, epsilon=0.1), X4,
          g=f32(3, 5), b=f32(3, 5)),
    *case("layer_all", (17,), node("LayerNormalization", "x g", axis=1), X4, g=f32(4, 3, 5)),
    *case("layer_spread", (17,), node("LayerNormalization", "x g", axis=-2), X4, skip="onnxruntime",
          g=f32(1, 5)),
    *case("instance", (7, 21), node("InstanceNormalization", "x g b", epsilon=0.01), X4,
          g=f32(4), b=f32(4)),
    *case("instance3", (13,), node("InstanceNormalization", "x g b"), X3, g=f32(3), b=f32(3)),
    *case("group21", (21,), node("GroupNormalization", "x g b", num_groups=2, epsilon=0.1), X4,
          g=f32(4), b=f32(4)),
    *case("where", (9, 16), node("Where", "c x z"), {"x": (1, 3), "z": (1, 3)},
          c=np.array([[True, False, True]])),
    *case("where_constant", (13,), node("Where", "c k x"), {"x": (1, 1, 3)},
          c=np.array([[[True], [False]]]), k=f32(3)),
]  # fmt: skip


@pytest.mark.parametrize(("proto", "skip"), CASES)
def test_computes_as_others_do(proto: Any, skip: str, tmp_path: Path) -> None:
    same(proto, tmp_path, skip=skip, tolerance=1e-5)


def positive(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.abs(x) + 0.125)


def unit(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(x / 6)


DOMAINS = [
    ("Log", 7, positive),
    ("Sqrt", 7, positive),
    ("Reciprocal", 7, positive),
    ("Asin", 7, unit),
    ("Acos", 7, unit),
    ("Atanh", 9, unit),
    ("Acosh", 9, lambda x: positive(x) + 1),
]


@pytest.mark.parametrize(("op", "since", "near"), DOMAINS)
def test_on_their_domains(op: str, since: int, near: Any, tmp_path: Path) -> None:
    for opset in (since, 13):
        proto = model([node(op, "x")], X3, opset=opset)
        same(proto, tmp_path, near=near, tolerance=1e-5)


@pytest.mark.parametrize("exponent", [2.0, 5.0, 8.0, -1.0, -3.0, 0.5, -0.5])
def test_powers(exponent: float, tmp_path: Path) -> None:
    proto = model([node("Pow", "x p")], X3, {"p": exponent})
    same(proto, tmp_path, near=positive, tolerance=1e-5)


def test_limits_of_max_and_min_become_clips(tmp_path: Path) -> None:
    nodes = [node("Max", "x c", "m"), node("Min", "m d")]
    imported = load(model(nodes, X3, {"c": 0.0, "d": np.array([[[6.0]]], np.float32)}), tmp_path)
    ops = [n.op for n in imported.graph]
    assert ops[1:] == [Clip(0.0, float("inf")), Clip(-float("inf"), 6.0)]


REFUSED = [
    (node("PRelu", "x s"), X2, {"s": f32(2, 6)}, 16,
     "error[frontend.shape]: the slope of PRelu has the shape [2, 6]"),
    (node("PRelu", "x z"), {"x": (1, 6), "z": (1, 6)}, {}, 16,
     "error[frontend.dynamic-parameter]: the slope of PRelu depends on the input of the network"),
    (node("Celu", "x", alpha=0.0), X2, {}, 13, "error[frontend.attribute]: alpha of Celu is 0"),
    (node("Gelu", "x", approximate="fast"), X2, {}, 20,
     "error[frontend.attribute]: approximate of Gelu is 'fast'"),
    (node("Pow", "x p"), X2, {"p": 2.5}, 13, "error[frontend.exponent]: Pow has the exponent 2.5"),
    (node("Pow", "x p"), X2, {"p": 0.0}, 13, "error[frontend.exponent]: Pow has the exponent 0"),
    (node("Pow", "x p"), X2, {"p": f32(6) * 0 + np.arange(6, dtype=np.float32)}, 13,
     "error[frontend.exponent]: Pow has the exponent 0, 1, 2, 3, 4, 5"),
    (node("Pow", "c x"), X2, {"c": 2.0}, 13,
     "error[frontend.constant-operand]: the data input of Pow, 'c', is a constant"),
    (node("Max", "x c"), X2, {"c": np.ones((4, 6), np.float32)}, 13,
     "error[frontend.batch-axis]: Max spreads the batch over an axis of 4"),
    (node("LayerNormalization", "x g", axis=0), X2, {"g": f32(1, 6)}, 17,
     "error[frontend.batch-axis]: LayerNormalization works along axis 0, the batch axis"),
    (node("LayerNormalization", "x g", epsilon=0.0), X2, {"g": f32(6)}, 17,
     "error[frontend.variance]: epsilon of LayerNormalization is 0"),
    (node("LayerNormalization", "x g", stash_type=7), X2, {"g": f32(6)}, 17,
     "error[frontend.attribute]: stash_type of LayerNormalization is INT64"),
    (node("LayerNormalization", "x g", "z y"), X2, {"g": f32(6)}, 17,
     "error[frontend.unsupported-output]: mean or deviation of LayerNormalization are read"),
    (node("LayerNormalization", "x g"), X2, {"g": f32(5)}, 17,
     "error[frontend.shape]: the scale of LayerNormalization has the shape [5]"),
    (node("InstanceNormalization", "x g g"), X3, {"g": f32(4)}, 13,
     "error[frontend.shape]: the scale of InstanceNormalization has the shape [4]"),
    (node("InstanceNormalization", "x g g"), X2, {"g": f32(6)}, 13,
     "error[frontend.shape]: InstanceNormalization of the shape [1, 6]"),
    (node("GroupNormalization", "x g g", num_groups=3), X4, {"g": f32(4)}, 21,
     "error[frontend.shape]: GroupNormalization of 4 channels in 3 groups"),
]  # fmt: skip


@pytest.mark.parametrize("entry", REFUSED, ids=lambda e: e[4][6:48])
def test_refused(entry: Any, tmp_path: Path) -> None:
    made, inputs, constants, opset, first = entry
    text = refused(model([made], inputs, constants, opset=opset), tmp_path)
    assert text.splitlines()[0] == first


def test_newest_opset_is_taken(tmp_path: Path) -> None:
    for op in ("Tanh", "Elu", "HardSwish", "Softplus", "Abs"):
        same(model([node(op, "x")], X3, opset=NEWEST), tmp_path, skip="onnxruntime", tolerance=1e-5)
