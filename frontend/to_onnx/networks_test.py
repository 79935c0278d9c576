"""Whole float networks: written and read again they are the same, and run the same elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from gatesmith.cpu_gpu_baselines.float_runtime import FloatRuntime
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.names import identifier
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import Graph, Values
from gatesmith.ir.execute import execute
from gatesmith.ops.input import Input
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.rtl_tests.qdq_net import Net
from gatesmith.rtl_tests.qdq_networks import NETWORKS

ROOT = Path(__file__).absolute()
SHARED = next((p / "shared" for p in ROOT.parents if (p / "shared").is_dir()), ROOT)
MODELS = ["ad", "ic", "kws", "vww"]
FILES = [f"float/model_{name}.onnx" for name in MODELS] + ["float/vww_96_float.onnx"]
FILES += ["cntk_mnist/model.onnx"]
FRAMES = 3


def tidy(graph: Graph) -> Graph:
    return fold_affine(channels_last(graph))


def same(path: Path, folder: Path) -> onnx.ModelProto:
    """Compare a file, its tidied graph, what is written of it, and what others make of both."""
    original = import_model(path)
    graph = tidy(original.graph)
    exported = to_onnx(graph, form="float")
    assert exported.rounded == ()
    onnx.checker.check_model(exported.model, full_check=True)
    written = folder / "again.onnx"
    written.write_bytes(exported.model.SerializeToString())
    again = import_model(written)
    rng = np.random.default_rng(0)
    data: dict[str, Values] = {
        node.name: rng.normal(size=(FRAMES, *node.type.shape)).astype(np.float32).astype(float)
        for node in graph
        if isinstance(node.op, Input)
    }
    ours, theirs = execute(graph, data), execute(again.graph, data)
    for output, other in zip(graph.outputs, again.graph.outputs, strict=True):
        assert output.type == other.type
        assert output.tensor in (None, other.tensor)
        np.testing.assert_allclose(theirs[other], ours[output], 1e-12, 1e-12)
    pytest.importorskip("onnxruntime")
    before, after = (_run(model, data) for model in (original.model, again.model))
    for value, found in zip(before, after, strict=True):
        largest = max(1.0, float(np.abs(value).max()))
        np.testing.assert_allclose(found, value, 1e-4, 1e-5 * largest)
    return exported.model


def _run(model: onnx.ModelProto, data: dict[str, Values]) -> list[Values]:
    """Outputs in order; inputs are found by name."""
    runtime = FloatRuntime(model)
    given = {
        name: data[identifier(name)].astype(np.float32).reshape(FRAMES, *frame)
        for name, frame in runtime.frames.items()
    }
    found = runtime.run(given)
    return [found[name] for name in runtime.outputs]


@pytest.mark.parametrize("name", FILES)
def test_models(name: str, tmp_path: Path) -> None:
    path = SHARED / "models" / name
    if not path.is_file():
        pytest.skip(f"{name} is not at hand")
    model = same(path, tmp_path)
    before = [node.op_type for node in onnx.load(path).graph.node].count("Transpose")
    assert [node.op_type for node in model.graph.node].count("Transpose") <= before


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str, tmp_path: Path) -> None:
    make: Callable[[Net], onnx.ModelProto] = NETWORKS[name]
    path = tmp_path / "net.onnx"
    original = make(Net(np.random.default_rng(3)))
    path.write_bytes(original.SerializeToString())
    model = same(path, tmp_path)
    turning = ("Transpose", "DepthToSpace", "SpaceToDepth")
    before = sum(node.op_type in turning for node in original.graph.node)
    assert sum(node.op_type == "Transpose" for node in model.graph.node) <= before
