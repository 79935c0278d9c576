"""Sensitivity: the loss of each pruned network, against the whole network in float64."""

from __future__ import annotations

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Array, Graph, Node, Op, Real, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.relu import Relu
from gatesmith.ops.softmax import Softmax
from gatesmith.prune.dependency import find_structure
from gatesmith.prune.importance import Sample, unit_scores, weight_scores
from gatesmith.prune.patterns import Pattern, apply, masks
from gatesmith.prune.sensitivity import unit_curves, weight_curves

FREE = Pattern.parse("unstructured")
RNG = np.random.default_rng(7)


def put(name: str, op: Op, *args: Node) -> Node:
    return Node(name, op, args)


def weights(name: str, ins: int, outs: int) -> Node:
    values = np.random.default_rng(list(name.encode())).normal(size=(ins, outs))
    return Node(name, Const(Array(values.astype(np.float32).astype(np.float64))))


def mlp(outputs: int = 3) -> Graph:
    x = Node("x", Input(TensorType((4,), Real())))
    hidden = put("relu", Relu(), put("fc0", MatMul(), x, weights("w0", 4, 8)))
    last = put("fc1", MatMul(), hidden, weights("w1", 8, outputs))
    return Graph((put("soft", Softmax(), last) if outputs > 1 else last,))


X = RNG.normal(size=(50, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 50)


def judged(graph: Graph, y: np.ndarray) -> tuple[float, float]:
    p = execute(graph, {"x": X.astype(np.float64)})[graph.outputs[0]]
    return float(-np.log(p[np.arange(50), y]).mean()), float((p.argmax(1) == y).mean())


def test_each_layer_alone() -> None:
    graph = mlp()
    scores = weight_scores(graph, "l1")
    found = weight_curves(graph, scores, FREE, [0.75, 0.5], Sample(X, Y))
    assert found.ratios == (0.0, 0.5, 0.75)
    for name in ("w0", "w1"):
        for at, ratio in enumerate(found.ratios):
            pruned = apply(graph, masks(graph, {name: scores[name]}, FREE, ratio))
            loss, accuracy = judged(pruned, Y)
            assert found.loss[name][at] == pytest.approx(loss, rel=1e-5)
            assert found.accuracy[name][at] == accuracy
        assert found.rise(name)[0] == 0


def test_without_labels_the_whole_network_is_right() -> None:
    graph = mlp()
    best = execute(graph, {"x": X.astype(np.float64)})[graph.outputs[0]].argmax(1)
    scores = weight_scores(graph, "l1")
    found = weight_curves(graph, scores, FREE, [0.5], Sample(X))
    assert found == weight_curves(graph, scores, FREE, [0.5], Sample(X, best))
    assert found.accuracy["w0"][0] == 1.0 > found.accuracy["w0"][1]


def test_values() -> None:
    """Squared distance over the variance; no accuracy."""
    graph = mlp(1)
    scores = weight_scores(graph, "l1")
    found = weight_curves(graph, scores, FREE, [0.5], Sample(X))
    whole, half = (
        execute(g, {"x": X.astype(np.float64)})[g.outputs[0]]
        for g in (graph, apply(graph, masks(graph, {"w1": scores["w1"]}, FREE, 0.5)))
    )
    wanted = np.square(half - whole).sum() / np.square(whole - whole.mean()).sum()
    assert found.loss["w1"][0] == 0.0
    assert found.loss["w1"][1] == pytest.approx(wanted, rel=1e-4)
    assert found.accuracy == {}


def test_n_of_m_has_one_ratio() -> None:
    graph = mlp()
    pattern = Pattern.parse("nm:1:4")
    found = weight_curves(graph, weight_scores(graph, "l1"), pattern, [0.1, 0.2], Sample(X, Y))
    assert found.ratios == (0.0, 0.75)


def test_a_ratio_that_empties_a_layer() -> None:
    graph = mlp()
    found = weight_curves(graph, weight_scores(graph, "l1"), FREE, [0.99], Sample(X, Y))
    assert found.loss["w0"][1] == found.loss["w1"][1] == np.inf  # 32 and 24 weights


def test_units() -> None:
    """The least units of the group are zero for their readers."""
    graph = mlp()
    structure = find_structure(graph)
    scores = unit_scores(graph, structure, "l1")
    found = unit_curves(graph, structure, scores, [0.5, 1.0], Sample(X, Y))
    assert list(found.loss) == ["fc0"]
    order = np.argsort(scores["fc0"])
    mask = np.ones((8, 3), np.bool_)
    mask[order[:4]] = False
    half = judged(apply(graph, {"w1": mask}), Y)
    mask[order[:7]] = False  # one stays
    one = judged(apply(graph, {"w1": mask}), Y)
    assert found.loss["fc0"][1] == pytest.approx(half[0], rel=1e-5)
    assert found.loss["fc0"][2] == pytest.approx(one[0], rel=1e-5)
    assert found.accuracy["fc0"][1:] == (half[1], one[1])


def test_needs_data() -> None:
    graph = mlp()
    with pytest.raises(UserError) as error:
        weight_curves(graph, weight_scores(graph, "l1"), FREE, [0.5], None)
    assert (error.value.code, error.value.where) == ("prune.data", "layer sensitivity")
