"""Each method: parts that are the layer at full rank, near to it below, where zeros are padded."""

import numpy as np
import pytest

from gatesmith.ir import Array, Graph, Node, Real, Reals, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.prune.low_rank.chain import replaced
from gatesmith.prune.low_rank.choice import METHODS
from gatesmith.prune.low_rank.moments import moments, of_channels, roots
from gatesmith.quant.calibrate.runner import reference_runner

OPTIMAL = ("svd", "separable", "depthwise")  # of a matrix, or of several
FULL = (*OPTIMAL, "tucker")
ODD = Conv((2, 3), (1, 0, 2, 4), (2, 3), 1)  # nothing is the same up, down, left and right
TIGHT = 1e-9


def normal(*shape: int, seed: int = 3) -> Reals:
    return np.random.default_rng(seed).normal(size=shape)


def layer(op: Conv | MatMul, w: Reals, shape: tuple[int, ...]) -> Graph:
    x = Node("x", Input(TensorType(shape, Real())))
    return Graph((Node("layer", op, (x, Node("w", Const(Array(w))))),))


def result(graph: Graph, frames: Reals) -> Reals:
    return np.asarray(execute(graph, {"x": frames})[graph.outputs[0]])


def split(graph: Graph, method: str, ranks: tuple[int, ...]) -> Graph:
    """With float64 weights."""
    node = graph.outputs[0]
    w = node.args[1].op.value.data  # type: ignore[attr-defined]
    parts = METHODS[method].parts(node.op, w.shape, ranks)  # type: ignore[arg-type]
    return replaced(graph, "layer", parts, METHODS[method].factors(w, ranks, None))


def distance(a: Reals, b: Reals) -> float:
    assert a.shape == b.shape
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def sums(*shape: int, rank: int, seed: int = 5) -> Reals:
    """A sum of so many products of four vectors."""
    vectors = [normal(n, rank, seed=seed + axis) for axis, n in enumerate(shape)]
    return np.asarray(np.einsum("ir,jr,cr,or->ijco", *vectors))


@pytest.mark.parametrize("method", FULL)
def test_full_rank_is_the_layer_where_no_two_sides_are_equal(method: str) -> None:
    w = normal(3, 2, 5, 7)
    graph, frames = layer(ODD, w, (9, 11, 5)), normal(2, 9, 11, 5, seed=4)
    full = split(graph, method, METHODS[method].limits(w.shape))
    assert distance(result(full, frames), result(graph, frames)) < TIGHT


def test_the_full_rank_of_a_matrix_is_the_matrix() -> None:
    graph = layer(MatMul(), normal(6, 4), (3, 6))
    full = split(graph, "svd", (4,))
    frames = normal(2, 3, 6, seed=4)
    assert distance(result(full, frames), result(graph, frames)) < TIGHT
    assert [n.type.shape for n in full if isinstance(n.op, MatMul)] == [(3, 4), (3, 4)]


@pytest.mark.parametrize("method", METHODS)
def test_what_is_of_low_rank_is_found(method: str) -> None:
    w = sums(3, 3, 6, 8, rank=2)
    ranks = {"tucker": (2, 2), "depthwise": (2,)}.get(method, (2,))
    graph, frames = layer(ODD, w, (9, 11, 6)), normal(2, 9, 11, 6, seed=4)
    found = split(graph, method, ranks)
    near = 1e-5 if method == "cp" else TIGHT  # a ridge of 1e-7
    assert distance(result(found, frames), result(graph, frames)) < near
    fewer = split(graph, method, tuple(1 for _ in ranks))
    assert distance(result(fewer, frames), result(graph, frames)) > 0.05


@pytest.mark.parametrize("method", METHODS)
def test_the_product_is_what_the_parts_do(method: str) -> None:
    w, m = normal(3, 2, 5, 7) if method != "cp" else sums(3, 2, 5, 7, rank=4), METHODS[method]
    ranks = (2,) * m.bonds
    factors = m.factors(w, ranks, None)
    assert tuple(f.shape for f in factors) == tuple(p.shape for p in m.parts(ODD, w.shape, ranks))
    frames = normal(2, 9, 11, 5, seed=4)
    alone = layer(ODD, m.product(factors, w.shape), (9, 11, 5))
    parts = split(layer(ODD, w, (9, 11, 5)), method, ranks)
    assert distance(result(parts, frames), result(alone, frames)) < TIGHT


