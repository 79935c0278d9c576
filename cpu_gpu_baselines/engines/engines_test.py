"""Each engine on small networks: what it computes, and what it says where it cannot."""

import importlib.util
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from gatesmith.benching.read import Loaded, read
from gatesmith.cpu_gpu_baselines import outcome
from gatesmith.cpu_gpu_baselines.engines import Subject, Unavailable, all_engines
from gatesmith.cpu_gpu_baselines.engines.ort_codes_engine import written
from gatesmith.cpu_gpu_baselines.engines.torch_engine import folded
from gatesmith.cpu_gpu_baselines.engines.triton_engine import layers
from gatesmith.frontend.importer import import_model
from gatesmith.ir import BIPOLAR, Array, Graph, IntType, Node, TensorType
from gatesmith.ir.check import samples
from gatesmith.ir.execute import execute
from gatesmith.ops.const import Const
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold
from gatesmith.pipeline import quiet
from gatesmith.rtl_tests.qdq_net import quantized
from gatesmith.rtl_tests.qdq_networks import NETWORKS

EXAMPLES = next(p / "examples" for p in Path(__file__).parents if (p / "examples").is_dir())
ENGINES = all_engines()
GPU = importlib.util.find_spec("torch") is not None and __import__("torch").cuda.is_available()
NO_GPU = "there is no CUDA device here"


@cache
def digits(name: str = "digits_1w1a") -> Loaded:
    """The digits networks: a bipolar and a 2-bit perceptron."""
    folder = EXAMPLES / "digits"
    return read(
        folder / f"{name}.onnx",
        folder / "digits_test.npz",
        frames=300,
        labels=None,
        input_spec="u5:1/16",
        progress=quiet,
    )


@cache
def exported(name: str, folder: Path) -> Loaded:
    """Other examples on random frames of what their first quantizer takes."""
    path = EXAMPLES / "exported" / f"{name}.onnx"
    (given,) = (n for n in import_model(path).graph if isinstance(n.op, Input))
    rng = np.random.default_rng(0)
    np.savez(folder / f"{name}.npz", x=rng.normal(size=(40, *given.type.shape)).astype(np.float32))
    return read(
        path, folder / f"{name}.npz", frames=None, labels=None, input_spec=None, progress=quiet
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def integer_subject(graph: Graph, frames: int = 40) -> Subject:
    """Of a graph that no model was read for."""
    x = samples(graph, frames)
    found = execute(graph, x)
    expected = [found[node] for node in graph.outputs]
    small = {n: v.astype(np.int8) if abs(v).max() < 128 else v for n, v in x.items()}
    return Subject("made", graph, graph, None, small, {}, {}, expected, None)  # type: ignore[arg-type]


def perceptron(*, bipolar: bool) -> Graph:
    """70-33-10; falling outputs in between."""
    rng = np.random.default_rng(2)
    elem = BIPOLAR if bipolar else IntType(-8, 7)
    weights = (lambda *shape: rng.choice([-1, 1], shape)) if bipolar else (
        lambda *shape: rng.integers(-7, 8, shape))  # fmt: skip
    kind = BIPOLAR if bipolar else IntType(-7, 7)
    node = Node("x", Input(TensorType((70,), elem)))
    node = Node("d0", Dense(Array(weights(33, 70)), kind), (node,))
    at = np.sort(rng.integers(-40, 40, (33, 1 if bipolar else 3)), axis=1)
    out = BIPOLAR if bipolar else IntType(-1, 2)
    node = Node("t0", Threshold(Array(at), out, Array(rng.integers(0, 2, 33))), (node,))
    if not bipolar:
        scale = Requantize(Array([3]), Array([1]), 1, IntType(-3, 3), even=True)
        node = Node("r0", scale, (node,))
        values = Array([[3, 1, 0, -1, 2, 5, 7]])
        node = Node("l0", Table(values, IntType(-1, 7), IntType(-3, 3)), (node,))
    node = Node("d1", Dense(Array(weights(10, 33)), kind), (node,))
    return Graph((node,), "perceptron")


# ---- equality -----------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "name", ["numpy", "native", "onnxruntime-codes", "torch-int8", "torch-cuda-int8"]
)
@pytest.mark.parametrize("network", ["digits_1w1a", "digits_2w2a"])
def test_integer_engines_are_equal(name: str, network: str, threads: int) -> None:
    if ENGINES[name].device == "gpu" and not GPU:
        pytest.skip(NO_GPU)
    loaded = digits(network)
    opened = ENGINES[name].open(loaded.subject, threads)
    found = outcome.integers(opened, loaded.subject)
    assert (found.differing, found.compared) == (0, 3000)
    assert opened.weight_bytes
    assert opened.note


