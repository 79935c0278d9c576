"""Scores by hand on small networks, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, Node, Op, Real, TensorType
from gatesmith.ops.add import Add
from gatesmith.ops.clip import Clip
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.relu import Relu
from gatesmith.ops.sub import Sub
from gatesmith.ops.transpose import Transpose
from gatesmith.prune.importance import CRITERIA, Sample, unit_scores, weight_scores
from gatesmith.prune.structure import Group, Slice, Structure

ROOT = Path.cwd()


def put(name: str, op: Op, *args: Node) -> Node:
    return Node(name, op, args)


def const(name: str, values: object) -> Node:
    return Node(name, Const(Array(np.asarray(values, np.float64))))


def source(*shape: int) -> Node:
    return Node("x", Input(TensorType(shape, Real())))


W0 = [[1.0, -2.0, 0.0], [3.0, 0.5, -1.0]]
W1 = [[1.0, 2.0], [0.0, -4.0], [2.0, 2.0]]


def mlp(activation: Op | None = None) -> Graph:
    """2 - 3 - 2."""
    first = put("fc0", MatMul(), source(2), const("w0", W0))
    hidden = put("relu", activation or Relu(), put("sum", Add(), first, const("b0", [0, 0, -1.0])))
    return Graph((put("fc1", MatMul(), hidden, const("w1", W1)),))


def structure(layers: dict[str, str], count: int, axis: int = 1) -> Structure:
    """Units of tied layers, whose weights have the channels on an axis."""
    slices = tuple(
        (
            *(Slice(w, "out", axis, (unit,)) for w in layers.values()),
            Slice("w1", "in", 0, (unit,)),
        )
        for unit in range(count)
    )
    channels = tuple(tuple((layer, unit) for layer in layers) for unit in range(count))
    return Structure((Group(next(iter(layers)), tuple(layers), count, slices, channels),), {})


ONE = structure({"fc0": "w0"}, 3)


def test_magnitudes_of_weights() -> None:
    graph = mlp()
    w0, w1 = np.array(W0), np.array(W1)
    assert (weight_scores(graph, "l1")["w0"] == np.abs(w0)).all()
    assert (weight_scores(graph, "l2")["w1"] == w1**2).all()
    lamp = weight_scores(graph, "lamp")["w1"]
    assert lamp.tolist() == [[1 / 29, 4 / 28], [0.0, 1.0], [4 / 24, 4 / 20]]
    one, other = weight_scores(graph, "random"), weight_scores(graph, "random", seed=1)
    assert (one["w0"] == weight_scores(graph, "random")["w0"]).all()
    assert (one["w0"] != other["w0"]).all()


def test_magnitudes_of_units() -> None:
    graph = mlp()
    assert unit_scores(graph, ONE, "l1")["fc0"].tolist() == [1.6, 1.0, 0.4]  # 4, 2.5, 1 over 2.5
    squares = np.array([10.0, 4.25, 1.0])
    length = np.sqrt(squares)
    np.testing.assert_allclose(unit_scores(graph, ONE, "l2")["fc0"], length / length.mean())
    lamp = unit_scores(graph, ONE, "lamp")["fc0"]
    np.testing.assert_allclose(lamp, squares / [10.0, 14.25, 15.25])
    w = np.array(W0).T
    far = [sum(float(np.linalg.norm(a - b)) for b in w) for a in w]
    got = unit_scores(graph, ONE, "geometric-median")["fc0"]
    np.testing.assert_allclose(got, np.array(far) / np.mean(far))
    assert len(set(unit_scores(graph, ONE, "random")["fc0"])) == 3


def test_tied_layers_count_together() -> None:
    x = source(2)
    a, b = (put(n, MatMul(), x, const(f"w{n}", W0)) for n in ("a", "b"))
    graph = Graph((put("head", MatMul(), put("join", Add(), a, b), const("w1", W1)),))
    tied = structure({"a": "wa", "b": "wb"}, 3)
    assert unit_scores(graph, tied, "l1")["a"].tolist() == [1.6, 1.0, 0.4]
    l2 = unit_scores(graph, tied, "l2")["a"]
    np.testing.assert_allclose(l2, unit_scores(mlp(), ONE, "l2")["fc0"])


def frames(*rows: object) -> Sample:
    return Sample(np.asarray(rows, np.float32))


def test_share_of_zeros() -> None:
    """Sums (x0 + 3 x1, -2 x0 + x1 / 2, -x1 - 1): by hand above 0 in 2, 1 and 1 of 4 frames."""
    sample = frames([1, 1], [-1, 0], [0, -2], [3, 0])
    for activation in (Relu(), Clip(0.0, 6.0)):
        got = unit_scores(mlp(activation), ONE, "apoz", sample)["fc0"]
        assert got.tolist() == [0.5, 0.25, 0.25]


def test_share_of_zeros_behind_a_join() -> None:
    """The ReLU of both is behind the sum; channels first, and positions count like frames."""
    x = source(1, 1, 2)
    op = Conv((1, 1), (0, 0, 0, 0), (1, 1), 1)
    convs = []
    for name, factors in (("a", [1.0, -1.0]), ("b", [1.0, 1.0])):
        last = put(f"{name}_last", Transpose((1, 2, 0)), x)
        conv = put(name, op, last, const(f"w{name}", np.reshape(factors, (1, 1, 1, 2))))
        convs.append(put(f"{name}_first", Transpose((2, 0, 1)), conv))
    graph = Graph((put("relu", Relu(), put("join", Add(), *convs)),))
    tied = structure({"a": "wa", "b": "wb"}, 2, axis=3)
    sample = frames([[[1.0, -1.0]]], [[[2.0, 3.0]]])
    assert unit_scores(graph, tied, "apoz", sample)["a"].tolist() == [0.75, 0.0]


def normed(factor: object = (2.0, -0.5, 4.0)) -> Graph:
    first = put("fc0", MatMul(), source(2), const("w0", W0))
    less = put("less", Sub(), first, const("mean", [1.0, 2.0, 3.0]))
    scaled = put("scaled", Mul(), less, const("factor", factor))
    shifted = put("shifted", Add(), scaled, const("beta", [0.0, 1.0, 0.0]))
    return Graph((put("fc1", MatMul(), put("relu", Relu(), shifted), const("w1", W1)),))


def test_gamma_is_factor_times_deviation() -> None:
    sample = frames([1, 1], [-1, 0], [0, -2], [3, 0])
    sums = sample.x.astype(np.float64) @ np.array(W0)
    wanted = np.abs([2.0, -0.5, 4.0]) * sums.std(axis=0)
    got = unit_scores(normed(), ONE, "gamma", sample)["fc0"]
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_gamma_is_that_of_the_file() -> None:
    """On the training data: the running variance of the file is theirs, nearly."""
    path = ROOT / "examples/float/digits_mlp_s0.onnx"
    tensors = {t.name: t for t in onnx.load(path).graph.initializer}
    graph = import_model(path).graph
    data = np.load(ROOT / "examples/digits/digits_train.npz")
    sample = Sample((data["x"] / 16).astype(np.float32))
    channels = tuple((("n0_Gemm", at),) for at in range(64))
    group = Group("n0_Gemm", ("n0_Gemm",), 64, ((),) * 64, channels)
    got = unit_scores(graph, Structure((group,), {}), "gamma", sample)["n0_Gemm"]
    gamma = np.abs(numpy_helper.to_array(tensors["1.weight"]))
    assert np.abs(got / gamma - 1).max() < 0.04  # the running variance is within 6 % of theirs
    assert np.corrcoef(got, gamma)[0, 1] > 0.9


def code(error: pytest.ExceptionInfo[UserError]) -> str:
    return error.value.code


def test_gamma_needs_a_batch_norm() -> None:
    with pytest.raises(UserError) as error:
        unit_scores(mlp(), ONE, "gamma", frames([1, 2]))
    assert str(error.value) == (
        "error[prune.no-batch-norm]: no batch norm stands behind fc0\n"
        "  at   --criterion gamma\n"
        "  why  it ranks channels by the scale of a batch norm; the exporter folded it,"
        " or none was\n"
        "  fix  export the model with its batch norms (torch: training=TrainingMode.PRESERVE)\n"
        "  fix  another criterion: taylor, or l1 without data"
    )


def test_scale_for_all_channels_is_no_batch_norm() -> None:
    with pytest.raises(UserError) as error:
        unit_scores(normed([2.0]), ONE, "gamma", frames([1, 2]))
    assert code(error) == "prune.no-batch-norm"


def test_zeros_need_a_relu() -> None:
    with pytest.raises(UserError) as error:
        unit_scores(mlp(Clip(-1.0, 1.0)), ONE, "apoz", frames([1, 2]))
    assert str(error.value).startswith(
        "error[prune.never-zero]: no layer of this network has values that are zero\n"
    )


@pytest.mark.parametrize("criterion", [c.name for c in CRITERIA.values() if c.data])
def test_data_is_needed(criterion: str) -> None:
    with pytest.raises(UserError) as error:
        unit_scores(mlp(), ONE, criterion)
    assert str(error.value) == (
        "error[prune.data]: frames of data are needed\n"
        f"  at   --criterion {criterion}\n"
        "  why  there are none\n"
        "  fix  --data FILE with frames of the network's input (and labels, where there are any)\n"
        "  fix  a criterion without data: l1, l2, lamp, geometric-median"
    )


BAD = {
    "a frame has the shape [3], the network's input [2]": Sample(np.zeros((4, 3), np.float32)),
    "there are none": Sample(np.zeros((0, 2), np.float32)),
    "some values are infinite or no numbers": frames([np.nan, 1]),
    "labels of the shape [3] for 2 frames": replace(frames([1, 1], [2, 2]), y=np.array([0, 1, 0])),
    "labels from 0 to 2, and 2 classes": replace(frames([1, 1], [2, 2]), y=np.array([0, 2])),
    "labels from -1 to 1, and 2 classes": replace(frames([1, 1], [2, 2]), y=np.array([-1, 1])),
}


@pytest.mark.parametrize("why", BAD)
def test_data_that_does_not_fit(why: str) -> None:
    with pytest.raises(UserError) as error:
        unit_scores(mlp(), ONE, "apoz", BAD[why])
    assert (code(error), error.value.why) == ("prune.data", why)


def test_criteria_that_do_not_rank() -> None:
    with pytest.raises(UserError) as error:
        unit_scores(mlp(), ONE, "l3")
    assert str(error.value) == (
        "error[prune.criterion]: 'l3' is no criterion\n"
        "  at   --criterion l3\n"
        "  why  there is none of this name\n"
        f"  fix  one of {', '.join(CRITERIA)}"
    )
    for criterion in ("gamma", "apoz", "geometric-median"):
        with pytest.raises(UserError) as error:
            weight_scores(mlp(), criterion, frames([1, 2]))
        assert error.value.what == f"{criterion} cannot rank single weights"