@pytest.mark.parametrize("method", OPTIMAL)
def test_what_is_lost_is_the_tail_of_the_singular_values(method: str) -> None:
    w, m = normal(3, 3, 4, 6), METHODS[method]
    ((spectrum,), missed) = (
        m.spectra(w, None) or (),
        w - m.product(m.factors(w, (2,), None), w.shape),
    )
    assert np.isclose((missed**2).sum(), (spectrum[2:] ** 2).sum(), rtol=1e-9)
    assert np.isclose((w**2).sum(), (spectrum**2).sum(), rtol=1e-9)


def test_tucker_loses_no_more_than_the_tails_together() -> None:
    w, m = normal(3, 3, 6, 8), METHODS["tucker"]
    spectra, missed = m.spectra(w, None), w - m.product(m.factors(w, (3, 4), None), w.shape)
    assert spectra is not None
    tails = [(s[r:] ** 2).sum() for s, r in zip(spectra, (3, 4), strict=True)]
    assert max(tails) <= (missed**2).sum() <= sum(tails)


def test_cp_has_terms_of_even_norms_and_the_same_bytes_each_time() -> None:
    w, m = normal(3, 3, 4, 6), METHODS["cp"]
    factors, again = m.factors(w, (5,), None), m.factors(w.copy(), (5,), None)
    assert [f.tobytes() for f in factors] == [f.tobytes() for f in again]
    first, rows, columns, last = factors
    norms = [np.linalg.norm(f.reshape(-1, 5), axis=0) for f in (first, rows, columns)]
    norms.append(np.linalg.norm(last[0, 0], axis=1))
    assert np.allclose(norms, norms[0])


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_brings_the_results_nearer(method: str) -> None:
    """Inputs that hardly vary may be wrong; correlated ones are nearly one."""
    mix = normal(6, 6, seed=8) * np.array([4.0, 2.0, 1.0, 0.3, 0.1, 0.1])
    frames = normal(64, 8, 8, 6, seed=9) @ mix
    op, w = Conv((1, 1), (1, 1, 1, 1), (1, 1), 1), normal(3, 3, 6, 8)
    if method == "depthwise":  # it looks at the taps of one channel: smooth maps
        frames = np.cumsum(np.cumsum(normal(64, 8, 8, 6, seed=9), axis=1), axis=2)
    graph, m = layer(op, w, (8, 8, 6)), METHODS[method]
    moment = moments(graph, graph.outputs, frames[:32], reference_runner)["layer"]
    wanted, errors = result(graph, frames[32:]), []
    for given in (None, moment):
        ranks = (2,) if method == "depthwise" else (3,) * m.bonds
        factors = m.factors(w, ranks, given)
        found = replaced(graph, "layer", m.parts(op, w.shape, ranks), factors)
        errors.append(distance(result(found, frames[32:]), wanted))
    assert errors[1] < 0.9 * errors[0]


def test_moments_are_means_of_products() -> None:
    graph = layer(MatMul(), normal(3, 2), (3,))
    frames = normal(70, 3)  # more than one batch
    found = moments(graph, graph.outputs, frames, reference_runner)["layer"]
    single = frames.astype(np.float32).astype(np.float64)
    assert np.allclose(found, single.T @ single / 70)
    root, inverse = roots(found)
    assert np.allclose(root @ root, found)
    assert np.allclose(root @ inverse, np.eye(3))
    taps: Reals = np.asarray(np.kron(np.diag([1.0, 3.0]), found), np.float64)
    assert np.allclose(of_channels(taps, 3), 2 * found)


REFUSED = {
    ("tucker", (6, 4)): "a matrix product has no kernel",
    ("tucker", (1, 1, 6, 4)): "its kernel of 1 x 1 has nothing to separate",
    ("cp", (1, 5, 6, 4)): "its kernel of 1 x 5 has nothing to separate",
    ("separable", (5, 1, 6, 4)): "its kernel of 5 x 1 has nothing to separate",
    ("depthwise", (1, 1, 6, 4)): "its kernel of 1 x 1 has nothing to separate",
    ("depthwise", (1, 5, 6, 4)): None,
    ("tucker", (1, 5, 6, 4)): None,
    ("svd", (1, 1, 6, 4)): None,
}


@pytest.mark.parametrize(("method", "shape"), REFUSED)
def test_layers_without_a_kernel_are_refused(method: str, shape: tuple[int, ...]) -> None:
    op = MatMul() if len(shape) == 2 else ODD
    assert METHODS[method].refusal(op, shape) == REFUSED[method, shape]


def test_groups_are_refused() -> None:
    grouped = Conv((1, 1), (0, 0, 0, 0), (1, 1), 2)
    why = "a convolution in 2 groups: each output reads a part of the inputs"
    assert {m.refusal(grouped, (3, 3, 4, 8)) for m in METHODS.values()} == {why}
