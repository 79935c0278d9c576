from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from gatesmith.cpu_gpu_baselines import float_runtime
from gatesmith.cpu_gpu_baselines.float_runtime import FloatRuntime
from gatesmith.errors import UserError

F32 = np.float32
WEIGHTS = np.random.default_rng(0).normal(0, 1, (6, 3)).astype(F32)
INSTALLED = importlib.util.find_spec("onnxruntime") is not None
ENGINES = pytest.mark.parametrize("onnxruntime", [False, True] if INSTALLED else [False])


def model_of(target: Any, *, opset: int = 13, tail: tuple[Any, ...] = ()) -> ModelProto:
    """x (1, 2, 3) -> Reshape to ``target`` -> MatMul; then ``tail``."""
    make = helper.make_node
    nodes = [
        make("Transpose", ["w"], ["wt"], perm=[1, 0]),
        make("Transpose", ["wt"], ["w2"], perm=[1, 0]),
        make("Reshape", ["x", "target"], ["flat"]),
        make("MatMul", ["flat", "w2"], ["y"]),
        *tail,
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 3])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.array(target, np.int64), "target"),
            numpy_helper.from_array(WEIGHTS, "w"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def frames(count: int = 7) -> Any:
    return np.random.default_rng(1).normal(0, 1, (count, 2, 3)).astype(F32)


@ENGINES
@pytest.mark.parametrize(
    ("target", "batched"), [([1, -1], True), ([-1, 6], True), ([0, 6], True), ([6], False)]
)
def test_frames_are_independent_however_the_file_flattens(
    target: list[int], batched: bool, onnxruntime: bool
) -> None:
    runtime = FloatRuntime(model_of(target), ["flat", "x"], onnxruntime=onnxruntime)
    x = frames()

    found = runtime.run(x)

    assert runtime.batched is batched
    np.testing.assert_array_equal(found["flat"], x.reshape(7, 6))
    np.testing.assert_array_equal(found["x"], x)
    np.testing.assert_allclose(found["y"], x.reshape(7, 6) @ WEIGHTS, rtol=1e-5, atol=1e-6)


@ENGINES
def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch, onnxruntime: bool) -> None:
    whole = FloatRuntime(model_of([1, -1]), onnxruntime=onnxruntime).run(frames())["y"]
    monkeypatch.setattr(float_runtime, "MEMORY", 300)  # bytes: two or three frames

    runtime = FloatRuntime(model_of([1, -1]), onnxruntime=onnxruntime)

    assert 1 < runtime.chunk < 7
    np.testing.assert_allclose(runtime.run(frames())["y"], whole, rtol=1e-6, atol=1e-6)


@ENGINES
def test_constants_are_kept_apart(onnxruntime: bool) -> None:
    runtime = FloatRuntime(model_of([1, -1]), ["w", "wt"], onnxruntime=onnxruntime)

    np.testing.assert_array_equal(runtime.constants["w"], WEIGHTS)
    np.testing.assert_array_equal(runtime.constants["wt"], WEIGHTS.T)
    assert set(runtime.run(frames())) == {"y"}


@ENGINES
@pytest.mark.parametrize("opset", [7, 9, 13, 15])
def test_batch_norm_never_looks_at_the_batch(opset: int, onnxruntime: bool) -> None:
    rng = np.random.default_rng(2)
    values = {k: rng.uniform(0.5, 2, 3).astype(F32) for k in ("g", "b", "m", "v")}
    norm = helper.make_node("BatchNormalization", ["y", *values], ["n"], epsilon=0.01)
    model = model_of([1, -1], opset=opset, tail=(norm,))
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in values.items())

    got = FloatRuntime(model, ["y"], onnxruntime=onnxruntime).run(frames())

    g, b, m, v = values.values()
    want = g * (got["y"] - m) / np.sqrt(v + F32(0.01)) + b
    np.testing.assert_allclose(got["n"], want, rtol=1e-5, atol=1e-5)


@ENGINES
@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("opset", [10, 13, 19])
def test_quantize_linear(opset: int, axis: int | None, onnxruntime: bool) -> None:
    per_axis = axis is not None and opset > 10
    scale = np.array([0.1, 0.25, 0.3], F32) if per_axis else F32(0.25)
    zero = np.array([0, -3, 4], np.int8) if per_axis else np.int8(-3)
    given: dict[str, Any] = {"axis": axis} if per_axis else {}
    codes = helper.make_node("QuantizeLinear", ["y", "s", "z"], ["q"], **given)
    real = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], **given)
    model = model_of([1, -1], opset=opset, tail=(codes, real))
    extra = {"s": scale, "z": zero}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(v), k) for k, v in extra.items()
    )

    got = FloatRuntime(model, ["y", "q"], onnxruntime=onnxruntime).run(frames(200) * 20)

    want = (np.rint(got["y"] / scale) + zero).clip(-128, 127)
    assert got["q"].dtype == np.int8 and got["q"].min() == -128 and got["q"].max() == 127
    np.testing.assert_array_equal(got["q"], want)
    np.testing.assert_array_equal(got["d"], (want - zero).astype(F32) * scale)


def test_without_onnxruntime_the_onnx_package_evaluates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert FloatRuntime(model_of([1, -1])).engine.startswith("onnx.reference 1.")


@pytest.mark.parametrize(("kernel", "pads", "length"), [(2, 1, 1), (1, 0, 2)])
def test_a_pool_has_the_extents_that_the_kernel_gives(kernel: int, pads: int, length: int) -> None:
    """A window that would begin behind the values is none, whatever shape inference says."""
    pool: dict[str, Any] = {"kernel_shape": [kernel], "strides": [3], "pads": [pads] * 2}
    nodes = [
        helper.make_node("MaxPool", ["x"], ["p"], ceil_mode=1, **pool),
        helper.make_node("MatMul", ["p", "w"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, length])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    kept = [numpy_helper.from_array(np.full((1, 1), 2, np.float32), "w")]
    graph = helper.make_graph(nodes, "g", [x], [y], kept)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)

    found = FloatRuntime(model, keep=["p"]).run({"x": np.full((1, 1, length), -1.5, np.float32)})

    assert found["p"].tolist() == [[[-1.5]]]
    assert found["y"].tolist() == [[[-3.0]]]


def test_import_does_not_load_onnxruntime() -> None:
    program = "import sys, gatesmith.cpu_gpu_baselines.agreement as a; print(sorted(sys.modules))"

    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=env)

    assert b"'gatesmith.cpu_gpu_baselines.agreement'" in done.stdout
    assert b"'onnxruntime'" not in done.stdout


@pytest.mark.parametrize(
    "x",
    [np.zeros((2, 3, 2), F32), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), F32)],
    ids=["shape", "type", "empty"],
)
def test_wrong_input_is_a_user_error(x: Any) -> None:
    with pytest.raises(UserError, match="the float model cannot take this input") as caught:
        FloatRuntime(model_of([1, -1]), onnxruntime=False).run(x)

    assert caught.value.code == "float.wrong-input"
