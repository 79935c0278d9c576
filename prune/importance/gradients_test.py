"""Derivatives: torch's against differences of losses that float64 computes exactly as defined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gatesmith.ir import Array, Graph, Node, Op, Real, TensorType  # noqa: E402
from gatesmith.ir.execute import execute  # noqa: E402
from gatesmith.ops.add import Add  # noqa: E402
from gatesmith.ops.const import Const  # noqa: E402
from gatesmith.ops.conv import Conv  # noqa: E402
from gatesmith.ops.input import Input  # noqa: E402
from gatesmith.ops.mat_mul import MatMul  # noqa: E402
from gatesmith.ops.mul import Mul  # noqa: E402
from gatesmith.ops.reduce import Reduce  # noqa: E402
from gatesmith.ops.relu import Relu  # noqa: E402
from gatesmith.ops.reshape import Reshape  # noqa: E402
from gatesmith.ops.softmax import Softmax  # noqa: E402
from gatesmith.ops.transpose import Transpose  # noqa: E402
from gatesmith.prune.importance import Sample, gradients, unit_scores, weight_scores  # noqa: E402
from gatesmith.prune.structure import Group, Structure  # noqa: E402

LABELS = np.random.default_rng(3).integers(0, 3, 40)


def put(name: str, op: Op, *args: Node) -> Node:
    return Node(name, op, args)


def const(name: str, *shape: int) -> Node:
    values = np.random.default_rng(list(name.encode())).normal(size=shape)
    return Node(name, Const(Array(values.astype(np.float32).astype(np.float64))))


def mlp() -> Graph:
    """3 - 4 - 3 with a Softmax."""
    x = Node("x", Input(TensorType((3,), Real())))
    first = put("sum0", Add(), put("fc0", MatMul(), x, const("w0", 3, 4)), const("b0", 4))
    hidden = put("relu", Relu(), first)
    last = put("sum1", Add(), put("fc1", MatMul(), hidden, const("w1", 4, 3)), const("b1", 3))
    return Graph((put("soft", Softmax(), last),))


def residual() -> Graph:
    """Two convolutions whose channels are added, as imported: channels first outside layers."""
    x = Node("x", Input(TensorType((2, 4, 4), Real())))
    last, first = (1, 2, 0), (2, 0, 1)
    op = Conv((1, 1), (1, 1, 1, 1), (1, 1), 1)
    a = put("a", op, put("ta", Transpose(last), x), const("wa", 3, 3, 2, 3))
    a = put("ra", Relu(), put("ba", Add(), put("ua", Transpose(first), a), const("ca", 3, 1, 1)))
    b = put("b", op, put("tb", Transpose(last), a), const("wb", 3, 3, 3, 3))
    b = put("bb", Mul(), put("ub", Transpose(first), b), const("cb", 3, 1, 1))
    both = put("relu", Relu(), put("join", Add(), b, a))
    flat = put("flat", Reshape((3, 16)), both)
    mean = put("mean", Reduce("mean"), put("turn", Transpose((1, 0)), flat))
    return Graph((put("head", MatMul(), mean, const("wh", 3, 3)),))


def units(*layers: str, count: int) -> Structure:
    channels = tuple(tuple((layer, unit) for layer in layers) for unit in range(count))
    return Structure((Group(layers[0], layers, count, ((),) * count, channels),), {})


def frames(graph: Graph) -> np.ndarray:
    shape = next(node.type.shape for node in graph if isinstance(node.op, Input))
    return np.random.default_rng(4).normal(size=(40, *shape)).astype(np.float32)


def losses(graph: Graph, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Cross entropy of each frame, float64."""
    output = graph.outputs[0]
    soft = isinstance(output.op, Softmax)
    scores = execute(graph, {"x": x.astype(np.float64)})[output]
    p = scores if soft else np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return np.asarray(-np.log(p[np.arange(len(y)), y]))


