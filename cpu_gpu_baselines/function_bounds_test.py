"""The bounds of functions and windows against onnxruntime, which evaluates them its own way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gatesmith.cpu_gpu_baselines.bounded import Bounded
from gatesmith.cpu_gpu_baselines.error_bound import constant, known, step
from gatesmith.cpu_gpu_baselines.error_bound_test import F32, apply, exactly
from gatesmith.ir import Array, Node, Op, Real, Reals, TensorType
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.concat import Concat
from gatesmith.ops.conv import Conv
from gatesmith.ops.function import FLOAT64, Function
from gatesmith.ops.input import Input
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.pad import Pad
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.select import Select
from gatesmith.ops.take import Take

OPSET = 18
RNG = np.random.default_rng(11)


def onnxruntime(kind: str, x: NDArray[Any], *constants: NDArray[Any], **given: Any) -> Any:
    """One ONNX node, in float32."""
    ort = pytest.importorskip("onnxruntime")
    value = helper.make_tensor_value_info
    names = [f"c{i}" for i in range(len(constants))]
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", *names], ["y"], **given)],
        "g",
        [value("x", TensorProto.FLOAT, x.shape)],
        [value("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(c, n) for n, c in zip(names, constants, strict=True)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def moved(x: NDArray[Any], by: float) -> Bounded:
    """A tensor that the runtime has wrong by up to ``by``; ``x`` is the runtime's."""
    value: Reals = x.astype(np.float64) + RNG.uniform(-by, by, x.shape)
    return known(value, x, np.full(x.shape, by), None)


def arguments(kind: str) -> NDArray[Any]:
    x = np.concatenate([RNG.normal(0, s, 4000) for s in (0.01, 1, 8, 30)]).astype(F32)
    if kind in ("log", "sqrt"):
        return np.abs(x) + F32(0.01)
    if kind in ("asin", "acos", "atanh"):
        return x.clip(-0.99, 0.99)
    if kind == "acosh":
        return np.abs(x) + F32(1.01)
    if kind == "reciprocal":
        return np.where(np.abs(x) < 0.01, F32(1), x).astype(F32)
    return x


@pytest.mark.parametrize("by", [0.0, 1e-4])
@pytest.mark.parametrize("kind", sorted(FLOAT64))
def test_functions_hold(kind: str, by: float) -> None:
    x = arguments(kind)[np.newaxis]
    bound = apply(Function(kind), moved(x, by), tensor="y")
    runtime = (x > 0).astype(F32) if kind == "step" else onnxruntime(kind.capitalize(), x)

    assert runtime.dtype == F32
    assert (np.abs(runtime - bound.value) <= bound.error).all()
    finite = np.isfinite(bound.error)
    assert finite.mean() > 0.8
    if not by:
        assert bound.error[finite].max() <= 2e-5 * (1 + np.abs(bound.value[finite]).max())


def test_functions_without_a_bound() -> None:
    near = Bounded(np.array([[1e-6]]), np.array([[1e-5]]), np.array([[1.1e-5]]))
    assert all(
        apply(Function(kind), near).error == np.inf for kind in ("log", "sqrt", "reciprocal")
    )
    pole = Bounded(np.array([[1.5707]]), np.array([[1e-3]]), np.array([[1.6]]))
    assert apply(Function("tan"), pole).error == np.inf
    assert apply(Function("cosh"), near).error > 0


@pytest.mark.parametrize("slope", [0.1, -1.0, -3.0, 0.0])
def test_leaky_relu_holds(slope: float) -> None:
    x = RNG.normal(0, 1e-3, (20, 300)).astype(F32)
    op = LeakyRelu(Array(float(F32(slope))))
    bound = apply(op, moved(x, 1e-4), tensor="y")
    runtime = onnxruntime("LeakyRelu", x, alpha=slope)

    assert (np.abs(runtime - bound.value) <= bound.error).all()
    if slope == -1.0:
        assert not apply(op, grid(np.rint(1000 * x), 1.0)).error.any()


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_layer_norm_holds(offset: float) -> None:
    x = (RNG.normal(0, 1, (50, 64)) + offset).astype(F32)
    bound = apply(LayerNorm(float(F32(1e-5))), moved(x, 1e-5), tensor="y")
    ones = np.ones(64, F32)
    runtime = onnxruntime("LayerNormalization", x, ones)

    assert (np.abs(runtime - bound.value) <= bound.error).all()
    assert bound.error.max() < (1e-2 if offset == 0.0 else 1.0)


