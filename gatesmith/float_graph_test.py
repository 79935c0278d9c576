"""The fast runner gives what the reference gives, to float32 rounding, in the axes of the IR."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import gatesmith.float_graph
from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, IntType, Node
from gatesmith.ir.execute import execute
from gatesmith.ops.const import Const
from gatesmith.ops.fake_quant import Grid
from gatesmith.ops.input import Input
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.sites import find_sites, insert
from gatesmith.rtl_tests.qdq_net import Net
from gatesmith.rtl_tests.qdq_networks import NETWORKS

FRAMES = 7


def network(name: str, folder: Path, *, quantized: bool = False) -> Graph:
    path = folder / "net.onnx"
    path.write_bytes(NETWORKS[name](Net(np.random.default_rng(0))).SerializeToString())
    graph = fold_affine(channels_last(import_model(path).graph))
    if not quantized:
        return graph
    grid = Grid("int", IntType(-127, 127), Array(1 / 32))  # nothing lies near a tie
    return insert(graph, {s.name: grid for s in find_sites(graph) if s.role == "weight"})


def data_of(graph: Graph) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(1)
    entries = [node for node in graph if isinstance(node.op, Input)]
    return {
        node.name: rng.normal(size=(FRAMES, *node.type.shape)).astype(np.float32)
        for node in entries
    }


def compare(runner: GraphRunner, graph: Graph, wanted: list[Node]) -> None:
    data = data_of(graph)
    frames = next(iter(data.values())) if len(data) == 1 else data
    found = runner(graph, wanted, frames)
    exact = execute(graph, {k: v.astype(float) for k, v in data.items()}, keep=wanted)
    assert list(found) == [node.name for node in wanted]
    for node in wanted:
        assert found[node.name].dtype == np.float32
        np.testing.assert_allclose(found[node.name], exact[node], 1e-4, 1e-4, err_msg=node.name)


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("name", ["resnet", "lenet", "two_inputs", "mixer", "activations"])
def test_every_node(name: str, quantized: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    graph = network(name, tmp_path, quantized=quantized)
    compare(GraphRunner(), graph, list(graph))


def test_without_onnxruntime(tmp_path: Path) -> None:
    graph = network("lenet", tmp_path, quantized=True)
    compare(GraphRunner(onnxruntime=False), graph, [*graph.outputs])


def test_chunks_and_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    graph = network("resnet", tmp_path)
    monkeypatch.setattr(gatesmith.float_graph, "MEMORY", 2**16)
    monkeypatch.setattr(gatesmith.float_graph, "SESSIONS", 2)
    runner = GraphRunner(threads=1)
    nodes = [node for node in graph if not isinstance(node.op, Const | Input)]
    compare(runner, graph, nodes)
    for node in nodes[:4]:
        compare(runner, graph, [node])
    assert len(runner._sessions) == 2
    session = runner._sessions[nodes[3],]
    compare(runner, graph, [nodes[3]])
    assert runner._sessions[nodes[3],] is session


def test_says_once_that_it_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    graph = network("lenet", tmp_path)
    runner = GraphRunner()
    with pytest.warns(UserWarning, match="^onnxruntime is not installed"):
        compare(runner, graph, [*graph.outputs])
    compare(runner, graph, [graph.outputs[0]])


def test_wrong_frames(tmp_path: Path) -> None:
    graph = network("two_inputs", tmp_path)
    data = data_of(graph)
    runner = GraphRunner()
    (a, b) = data
    with pytest.raises(ValueError, match="give the frames of each by name"):
        runner(graph, graph.outputs, data[a])
    with pytest.raises(ValueError, match=f"no frames of {b}"):
        runner(graph, graph.outputs, {a: data[a]})
    with pytest.raises(ValueError, match="different numbers of frames"):
        runner(graph, graph.outputs, {a: data[a], b: data[b][1:]})
    with pytest.raises(ValueError, match=f"{a}: .* is needed"):
        runner(graph, graph.outputs, {a: data[b], b: data[b]})


def test_import_is_light() -> None:
    """The runner must not pull in onnxruntime before it runs."""
    import subprocess

    code = "import sys, gatesmith.float_graph; print('onnxruntime' in sys.modules)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "False"