@pytest.mark.parametrize("name", ["torch", "torch-cuda", "onnxruntime", "onnxruntime-int8"])
@pytest.mark.parametrize("network", ["digits_1w1a", "digits_2w2a"])
def test_float_engines_agree_on_codes(name: str, network: str) -> None:
    if ENGINES[name].device == "gpu" and not GPU:
        pytest.skip(NO_GPU)
    loaded = digits(network)
    opened = ENGINES[name].open(loaded.subject, 1)
    found = outcome.floats(opened, loaded.subject, loaded.network.ends, loaded.classes)
    assert (found.what, found.differing, found.compared) == ("codes", 0, 3000)
    assert loaded.subject.labels is not None and loaded.classes is not None
    assert found.right is not None
    best = np.sort(loaded.subject.expected[0], axis=1)
    ties = int((best[:, -1] == best[:, -2]).sum())  # the integers take the first, floats any
    right = int(np.equal(loaded.classes, loaded.subject.labels).sum())
    assert abs(found.right - right) <= ties < 20


@pytest.mark.parametrize("name", ["torch-bfloat16", "torch-cuda-float16"])
def test_halves_differ_and_say_so(name: str) -> None:
    if ENGINES[name].device == "gpu" and not GPU:
        pytest.skip(NO_GPU)
    loaded = digits()
    opened = ENGINES[name].open(loaded.subject, 1)
    found = outcome.floats(opened, loaded.subject, loaded.network.ends, loaded.classes)
    assert 0 < found.differing < found.compared / 5
    assert found.first is not None


@pytest.mark.parametrize("network", ["binary", "residual", "radio"])
def test_convolutions(network: str, folder: Path) -> None:
    loaded = exported(network, folder)
    native = outcome.integers(ENGINES["native"].open(loaded.subject, 2), loaded.subject)
    assert native.differing == 0 and native.compared > 0
    for name in ("onnxruntime", "torch"):
        opened = ENGINES[name].open(loaded.subject, 1)
        found = outcome.floats(opened, loaded.subject, loaded.network.ends, loaded.classes)
        assert found.differing <= found.compared * 0.02, name  # float32 near boundaries


@pytest.mark.parametrize("network", ["two_inputs", "resizes", "gate", "joins"])
def test_other_networks(network: str, tmp_path: Path) -> None:
    """Several inputs; a batch of 1 fixed in the file; products and sums of streams."""
    pytest.importorskip("onnxruntime")
    model = quantized(NETWORKS[network], "s8")
    onnx.save(model, tmp_path / "net.onnx")
    rng = np.random.default_rng(0)
    inputs = [n for n in import_model(tmp_path / "net.onnx").graph if isinstance(n.op, Input)]
    given = {n.tensor or n.name: rng.normal(size=(9, *n.type.shape)) for n in inputs}
    arrays: dict[str, Any] = {name: x.astype(np.float32) for name, x in given.items()}
    np.savez(tmp_path / "data.npz", **arrays)
    loaded = read(
        tmp_path / "net.onnx",
        tmp_path / "data.npz",
        frames=None,
        labels=None,
        input_spec=None,
        progress=quiet,
    )
    subject = loaded.subject
    assert outcome.integers(ENGINES["native"].open(subject, 1), subject).differing == 0
    for name in ("onnxruntime", "onnxruntime-int8", "torch"):
        opened = ENGINES[name].open(subject, 1)
        found = outcome.floats(opened, subject, loaded.network.ends, loaded.classes)
        assert found.differing <= 0.05 * found.compared, name
        if network == "resizes" and name != "torch":
            assert opened.note.endswith("one frame a run: the file has its batch fixed")


@pytest.mark.parametrize("bipolar", [True, False])
@pytest.mark.parametrize("name", ["native", "onnxruntime-codes", "torch-int8", "triton-xnor"])
def test_made_perceptrons(name: str, bipolar: bool) -> None:
    if name == "triton-xnor" and not GPU:
        pytest.skip(NO_GPU)
    subject = integer_subject(perceptron(bipolar=bipolar))
    if not bipolar and name in ("triton-xnor", "onnxruntime-codes"):
        with pytest.raises(Unavailable, match=r"^written for .* not .*l0 \(Table\)"):
            ENGINES[name].open(subject, 1)
        return
    assert outcome.integers(ENGINES[name].open(subject, 1), subject).differing == 0


def test_a_wrong_weight_is_seen() -> None:
    graph = perceptron(bipolar=True)
    subject = integer_subject(graph)
    last = graph.outputs[0]
    assert isinstance(last.op, Dense)
    weights = last.op.weights.data.copy()
    weights[7, 3] *= -1
    other = Graph((Node("d1", Dense(Array(weights), BIPOLAR), last.args),), "wrong")
    wrong = integer_subject(other)
    mixed = Subject(
        "mixed", other, other, None, wrong.codes, {}, {}, subject.expected, None  # type: ignore[arg-type]
    )  # fmt: skip
    found = outcome.integers(ENGINES["native"].open(mixed, 1), mixed)
    assert found.differing == 40 and found.first == 0


