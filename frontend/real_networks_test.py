"""Real networks: they import, and mean what their owners measured and what others compute."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gatesmith
from gatesmith.frontend.importer import Imported, import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Graph, Real
from gatesmith.ir.execute import execute
from gatesmith.ops.input import Input

SHARED = Path(gatesmith.__file__).parents[1] / ".." / "shared"


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no {name} beside the repository")
    return path


def images() -> Any:
    """MNIST test images as float32 in [0, 1], and labels."""
    pixels = gzip.decompress(shared("data/mnist/t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress(shared("data/mnist/t10k-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return x, np.frombuffer(labels, np.uint8, offset=8)


def logits(imported: Imported, x: Any) -> Any:
    graph: Graph = imported.graph
    (name,) = [n.name for n in graph if isinstance(n.op, Input)]
    return execute(graph, {name: x})[graph.outputs[0]]


@pytest.mark.parametrize(("name", "top1"), [("TFC_1W1A", 9296), ("TFC_2W2A", 9660)])
def test_tfc_on_all_of_mnist(name: str, top1: int) -> None:
    imported = import_model(shared(f"models/{name}.onnx"))
    x, y = images()
    scores = logits(imported, x.astype(np.float32) / np.float32(255))
    assert int((scores.argmax(axis=1) == y).sum()) == top1
    assert imported.notes == () and imported.graph.name == name


@pytest.mark.parametrize("name", ["TFC_1W1A", "TFC_2W2A"])
def test_tfc_equals_the_qonnx_executor(name: str) -> None:
    """Float32 scores of the original file, image by image."""
    path = shared(f"models/{name}.onnx")
    x = images()[0][:20].astype(np.float32) / np.float32(255)
    ours = logits(import_model(path), x)
    theirs = qonnx_outputs(path, x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "differ"),
    [
        ("TFC_1W1A", 0),
        ("TFC_2W2A", 0),
        ("finn_tfc_w1a1/model", 0),
        ("kws_mlp_w3a3_QONNX", 0.02),  # one weight of 125,440, see below
    ],
)
def test_every_tensor_of_a_network_is_what_its_node_says(name: str, differ: float) -> None:
    """The qonnx executor runs Imported.model, and each of its tensors is compared by name."""
    wrapper = pytest.importorskip("qonnx.core.modelwrapper")
    onnx_exec = pytest.importorskip("qonnx.core.onnx_exec")
    imported = import_model(shared(f"models/{name}.onnx"))
    (x,) = [n for n in imported.graph if isinstance(n.op, Input)]
    named = [n for n in imported.graph if n.tensor]
    assert len(named) > len([n for n in imported.model.graph.node if n.op_type == "MatMul"])
    frame = np.random.default_rng(1).random((1, *x.type.shape)).astype(np.float32)
    if "finn" in name:
        frame = np.floor(frame * 256)  # the file says so, and the executor checks it
    ours = execute(imported.graph, {x.name: frame.astype(np.float64)}, keep=named)
    theirs = onnx_exec.execute_onnx(
        wrapper.ModelWrapper(imported.model), {x.tensor: frame}, return_full_exec_context=True
    )
    for n in named:
        value = theirs[n.tensor]
        close = np.isclose(ours[n].reshape(value.shape), value, rtol=1e-5, atol=1e-5)
        assert (~close).mean() <= differ, n.name


def qonnx_outputs(path: Path, x: Any) -> Any:
    """Outputs of the qonnx executor for frames without a batch axis."""
    wrapper = pytest.importorskip("qonnx.core.modelwrapper")
    onnx_exec = pytest.importorskip("qonnx.core.onnx_exec")
    infer = pytest.importorskip("qonnx.transformation.infer_shapes")
    general = pytest.importorskip("qonnx.util.cleanup")
    original = general.cleanup_model(wrapper.ModelWrapper(str(path)))
    original = original.transform(infer.InferShapes())
    (name,) = [i.name for i in original.graph.input]
    (out,) = [o.name for o in original.graph.output]
    rows = [onnx_exec.execute_onnx(original, {name: frame[None]})[out][0] for frame in x]
    return np.array(rows)


def test_tfc_with_raw_pixels() -> None:
    """u8:1/255 is what float32 division makes of the pixels, up to its rounding."""
    path = shared("models/TFC_2W2A.onnx")
    x, _ = images()
    raw = logits(import_model(path, InputSpec.parse("u8:1/255")), x[:2000])
    divided = logits(import_model(path), x[:2000] / 255)
    assert (raw == divided).all()


def test_finn_tfc_on_its_golden_outputs() -> None:
    folder = shared("models/finn_tfc_w1a1")
    imported = import_model(folder / "model.onnx")
    found = logits(imported, np.load(folder / "input.npy"))
    assert (
        found.reshape(-1).tolist() == np.load(folder / "expected_output.npy").reshape(-1).tolist()
    )
    assert imported.graph.outputs[0].tensor == "global_out"
    assert imported.notes == (
        "the file says that input 'global_in' holds UINT8 numbers; --input u8:1 streams them",
    )
    codes = import_model(folder / "model.onnx", InputSpec.parse("u8:1"))
    assert (logits(codes, np.load(folder / "input.npy")) == found).all()


def test_kws_equals_the_qonnx_executor() -> None:
    path = shared("models/kws_mlp_w3a3_QONNX.onnx")
    data = np.load(shared("data/kws_finn_mfcc_int8.npz"))
    imported = import_model(path)
    x = (data["x"].reshape(-1, 1, 10, 49) * 0.33674246).astype(np.float32)
    ours = logits(imported, x)
    assert (ours.argmax(axis=1) == data["y"]).mean() >= 0.99
    theirs = qonnx_outputs(path, x[:30])
    assert (ours[:30].argmax(axis=1) == theirs.argmax(axis=1)).all()
    # One of 125,440 weights lies on a rounding boundary in float32 only, and is noted.
    assert len(imported.notes) == 1 and imported.notes[0].startswith("Quant_8: 1 of 125440")


def test_qdq_autoencoder_equals_onnxruntime() -> None:
    """Integers in, integers out; float32 may round a code the other way, by one."""
    onnxruntime = pytest.importorskip("onnxruntime")
    path = shared("models/ad01_int8.onnx")
    imported = import_model(path)
    x = np.random.default_rng(0).integers(-128, 128, (50, 640)).astype(np.int8)
    ours = logits(imported, x)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    (theirs,) = onnxruntime.InferenceSession(str(path), options).run(None, {"input_1": x})
    differ = np.abs(ours - theirs.astype(np.int64))
    assert differ.max() <= 1 and (differ != 0).mean() < 1e-3
    assert not isinstance(imported.graph.outputs[0].type.elem, Real)


@pytest.mark.parametrize(
    "name",
    [
        "cntk_mnist/model",
        "float/model_ic",
        "float/model_kws",
        "float/model_vww",
        "float/vww_96_float",
        "ic_resnet8_int8",
        "kws_ref_int8",
    ],
)
def test_convolutional_networks_equal_onnxruntime(name: str) -> None:
    """Reals by their relative error, codes nearly.

    On these frames the average pool of ic_resnet8 meets ties, which float32 rounds the other way;
    one is worth up to six codes behind the softmax.
    """
    onnxruntime = pytest.importorskip("onnxruntime")
    path = shared(f"models/{name}.onnx")
    imported = import_model(path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options)
    (given,) = session.get_inputs()
    shape = (1, *given.shape[1:])
    rng = np.random.default_rng(0)
    reals = given.type == "tensor(float)"
    for _ in range(3):
        x = rng.random(shape, np.float32) if reals else rng.integers(-128, 128, shape, np.int8)
        (theirs,) = session.run(None, {given.name: x})
        ours = logits(imported, x).reshape(theirs.shape)
        if reals:
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
        else:
            assert np.abs(ours - theirs.astype(np.int64)).max() <= 6


def test_radioml_equals_the_qonnx_executor() -> None:
    """A row through Conv and MaxPool, with Quant of 8 bits on weights and 2 on activations."""
    path = shared("models/radioml_w8a2/text_export_qonnx.onnx")
    imported = import_model(path)
    (x,) = [node for node in imported.graph if isinstance(node.op, Input)]
    frames = np.random.default_rng(0).normal(size=(4, *x.type.shape)).astype(np.float32)
    theirs = qonnx_outputs(path, frames)
    np.testing.assert_allclose(logits(imported, frames), theirs, rtol=1e-3, atol=1e-3)
