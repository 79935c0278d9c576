"""What is left makes up for what was cut, and nothing but weights and biases changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, Node, Real, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.relu import Relu
from gatesmith.prune.cut import cut
from gatesmith.prune.dependency import find_structure
from gatesmith.prune.refit import kept_channels, refit
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine

EXAMPLES = Path(__file__).parents[2] / "examples"
RANDOM = np.random.default_rng(4)


def network(*, twin: float) -> Graph:
    """6 - 5 - 4, where hidden neuron 4 is ``twin`` times neuron 1."""
    first = RANDOM.standard_normal((6, 5))
    first[:, 4] = twin * first[:, 1]
    second = RANDOM.standard_normal((5, 4))
    x = Node("x", Input(TensorType((6,), Real())))
    hidden = Node("fc1", MatMul(), (x, Node("w1", Const(Array(first)))))
    ends = Node("fc2", MatMul(), (Node("r", Relu(), (hidden,)), Node("w2", Const(Array(second)))))
    return Graph((ends,))


def errors(whole: Graph, removed: dict[str, tuple[int, ...]]) -> tuple[float, float]:
    """Mean squared error of the outputs after the cut, and after the refit."""
    frames = RANDOM.standard_normal((400, 6)).astype(np.float32)
    fresh = RANDOM.standard_normal((100, 6))
    structure = find_structure(whole)
    smaller = cut(whole, removed)
    kept = kept_channels(whole, structure, removed)
    fitted = refit(whole, smaller, kept, frames, GraphRunner(threads=1))
    wanted = execute(whole, {"x": fresh})[whole.outputs[0]]
    found = [execute(g, {"x": fresh})[g.outputs[0]] for g in (smaller, fitted)]
    a, b = (float(np.square(value - wanted).mean()) for value in found)
    return a, b


def test_a_channel_that_another_one_can_stand_for() -> None:
    cut_off, refitted = errors(network(twin=2.0), {"fc1": (4,)})
    assert refitted < cut_off * 1e-3


def test_a_channel_of_its_own_is_missed_less() -> None:
    whole = network(twin=-1.0)
    cut_off, refitted = errors(whole, {"fc1": (0,)})
    assert refitted < 0.7 * cut_off


def test_channels_that_stay_are_those_of_the_cut() -> None:
    graph = fold_affine(channels_last(import_model(EXAMPLES / "float/resnet8_s0.onnx").graph))
    structure = find_structure(graph)
    removed = {group.name: (0, group.count - 1) for group in structure.groups}
    kept = kept_channels(graph, structure, removed)
    smaller = {node.name: node for node in cut(graph, removed)}
    for name, channels in kept.items():
        assert smaller[name].type.channels == len(channels)
    assert len(kept["n8_Gemm"]) == 10


def test_a_network_of_digits() -> None:
    graph = fold_affine(channels_last(import_model(EXAMPLES / "float/digits_cnn_s0.onnx").graph))
    data = {k: np.load(EXAMPLES / f"digits/digits_{k}.npz") for k in ("train", "test")}
    runner = GraphRunner(threads=1)

    def frames(name: str) -> NDArray[np.float32]:
        reals: NDArray[np.float32] = (data[name]["x"] / np.float32(16)).astype(np.float32)
        return reals.reshape(-1, 1, 8, 8)

    def accuracy(g: Graph) -> float:
        scores = runner(g, g.outputs, frames("test"))[g.outputs[0].name]
        return float((scores.argmax(1) == data["test"]["y"]).mean())

    structure = find_structure(graph)
    removed = {group.name: tuple(range(0, group.count, 2)) for group in structure.groups}
    smaller = cut(graph, removed)
    kept = kept_channels(graph, structure, removed)
    fitted = refit(graph, smaller, kept, frames("train"), runner)
    assert accuracy(fitted) > accuracy(smaller) + 0.1
    again = refit(graph, smaller, kept, frames("train"), runner)
    assert str(again) == str(fitted)


def test_another_number_of_channels_is_a_mistake_of_ours() -> None:
    whole = network(twin=1.0)
    with pytest.raises(ValueError, match="channels of fc1"):
        refit(whole, whole, {"fc1": [0], "fc2": [0, 1, 2, 3]}, RANDOM.random((8, 6)), GraphRunner())
