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
from gatesmith.prune.importance import weight_scores
from gatesmith.prune.patterns import Pattern, apply, masks
from gatesmith.prune.refit import kept_channels, refit, with_zeros
from gatesmith.quant.calibrate.layers import layers
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine

EXAMPLES = Path(__file__).parents[2] / "examples"


def network(*, twin: float) -> Graph:
    """6 - 5 - 4, where hidden neuron 4 is ``twin`` times neuron 1."""
    random = np.random.default_rng(4)
    first = random.standard_normal((6, 5))
    first[:, 4] = twin * first[:, 1]
    second = random.standard_normal((5, 4))
    x = Node("x", Input(TensorType((6,), Real())))
    hidden = Node("fc1", MatMul(), (x, Node("w1", Const(Array(first)))))
    ends = Node("fc2", MatMul(), (Node("r", Relu(), (hidden,)), Node("w2", Const(Array(second)))))
    return Graph((ends,))


def errors(whole: Graph, removed: dict[str, tuple[int, ...]]) -> tuple[float, float]:
    """Mean squared error of the outputs after the cut, and after the refit."""
    random = np.random.default_rng(5)
    frames = random.standard_normal((400, 6)).astype(np.float32)
    fresh = random.standard_normal((100, 6))
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
        refit(whole, whole, {"fc1": [0], "fc2": [0, 1, 2, 3]}, np.ones((8, 6)), GraphRunner())


@pytest.mark.parametrize("seed", range(6))
def test_a_masked_least_squares_problem_is_solved_column_by_column(seed: int) -> None:
    """Against elimination of the rows and columns that are there; the value of what is least."""
    random, size, outputs = np.random.default_rng(seed), 24, 7
    root = random.standard_normal((2, size, size))
    a = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(size)
    b = random.standard_normal((2, size, outputs))
    there = (random.random((2, size, outputs)) < 0.4).astype(float)
    there[0, :, 0], there[1, :, 1] = 0.0, 1.0  # nothing left, everything left
    found = with_zeros(a, b, there, random.standard_normal(b.shape))
    assert not found[there == 0].any()
    for group in range(2):
        for column in range(outputs):
            at = np.flatnonzero(there[group, :, column])
            part, right = a[group][np.ix_(at, at)], b[group, at, column]
            least = -right @ np.linalg.solve(part, right)
            x = found[group, at, column]
            assert x @ part @ x - 2 * right @ x <= least + 1e-6 * (1 - least)


@pytest.mark.parametrize("pattern", [Pattern.parse("nm:2:4"), Pattern.parse("unstructured")])
def test_weights_that_are_left_make_up_for_zeros(pattern: Pattern) -> None:
    graph = fold_affine(channels_last(import_model(EXAMPLES / "float/digits_cnn_s0.onnx").graph))
    images = np.load(EXAMPLES / "digits/digits_train.npz")["x"] / np.float32(16)
    shape = next(node for node in graph if isinstance(node.op, Input)).type.shape
    frames = images.astype(np.float32).reshape(-1, *shape)
    scores = weight_scores(graph, "l1", None, 0)
    kept = masks(graph, scores, pattern, 0.5 if pattern.kind == "unstructured" else None)
    sparse = apply(graph, kept)
    every = {one.name: list(range(one.node.type.channels)) for one in layers(graph)}
    runner = GraphRunner(threads=1)
    fitted = refit(graph, sparse, every, frames[:300], runner, masks=kept)
    known = {node.name: node for node in fitted}
    for name, mask in kept.items():
        op = known[name].op
        assert isinstance(op, Const)
        assert not op.value.data[~mask].any()
    fresh = frames[400:600]
    wanted, cut_off, refitted = (runner(g, g.outputs, fresh) for g in (graph, sparse, fitted))
    (name,) = wanted
    errors = [np.square(found[name] - wanted[name]).mean() for found in (cut_off, refitted)]
    assert errors[1] < 0.5 * errors[0]
