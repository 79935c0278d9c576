"""Patterns: exact counts, the least go first, ties by position, in the order of the hardware."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.ir import BIPOLAR, Array, Graph, IntType, Node, Op, Real, TensorType
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.dense import Dense
from gatesmith.ops.fake_quant import Grid
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.transpose import Transpose
from gatesmith.prune.importance import weight_scores
from gatesmith.prune.patterns import Pattern, apply, masks, masks_of_zeros, sparsity
from gatesmith.quant.calibrate.layers import layers
from gatesmith.quant.fake_quant import expand
from gatesmith.quant.lower import lower
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.sites import find_sites, insert

FREE = Pattern.parse("unstructured")


def put(name: str, op: Op, *args: Node) -> Node:
    return Node(name, op, args)


def const(name: str, values: object) -> Node:
    return Node(name, Const(Array(np.asarray(values, np.float64))))


def mlp(*widths: int) -> Graph:
    """Weights of one."""
    x = Node("x", Input(TensorType((widths[0],), Real())))
    for number, shape in enumerate(pairwise(widths)):
        x = put(f"fc{number}", MatMul(), x, const(f"w{number}", np.ones(shape)))
    return Graph((x,))


def conv(inputs: int, outputs: int, kernel: int = 3, group: int = 1) -> Graph:
    x = Node("x", Input(TensorType((5, 5, inputs), Real())))
    w = const("w0", np.ones((kernel, kernel, inputs // group, outputs)))
    return Graph((put("conv0", Conv((1, 1), (0, 0, 0, 0), (1, 1), group), x, w),))


def scores_for(graph: Graph, seed: int, levels: int = 5) -> dict[str, np.ndarray]:
    """Few different numbers: many ties."""
    rng = np.random.default_rng(seed)
    shapes = {layer.weight.name: layer.weight.type.shape for layer in layers(graph)}
    return {name: rng.integers(0, levels, s).astype(np.float64) for name, s in shapes.items()}


@pytest.mark.parametrize("text", ["unstructured", "nm:2:4", "nm:1:16", "block:8x4", " block:1x1 "])
def test_text(text: str) -> None:
    assert str(Pattern.parse(text)) == text.strip()


WHY = {
    "": "it is none of unstructured, nm:N:M, block:PExSIMD",
    "nm:2-4": "it is none of unstructured, nm:N:M, block:PExSIMD",
    "2:4": "it is none of unstructured, nm:N:M, block:PExSIMD",
    "nm:\u0662:\u0664": "it is none of unstructured, nm:N:M, block:PExSIMD",
    "block:4X4": "it is none of unstructured, nm:N:M, block:PExSIMD",
    "nm:4:4": "of every 4 weights 4 cannot stay: 1 to 3 can",
    "nm:0:4": "of every 4 weights 0 cannot stay: 1 to 3 can",
    "block:0x4": "a block has one output and one input at least",
}


@pytest.mark.parametrize("text", WHY)
def test_bad_text(text: str) -> None:
    with pytest.raises(UserError) as error:
        Pattern.parse(text)
    assert str(error.value) == (
        f"error[cli.bad-pattern]: {text!r} is no pattern of zeros\n"
        f"  at   pattern {text}\n"
        f"  why  {WHY[text]}\n"
        "  fix  unstructured\n"
        "  fix  nm:2:4 for two of every four\n"
        "  fix  block:8x4 for PE 8 and SIMD 4"
    )


RATIOS = st.decimals(0, 1, places=3).map(float)
WIDTHS = st.lists(st.integers(1, 7), min_size=2, max_size=4)


@given(WIDTHS, RATIOS, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_unstructured_is_exact(widths: list[int], ratio: float, seed: int) -> None:
    graph = mlp(*widths)
    scores = scores_for(graph, seed)
    flat = np.concatenate([score.reshape(-1) for score in scores.values()])
    wanted = round(Fraction(repr(ratio)) * flat.size)
    try:
        found = masks(graph, scores, FREE, ratio)
    except UserError as error:
        assert error.code == "prune.empties-layer"
        largest = float(error.fix[0].split()[-1])
        assert largest < ratio
        found = masks(graph, scores, FREE, largest)
        wanted = round(Fraction(repr(largest)) * flat.size)
        with pytest.raises(UserError):  # with one weight more a layer is empty
            masks(graph, scores, FREE, largest + 1 / flat.size)
    kept = np.concatenate([found[name].reshape(-1) for name in scores])
    assert (~kept).sum() == wanted
    order = np.argsort(flat, kind="stable")  # of equal ones the first goes first
    assert not kept[order[:wanted]].any()
    assert all(mask.any() for mask in found.values())


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_n_of_m_is_exact(ins: int, outs: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = n + int(rng.integers(1, 5))
    graph = mlp(ins, outs)
    score = scores_for(graph, seed)["w0"]
    found = masks(graph, {"w0": score}, Pattern("nm", n, m))["w0"]
    for out in range(outs):
        for first in range(0, ins, m):
            part, own = score[first : first + m, out], found[first : first + m, out]
            assert own.sum() == min(n, len(part))
            best = np.argsort(part, kind="stable")[len(part) - own.sum() :]
            assert own[best].all()


def test_n_of_m_runs_along_the_channels() -> None:
    """Weights (kh, kw, C, O): groups of 4 of the 8 channels of each tap and output."""
    graph = conv(8, 3)
    found = masks(graph, scores_for(graph, 0), Pattern.parse("nm:1:4"))["w0"]
    assert (found.reshape(3, 3, 2, 4, 3).sum(axis=3) == 1).all()
    thin = conv(3, 2)  # 27 inputs: six groups of 4 over the taps, and 3 that are left
    found = masks(thin, scores_for(thin, 0), Pattern.parse("nm:1:4"))["w0"].reshape(27, 2)
    assert (found[:24].reshape(6, 4, 2).sum(axis=1) == 1).all()
    assert (found[24:].sum(axis=0) == 1).all()


def test_n_of_m_of_each_group() -> None:
    graph = conv(8, 4, group=2)
    found = masks(graph, scores_for(graph, 0), Pattern.parse("nm:2:4"))["w0"]
    assert found.shape == (3, 3, 4, 4)
    assert (found.sum(axis=2) == 2).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), RATIOS)
@settings(max_examples=60, deadline=None)
def test_blocks_go_whole(ins: int, outs: int, pe: int, simd: int, ratio: float) -> None:
    graph = mlp(ins, outs)
    score = scores_for(graph, ins * outs)["w0"]
    try:
        found = masks(graph, {"w0": score}, Pattern("block", pe, simd), ratio)["w0"]
    except UserError as error:
        assert error.code == "prune.empties-layer"
        return
    blocks = [
        (found[i : i + simd, o : o + pe], score[i : i + simd, o : o + pe])
        for o in range(0, outs, pe)
        for i in range(0, ins, simd)
    ]
    assert all(own.all() or not own.any() for own, _ in blocks)
    gone = [part for own, part in blocks if not own.any()]
    stay = [part for own, part in blocks if own.all()]
    removed = sum(part.size for part in gone)
    wanted = round(Fraction(repr(ratio)) * score.size)
    assert removed <= wanted
    least = min(part.mean() for part in stay)
    assert all(part.mean() <= least for part in gone)
    following = [part.size for part in stay if part.mean() == least]
    assert removed + following[0] > wanted


def test_blocks_stay_within_a_group() -> None:
    """Three outputs a group and PE 2: blocks of outputs 0, 1 - 2 - 3, 4 - 5."""
    graph = conv(2, 6, kernel=1, group=2)
    score = np.array([5.0, 5.0, 1.0, 6.0, 6.0, 2.0]).reshape(1, 1, 1, 6)
    found = masks(graph, {"w0": score}, Pattern("block", 2, 1), 0.34)["w0"]
    assert found.reshape(-1).tolist() == [True, True, False, True, True, False]


def test_scope_and_ratios_by_layer() -> None:
    graph = mlp(10, 10, 10, 10)
    small = {name: score / 100 for name, score in scores_for(graph, 1, 1000).items()}
    scores = {"w0": small["w0"], "w1": small["w1"] + 100, "w2": small["w2"] + 50}
    kept = {name: int(m.sum()) for name, m in masks(graph, scores, FREE, 0.3).items()}
    assert kept == {"w0": 10, "w1": 100, "w2": 100}
    kept = {n: int(m.sum()) for n, m in masks(graph, scores, FREE, 0.3, scope="layer").items()}
    assert kept == {"w0": 70, "w1": 70, "w2": 70}
    own = {"fc1": 0.5, "w2": 0.25}  # by layer or by weights
    found = masks(graph, scores, FREE, 0.3, by_layer=own)
    assert {name: int(m.sum()) for name, m in found.items()} == {"w0": 70, "w1": 50, "w2": 75}
    found = masks(graph, scores, FREE, by_layer=own, keep=["w2"])
    assert {name: int(m.sum()) for name, m in found.items()} == {"w0": 100, "w1": 50, "w2": 100}


def test_n_of_m_but_for_some_layers() -> None:
    graph = mlp(8, 8, 8)
    scores = scores_for(graph, 0)
    pattern = Pattern.parse("nm:2:4")
    own = masks(graph, scores, pattern, by_layer={"fc0": 0.0})
    assert own["w0"].all()
    assert own["w1"].sum() == 32
    with pytest.raises(UserError) as error:
        masks(graph, scores, pattern, 0.75)
    assert str(error.value) == (
        "error[prune.pattern-ratio]: nm:2:4 cannot have a ratio of 0.75\n"
        "  at   pattern nm:2:4, ratio 0.75\n"
        "  why  it keeps 2 of every 4 weights\n"
        "  fix  leave the ratio out, or give 0.5\n"
        "  fix  another N:M"
    )


def test_too_much() -> None:
    """The nine weights of the second layer are the least: of 18 weights 8 may go."""
    graph = mlp(3, 3, 3)
    scores = {"w0": np.arange(9.0).reshape(3, 3) + 10, "w1": np.arange(9.0).reshape(3, 3)}
    assert masks(graph, scores, FREE, 0.4444)["w1"].sum() == 1
    with pytest.raises(UserError) as error:
        masks(graph, scores, FREE, 0.5)
    assert str(error.value) == (
        "error[prune.empties-layer]: a ratio of 0.5 leaves no weight in fc1\n"
        "  at   layer fc1\n"
        "  why  a layer without weights makes the same output for every frame\n"
        "  fix  a ratio of at most 0.4444\n"
        "  fix  leave the layer as it is: --layer fc1=0\n"
        "  fix  another criterion, or a ratio by layer"
    )
    with pytest.raises(UserError) as error:
        masks(graph, scores, FREE, 1.0)
    assert error.value.what == "a ratio of 1 leaves no weight in fc0, fc1"


@pytest.mark.parametrize("ratio", [-0.1, 1.5, float("nan")])
def test_no_ratio(ratio: float) -> None:
    with pytest.raises(UserError) as error:
        masks(mlp(2, 2), scores_for(mlp(2, 2), 0), FREE, ratio)
    assert error.value.code == "cli.bad-value"


def test_no_such_layer() -> None:
    with pytest.raises(UserError) as error:
        masks(mlp(2, 2), scores_for(mlp(2, 2), 0), FREE, 0.5, keep=["conv7"])
    assert str(error.value) == (
        "error[prune.no-such-layer]: no layer with weights is called conv7\n"
        "  at   layer conv7\n"
        "  why  there are fc0\n"
        "  fix  a name that gatesmith inspect prints"
    )


def test_scores_that_are_none() -> None:
    with pytest.raises(ValueError, match="w0: scores must be finite"):
        masks(mlp(2, 2), {"w0": np.full((2, 2), np.nan)}, FREE, 0.5)
    with pytest.raises(ValueError, match="w0: scores must be finite and have the shape"):
        masks(mlp(2, 2), {"w0": np.zeros(4)}, FREE, 0.5)
    with pytest.raises(ValueError, match="unstructured needs a ratio"):
        masks(mlp(2, 2), {"w0": np.zeros((2, 2))}, FREE)


def test_zeros_in_the_graph() -> None:
    graph = mlp(3, 4, 2)
    found = masks(graph, scores_for(graph, 3, 100), FREE, 0.6)
    pruned = apply(graph, found)
    assert {name: (mask == found[name]).all() for name, mask in masks_of_zeros(pruned).items()} == {
        "w0": True,
        "w1": True,
    }
    assert sparsity(pruned) == {name: (int(m.sum()), m.size) for name, m in found.items()}
    assert sparsity(graph) == {"w0": (12, 12), "w1": (8, 8)}
    with pytest.raises(ValueError, match="no weights are called w9"):
        apply(graph, {"w9": np.ones((2, 2), np.bool_)})


def test_folding_a_batch_norm_keeps_zeros() -> None:
    w = const("w", [[0.0, 2.0], [3.0, 0.0]])
    layer = put("fc", MatMul(), Node("x", Input(TensorType((2,), Real()))), w)
    scaled = put("scaled", Mul(), layer, const("m", [-3.0, 0.25]))
    graph = Graph((put("shifted", Add(), scaled, const("a", [1.0, 2.0])),))
    folded = fold_affine(graph)
    assert (masks_of_zeros(folded)["w"] == masks_of_zeros(graph)["w"]).all()
    assert not any(isinstance(node.op, Mul) for node in folded)


def test_a_grid_without_a_zero() -> None:
    graph = mlp(2, 2)
    half = {"w0": np.array([[True, False], [True, True]])}
    bipolar = insert(graph, {"w0": Grid("bipolar", BIPOLAR, Array(1.0))})
    with pytest.raises(UserError) as error:
        apply(bipolar, half)
    assert str(error.value) == (
        "error[prune.no-zero]: the weights w0 have no zero\n"
        "  at   weights w0, quantizer bipolar\n"
        "  why  a weight that is gone must be 0, and the values it may take leave 0 out\n"
        "  fix  ternary or int weights for this layer\n"
        "  fix  keep the layer out of the pruning"
    )
    assert sparsity(apply(bipolar, {"w0": np.ones((2, 2), np.bool_)})) == {"w0": (4, 4)}
    levels = Array(np.array([-3, 0, 3]))
    grid = Grid("ternary", IntType(-3, 3), Array(0.5), levels=levels)
    assert sparsity(apply(insert(graph, {"w0": grid}), half)) == {"w0": (3, 4)}


def quantized(graph: Graph) -> Graph:
    """On simple grids, so that it can be lowered."""
    grids = {}
    for site in find_sites(graph):
        weight = site.role == "weight"
        clip = IntType(-127, 127) if weight or site.role != "input" else IntType(0, 255)
        grids[site.name] = Grid("int", clip, Array(np.float64(2.0**-7 if weight else 2.0**-4)))
    return insert(graph, grids)


def dense_layers(graph: Graph) -> list[np.ndarray]:
    integer = lower(expand(quantized(graph)), "test.onnx").graph
    return [n.op.weights.data for n in integer if isinstance(n.op, Dense)]


@pytest.mark.parametrize("prepared", [True, False])
def test_patterns_are_those_of_the_hardware(prepared: bool) -> None:
    """The last layer reads a flattened map, whose rows lowering moves."""
    graph = import_model(Path.cwd() / "examples/float/digits_cnn_s0.onnx").graph
    if prepared:
        graph = fold_affine(channels_last(graph))
    scores = weight_scores(graph, "l1")
    found = dense_layers(apply(graph, masks(graph, scores, Pattern.parse("nm:1:4"))))
    assert [w.shape for w in found] == [(16, 9), (32, 144), (10, 128)]
    for w in found:
        whole = w[:, : w.shape[1] // 4 * 4]
        assert ((whole != 0).reshape(len(w), -1, 4).sum(axis=2) <= 1).all()
        assert (w != 0).mean() > 0.15
    own = {"n0_Conv": 0.0}
    blocks = masks(graph, scores, Pattern.parse("block:2x4"), 0.6, by_layer=own)
    for w in dense_layers(apply(graph, blocks))[1:]:
        zero = (w == 0).reshape(len(w) // 2, 2, -1, 4).all(axis=(1, 3))
        assert 0.3 < zero.mean() < 0.9


def test_rows_of_a_turned_map() -> None:
    """Behind a shuffle, a ReLU and a Flatten: the order of the stream, checked by lowering."""
    x = Node("x", Input(TensorType((2, 3, 4), Real())))
    w = const("w0", np.ones((1, 1, 4, 8)))
    first = put("conv0", Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), x, w)
    turned = put("turned", Transpose((2, 0, 1)), first)
    flat = put("flat", Reshape((48,)), put("relu", Relu(), turned))
    rng = np.random.default_rng(0)
    last = put("fc", MatMul(), flat, const("w1", rng.integers(1, 100, (48, 4)) / 128))
    graph = Graph((last,))
    pattern = Pattern.parse("nm:2:8")
    pruned = apply(graph, {"w1": masks(graph, weight_scores(graph, "l1"), pattern)["w1"]})
    (dense,) = (w for w in dense_layers(pruned) if w.shape == (4, 48))
    assert ((dense != 0).reshape(4, 6, 8).sum(axis=2) == 2).all()