def test_windows_hold_and_integers_are_exact() -> None:
    x = RNG.normal(0, 1, (3, 8, 9, 4)).astype(F32)
    w = RNG.normal(0, 1, (6, 2, 3, 3)).astype(F32)  # O, C / group, rows, columns
    op = Conv((1, 2), (1, 0, 2, 1), (1, 1), 2)
    last, taps = w.transpose(2, 3, 1, 0), x.transpose(0, 3, 1, 2)
    given: Any = {"strides": [1, 2], "pads": [1, 0, 2, 1], "group": 2}
    runtime = onnxruntime("Conv", taps, w, **given).transpose(0, 2, 3, 1)
    bound = apply_to(op, exactly(x), constant(last.astype(np.float64), last))

    assert (np.abs(runtime - bound.value) <= bound.error).all()
    assert 0 < bound.error.max() < 1e-4

    codes, weights = np.rint(8 * x), np.rint(4 * last)
    whole = apply_to(op, grid(codes, 1.0), constant(weights, weights.astype(F32)))
    assert whole.exact and not whole.error.any()


@pytest.mark.parametrize("counted", [0, 1])
def test_pools_hold(counted: int) -> None:
    x = RNG.normal(0, 1, (3, 8, 9, 4)).astype(F32)
    taps = x.transpose(0, 3, 1, 2)
    pads = (1, 0, 1, 1)
    mean = AveragePool((3, 2), (2, 1), pads, pads if counted else (0, 0, 0, 0))
    given: Any = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": pads}
    cases = [
        (apply_to(mean, moved(x, 1e-4)), ("AveragePool", {"count_include_pad": counted})),
        (apply_to(MaxPool((3, 2), (2, 1), pads), moved(x, 1e-4)), ("MaxPool", {})),
    ]
    for bound, (kind, more) in cases:
        runtime = onnxruntime(kind, taps, **given, **more).transpose(0, 2, 3, 1)
        assert (np.abs(runtime - bound.value) <= bound.error).all()
    assert not apply_to(MaxPool((2, 2)), grid(np.rint(x), 1.0)).error.any()
    quarter = apply_to(AveragePool((2, 2), (1, 1), (0,) * 4, (0,) * 4), grid(np.rint(x), 1.0))
    assert quarter.exact and quarter.grid == 0.25


@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min"])
def test_reductions_hold(kind: Any) -> None:
    x = RNG.normal(0, 1, (3, 50, 4)).astype(F32)
    bound = apply_to(Reduce(kind), moved(x, 1e-4))
    runtime = onnxruntime(f"Reduce{kind.capitalize()}", x, np.array([1]), keepdims=0)

    assert (np.abs(runtime - bound.value) <= bound.error).all()


def test_moves_and_selections_keep_what_is_known() -> None:
    x = moved(RNG.normal(0, 1, (3, 4, 5)).astype(F32), 1e-4)
    half = grid(RNG.integers(-9, 9, (3, 4, 5)) / 2, 0.5)

    taken = apply_to(Take(1, Array([4, 0])), x)
    assert (taken.carried == x.carried[:, :, [4, 0]]).all()
    around = apply_to(Pad((0, 1), (0, 0), (1, 0), 0.25), half)
    assert around.value.shape == (3, 7, 6) and around.grid == 0.25
    assert apply_to(Pad((0, 1), (0, 0), (1, 0), 0.0), half).grid == 0.5
    assert not apply_to(Pad((0, 1), (0, 0), (0, 0), 3.0), x).carried[:, :, 0].any()
    joined = apply_to(Concat(0), x, half)
    assert joined.grid is None and not joined.carried[:, 4:].any()
    assert apply_to(Concat(0), half, half).grid == 0.5
    larger = apply_to(Select("max"), x, exactly(np.full((4, 5), 99.0)))
    assert not larger.error.any()
    assert not apply_to(Select("min"), half, half).error.any()


def grid(values: Any, of: float) -> Bounded:
    value = np.asarray(values, np.float64)
    return Bounded(value, np.zeros_like(value), np.abs(value), 0, of)


def apply_to(op: Op, *args: Bounded) -> Bounded:
    """Like apply, with operands of any rank."""
    rank = args[0].value.ndim - 1
    shapes = [args[0].value.shape[1:], *(arg.value.shape for arg in args[1:])]
    if not isinstance(op, Conv):
        shapes = [shape[-rank:] for shape in shapes]
    nodes = tuple(Node(f"a{i}", Input(TensorType(s, Real()))) for i, s in enumerate(shapes))
    return step(Node("n", op, nodes, tensor="y"), args)