def test_many_zeros() -> None:
    graph = perceptron(bipolar=False)
    with pytest.raises(Unavailable, match=r"^no layer has 50% zero weights; the most are \d+% \("):
        ENGINES["native-sparse"].open(integer_subject(graph), 1)
    (last,) = graph.outputs
    assert isinstance(last.op, Dense)
    thin = np.where(np.arange(330).reshape(10, 33) % 5 == 0, 3, 0)
    pruned = Graph((Node("d1", Dense(Array(thin), IntType(0, 3)), last.args),), "pruned")
    subject = integer_subject(pruned)
    opened = ENGINES["native-sparse"].open(subject, 1)
    assert "groups" in opened.note
    assert outcome.integers(opened, subject).differing == 0


def test_compiled_torch() -> None:
    """In a process of its own: inductor's code once crashed in one that had run other tests."""
    folder = EXAMPLES / "digits"
    command = [sys.executable, "-m", "gatesmith", "bench", str(folder / "digits_1w1a.onnx")]
    command += ["--data", str(folder / "digits_test.npz"), "--input", "u5:1/16", "--frames", "50"]
    command += ["--engines", "torch-compile", "--batches", "1,4", "--seconds", "0.05"]
    done = subprocess.run([*command, "--threads", "1", "--json"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    (row,) = json.loads(done.stdout)["rows"]
    if row["skipped"]:
        pytest.skip(row["skipped"])
    assert (row["compared"] > 0, row["differing"]) == (True, 0)


def test_weights_are_folded_for_torch() -> None:
    graph = folded(digits().subject.real)
    inputs = [node for node in graph if not node.args and not isinstance(node.op, Input)]
    assert inputs and all(isinstance(node.op, Const) for node in inputs)
    fixed: dict[Node, bool] = {}
    for node in graph:
        fixed[node] = not isinstance(node.op, Input) and all(fixed[arg] for arg in node.args)
    assert all(isinstance(node.op, Const) for node, known in fixed.items() if known)


# ---- what is not there --------------------------------------------------------------------------


@pytest.mark.parametrize("package, extra", [("onnxruntime", "quantize"), ("torch", "train")])
def test_missing_packages(monkeypatch: pytest.MonkeyPatch, package: str, extra: str) -> None:
    subject = digits().subject
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == package else there(n, *a)
    )
    names = [n for n in ENGINES if n.startswith(package)]
    assert len(names) >= 5
    for name in names:
        with pytest.raises(Unavailable) as caught:
            ENGINES[name].open(subject, 1)
        assert str(caught.value) == f"{package} is not installed: pip install 'gatesmith[{extra}]'"


@pytest.mark.skipif(GPU, reason="there is a CUDA device")
@pytest.mark.parametrize("name", [n for n, engine in ENGINES.items() if engine.device == "gpu"])
def test_no_gpu(name: str) -> None:
    with pytest.raises(Unavailable, match=r"(finds no CUDA device|has no \w+ExecutionProvider)$"):
        ENGINES[name].open(digits().subject, 1)


def test_sums_that_float32_would_round() -> None:
    x = Node("x", Input(TensorType((9,), IntType(0, 65535))))
    node = Node("y", Dense(Array(np.full((2, 9), 2000)), IntType(0, 2000)), (x,))
    with pytest.raises(Unavailable, match=r"^sums of y reach 1179630000: float32 would round them"):
        written(Graph((node,), "far"))


# ---- Triton -------------------------------------------------------------------------------------


def test_layers_for_triton() -> None:
    first, last = layers(perceptron(bipolar=True))
    assert first.weights.shape == (33, 3) and first.at is not None
    assert last.weights.shape == (10, 2) and last.at is None


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or importlib.util.find_spec("torch") is None,
    reason="triton is not installed (pip install triton)",
)
def test_triton_kernels_in_its_interpreter() -> None:
    program = (
        "import numpy as np, torch\n"
        "from gatesmith.cpu_gpu_baselines import outcome\n"
        "from gatesmith.cpu_gpu_baselines.engines.engines_test import *\n"
        "from gatesmith.cpu_gpu_baselines.engines.triton_engine import Packed\n"
        "subject = integer_subject(perceptron(bipolar=True))\n"
        "opened = Packed(torch, subject, 'cpu', 'interpreter')\n"
        "found = outcome.integers(opened, subject)\n"
        "assert (found.differing, found.compared) == (0, 400), found\n"
    )
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