def moved(graph: Graph, name: str, at: int, by: float) -> Graph:
    """Another value of one element of a constant."""

    def rule(node: Node, _users: object) -> Node | None:
        if node.name != name or not isinstance(node.op, Const):
            return None
        data = node.op.value.data.copy()
        data.reshape(-1)[at] += by
        return replace(node, op=Const(Array(data)))

    return graph.rewrite(rule)


def slopes(graph: Graph, name: str, at: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """First derivative of each frame's loss by one element of a constant."""
    step = 1e-6
    after, before = (losses(moved(graph, name, at, s), x, y) for s in (step, -step))
    return np.asarray((after - before) / (2 * step))


def bend(graph: Graph, name: str, at: int, x: np.ndarray, y: np.ndarray) -> float:
    """Mean second derivative, where no ReLU changes its mind."""
    step = 1e-4
    after, here, before = (losses(moved(graph, name, at, s), x, y) for s in (step, 0.0, -step))
    curve = (after - 2 * here + before) / step**2
    return float(curve.mean())


def by_weight(graph: Graph, name: str, measure: Callable[[int, float], float]) -> np.ndarray:
    op = next(node.op for node in graph if node.name == name)
    assert isinstance(op, Const)
    data = op.value.data
    found = [measure(at, float(w)) for at, w in enumerate(data.reshape(-1))]
    return np.array(found).reshape(data.shape)


@pytest.mark.parametrize("name", ["w0", "w1"])
def test_weights_of_an_mlp(name: str) -> None:
    graph, y = mlp(), LABELS
    x = frames(graph)
    sample = Sample(x, y)

    def taylor(at: int, w: float) -> float:
        parts = np.split(slopes(graph, name, at, x, y), [32])  # batches of 32 frames, and the rest
        return float(np.mean([(part.mean() * w) ** 2 for part in parts]))

    def fisher(at: int, w: float) -> float:
        return float(0.5 * w**2 * np.square(slopes(graph, name, at, x, y)).mean())

    def hessian(at: int, w: float) -> float:
        return 0.5 * w**2 * bend(graph, name, at, x, y)

    for criterion, measure in (("taylor", taylor), ("fisher", fisher), ("hessian", hessian)):
        got = weight_scores(graph, criterion, sample)
        assert set(got) == {"w0", "w1"}
        wanted = by_weight(graph, name, measure)
        np.testing.assert_allclose(got[name], wanted, rtol=2e-3, atol=1e-6 * wanted.max())


def test_without_labels_the_best_class_is_right() -> None:
    graph = mlp()
    x = frames(graph)
    best = execute(graph, {"x": x.astype(np.float64)})[graph.outputs[0]].argmax(1)
    for criterion in ("taylor", "fisher"):
        own = weight_scores(graph, criterion, Sample(x))
        told = weight_scores(graph, criterion, Sample(x, best))
        other = weight_scores(graph, criterion, Sample(x, (best + 1) % 3))
        for name in own:
            assert (own[name] == told[name]).all()
            assert (own[name] != other[name]).any()


def scaled(graph: Graph) -> Graph:
    """The residual network with a factor 1 on each channel, where others read it."""
    ones = Node("m", Const(Array(np.ones((3, 1, 1)))))
    factors = {name: f"{name}_m" for name in ("ra", "bb")}

    def rule(node: Node, _users: object) -> Node | None:
        if node.name not in factors:
            return None
        return Node(factors[node.name], Mul(), (node, ones))

    return graph.rewrite(rule)


def test_units_of_tied_layers() -> None:
    """One factor for both layers of a residual block, through transposes."""
    graph, y = residual(), LABELS
    x = frames(graph)
    factored = scaled(graph)
    structure = units("a", "b", count=3)
    slope = np.stack([slopes(factored, "m", at, x, y) for at in range(3)])
    taylor = np.abs(slope).mean(axis=1)
    wanted = {
        "taylor": taylor / np.sqrt(np.square(taylor).sum()),
        "fisher": 0.5 * np.square(slope).mean(axis=1),
    }
    for criterion, expected in wanted.items():
        got = unit_scores(graph, structure, criterion, Sample(x, y))
        np.testing.assert_allclose(got["a"], expected, rtol=1e-3)


def test_second_derivative_of_a_unit() -> None:
    """One layer, behind which the network is linear but for ReLUs that stay as they are."""
    graph, y = mlp(), LABELS
    x = frames(graph)
    ones = Node("m", Const(Array(np.ones(4))))
    factored = graph.rewrite(
        lambda n, _: Node("relu_m", Mul(), (n, ones)) if n.name == "relu" else None
    )
    got = unit_scores(graph, units("fc0", count=4), "hessian", Sample(x, y))["fc0"]
    wanted = [0.5 * bend(factored, "m", at, x, y) for at in range(4)]
    np.testing.assert_allclose(got, wanted, rtol=2e-3)


def test_estimate_of_second_derivatives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hutchinson's mean comes to the exact sum over the classes; other draws, other numbers."""
    graph = mlp()
    sample = Sample(frames(graph)[:4])
    exact = weight_scores(graph, "hessian", sample)
    monkeypatch.setattr(gradients, "EXACT", 1)
    one, same, other = (weight_scores(graph, "hessian", sample, seed) for seed in (0, 0, 1))
    monkeypatch.setattr(gradients, "DRAWS", 300)
    many = weight_scores(graph, "hessian", sample)
    for name, wanted in exact.items():
        assert (one[name] == same[name]).all()
        assert (one[name] != other[name]).any()
        assert np.abs(many[name] - wanted).sum() < 0.1 * wanted.sum()


def test_outputs_that_are_values() -> None:
    """y = x @ w: half the mean squared distance has the second derivative mean(x**2) / outputs."""
    x = Node("x", Input(TensorType((3,), Real())))
    graph = Graph((put("fc", MatMul(), x, const("w", 3, 2)),))
    data = frames(graph)
    op = graph.outputs[0].args[1].op
    assert isinstance(op, Const)
    h = np.square(data.astype(np.float64)).mean(axis=0)[:, None] / 2
    got = weight_scores(graph, "hessian", Sample(data, values=True))["w"]
    np.testing.assert_allclose(got, 0.5 * op.value.data**2 * h, rtol=1e-5)
    fisher = weight_scores(graph, "fisher", Sample(data, values=True))["w"]
    assert fisher.min() > 0
    again = weight_scores(graph, "fisher", Sample(data, values=True))["w"]
    assert (fisher == again).all()


def test_one_number_is_a_value() -> None:
    """A softmax of one number would have no gradient."""
    x = Node("x", Input(TensorType((3,), Real())))
    graph = Graph((put("fc", MatMul(), x, const("w", 3, 1)),))
    assert weight_scores(graph, "taylor", Sample(frames(graph)))["w"].min() > 0


def test_classes_at_each_position() -> None:
    """The mean over the positions of what each position alone gives."""
    x = Node("x", Input(TensorType((2, 3, 2), Real())))
    w = const("w", 1, 1, 2, 4)
    graph = Graph((put("conv", Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), x, w),))
    data = frames(graph)[:4]
    flat = Node("x", Input(TensorType((2,), Real())))
    assert isinstance(w.op, Const)
    matrix = Node("w", Const(Array(w.op.value.data.reshape(2, 4))))
    pixel = Graph((put("fc", MatMul(), flat, matrix),))
    got = weight_scores(graph, "taylor", Sample(data))["w"]  # one batch
    alone = weight_scores(pixel, "taylor", Sample(data.reshape(-1, 2)))["w"]
    np.testing.assert_allclose(got.reshape(2, 4), alone, rtol=1e-5)


def test_least_important_is_what_nothing_depends_on() -> None:
    """Ranking: a neuron that is always 0 has no score, whatever its weights."""
    graph = moved(mlp(), "b0", 2, -100.0)
    sample = Sample(frames(graph), LABELS)
    for criterion in ("taylor", "fisher", "hessian"):
        scores = unit_scores(graph, units("fc0", count=4), criterion, sample)["fc0"]
        assert scores[2] == 0 < np.delete(scores, 2).min()
        weights = weight_scores(graph, criterion, sample)
        assert not weights["w0"][:, 2].any()
        assert not weights["w1"][2].any()
