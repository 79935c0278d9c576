"""A graph that is cut computes what the whole one does with the readers' weights at zero, exactly.

Constants and inputs are small integers, so that float64 is exact and the order of sums is free.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatesmith.rtl_tests.branching_networks
import gatesmith.rtl_tests.qonnx_networks  # noqa: F401 - registers networks
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import Array, Graph, IntType, Node, Real, TensorType, Values
from gatesmith.ir.check import check
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.relu import Relu
from gatesmith.prune.cut import Removed, cut, masked
from gatesmith.prune.dependency import find_structure
from gatesmith.prune.structure import Structure
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.rtl_tests.prunable_networks import NETWORKS, imported
from gatesmith.rtl_tests.qonnx_builder import NETWORKS as QONNX

ROOT = Path(__file__).resolve().parents[1]
FLOAT = sorted(
    [
        *(ROOT / "examples/float").glob("*.onnx"),
        *(ROOT.parent / "shared/models/float").glob("*.onnx"),
    ]
)
FRACTIONS = {"normalized"}
"""Networks that divide: their sums are rounded."""


def frames(graph: Graph, seed: int, count: int = 2) -> dict[str, Values]:
    rng = np.random.default_rng(seed)
    found: dict[str, Values] = {}
    for node in graph:
        if isinstance(node.op, Input):
            elem, shape = node.type.elem, (count, *node.type.shape)
            lo, hi = (elem.lo, elem.hi) if isinstance(elem, IntType) else (-3, 3)
            values = rng.integers(lo, hi + 1, shape)
            found[node.name] = values if isinstance(elem, IntType) else values.astype(float)
    return found


def results(graph: Graph, seed: int) -> list[Values]:
    values = execute(graph, frames(graph, seed))
    return [values[output] for output in graph.outputs]


def drawn(structure: Structure, seed: int) -> dict[str, list[int]]:
    """Any number of units of each group, but not all of what a value is made of."""
    rng = np.random.default_rng(seed)
    removed = {
        group.name: set(rng.permutation(group.count)[: rng.integers(0, group.count)].tolist())
        for group in structure.groups
    }
    for guard in structure.guards:
        if all(unit in removed[name] for name, unit in guard):
            name, unit = min(guard)
            removed[name].discard(unit)
    return {name: sorted(units) for name, units in removed.items()}


def same(graph: Graph, removed: Removed, seed: int = 0, exact: bool = True) -> Graph:
    small, whole = cut(graph, removed), masked(graph, removed)
    check(small, "cut")
    check(whole, "masked")
    for one, other in zip(results(small, seed), results(whole, seed), strict=True):
        assert one.shape == other.shape
        if exact:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12 * np.abs(other).max())
    return small


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_cut_is_masked(name: str, seed: int) -> None:
    graph = imported(name)
    structure = find_structure(graph)
    removed = drawn(structure, seed)
    small = same(graph, removed, seed, exact=name not in FRACTIONS)
    gone = Counter(
        layer
        for group in structure.groups
        for unit in removed[group.name]
        for layer, _ in group.channels[unit]
    )
    left = {node.name: node.type.channels for node in small}
    for node in graph:
        if isinstance(node.op, Conv | MatMul):
            assert left[node.name] == node.type.channels - gone[node.name]


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_may_be_first(name: str) -> None:
    graph = imported(name, tidy=False)
    same(graph, drawn(find_structure(graph), 7), 7, exact=name not in FRACTIONS)


@pytest.mark.parametrize("name", sorted(QONNX))
def test_quantized_networks_are_cut_too(name: str, tmp_path: Path) -> None:
    """Scales and thresholds by channel, weights behind quantizers, bipolar ones without a zero."""
    network = QONNX[name](True)
    onnx.save(network.model, tmp_path / "net.onnx")
    graph = import_model(tmp_path / "net.onnx").graph
    structure = find_structure(graph)
    for seed in range(2):
        same(graph, drawn(structure, seed), seed)
        same(channels_last(graph), drawn(find_structure(channels_last(graph)), seed), seed)


def whole(graph: Graph, seed: int) -> Graph:
    """The same layers with weights -1, 0 and 1, few of them, so that sums stay small."""
    rng = np.random.default_rng(seed)
    weights = {n.args[1].name for n in graph if isinstance(n.op, Conv | MatMul)}
    factors = {arg.name for n in graph if isinstance(n.op, Mul) for arg in n.args}

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if not isinstance(node.op, Const):
            return None
        shape = node.type.shape
        if node.name in weights:
            value = np.zeros((int(np.prod(shape[:-1])), shape[-1]))
            for column in value.T:
                places = rng.choice(len(column), min(3, len(column)), replace=False)
                column[places] = rng.choice([-1.0, 1.0], len(places))
            value = value.reshape(shape)
        elif node.name in factors:
            value = rng.choice([-1.0, 1.0], shape)
        else:
            value = rng.integers(-2, 3, shape).astype(float)
        return Node(node.name, Const(Array(value)))

    return graph.rewrite(rule)


@pytest.mark.parametrize("path", FLOAT, ids=lambda p: p.stem)
def test_float_networks(path: Path) -> None:
    """With whole weights exactly; with their own to the last digits of a sum."""
    imported_graph = import_model(path).graph
    for graph in (imported_graph, fold_affine(channels_last(imported_graph))):
        removed = drawn(find_structure(graph), 1)
        same(graph, removed, exact=False)
        same(whole(graph, 2), removed)
        before, after = results(graph, 0), results(masked(graph, removed), 0)
        assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_nothing_removed_is_the_same_network() -> None:
    graph = imported("residual")
    assert str(cut(graph, {})) == str(graph)
    assert str(masked(graph, {"conv_3": ()})) == str(graph)


def test_names_stay_and_tensors_only_where_the_shape_does() -> None:
    graph = imported("chain")
    small = {node.name: node for node in cut(graph, {"conv_4": [0, 5]})}
    assert set(small) == {node.name for node in graph}
    for node in graph:
        same_shape = small[node.name].type.shape == node.type.shape
        assert small[node.name].tensor == (node.tensor if same_shape else None)
    assert small["conv_4"].type.shape == (4, 4, 6)
    assert any(node.tensor for node in small.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cut_network_is_written_and_read_again(name: str, tmp_path: Path) -> None:
    graph = imported(name)
    small = cut(graph, drawn(find_structure(graph), 3))
    onnx.save(to_onnx(small, form="float").model, tmp_path / "small.onnx")
    again = import_model(tmp_path / "small.onnx").graph
    for one, other in zip(results(small, 4), results(again, 4), strict=True):
        if name in FRACTIONS:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(one, other)


def test_an_empty_residual_branch_is_its_shortcut() -> None:
    """All that the last layer of a branch reads is gone: what is left of the branch is a bias."""
    graph = imported("residual")
    small = same(graph, {"conv_3": range(5), "conv_0": [2]})
    left = {node.name: node.op for node in small}
    assert "conv_3" not in left
    assert not [name for name in left if name.startswith("conv_6")]
    assert isinstance(left["add_8"], Add)


def test_an_empty_argument_of_a_concat_is_left_out() -> None:
    graph = imported("dense_net")
    small = same(graph, {"conv_6": range(4), "conv_13": range(4), "conv_20": [0]})
    assert not {"conv_3", "conv_6", "conv_10", "conv_13"} & {node.name for node in small}
    x = Node("x", Input(TensorType((3,), Real())))
    parts = [dense(name, x, 2) for name in ("a", "b")]
    graph = Graph((dense("last", Node("both", Concat(0), tuple(parts)), 2),))
    one = same(graph, {"a": [0, 1]})
    assert [node.name for node in one if isinstance(node.op, MatMul)] == ["b", "last"]


def dense(name: str, x: Node, outputs: int) -> Node:
    rng = np.random.default_rng(sum(map(ord, name)))
    w = rng.integers(-3, 4, (x.type.channels, outputs)).astype(float)
    return Node(name, MatMul(), (x, Node(f"{name}_w", Const(Array(w)))))


def test_what_would_be_empty_is_refused() -> None:
    graph = imported("chain")
    with pytest.raises(ValueError, match=r"^nothing would be left of relu_5 for averagepool_6 to"):
        cut(graph, {"conv_0": range(6)})
    with pytest.raises(ValueError, match=r"^nothing would be left of .* for gemm_10 to read$"):
        cut(imported("chain"), {"conv_4": range(8)})


def test_unknown_units_are_refused() -> None:
    graph = imported("chain")
    with pytest.raises(ValueError, match=r"^no group conv: there are conv_0, conv_4, gemm_8$"):
        cut(graph, {"conv": [0]})
    with pytest.raises(ValueError, match=r"^conv_0 has the units 0 to 5, not \[2, 6\]$"):
        masked(graph, {"conv_0": [6, 2]})


def test_a_shared_constant_becomes_two() -> None:
    x = Node("x", Input(TensorType((6,), Real())))
    w = Node("w", Const(Array(np.arange(36.0).reshape(6, 6) - 18)))
    b = Node("b", Const(Array(np.arange(6.0))))
    a = Node("relu", Relu(), (Node("a_sum", Add(), (Node("a", MatMul(), (x, w)), b)),))
    y = Node("y_sum", Add(), (Node("y", MatMul(), (a, w)), b))
    graph = Graph((dense("last", y, 2),))
    small = same(graph, {"a": [1], "y": [0, 2]})
    assert sorted(n.type.shape for n in small if n.name.startswith("w")) == [(5, 4), (6, 5)]


def test_grids_by_channel_are_cut() -> None:
    rng = np.random.default_rng(0)
    x = Node("x", Input(TensorType((4,), Real())))
    layer = dense("fc", x, 5)
    scale = Array(2.0 ** rng.integers(-2, 2, (1, 5)))
    w = Node("wq", FakeQuant(Grid("int", IntType(-4, 3), scale)), (layer.args[1],))
    sums = Node("fc", MatMul(), (x, w))
    act = FakeQuant(Grid("int", IntType(-8, 7), Array(2.0 ** rng.integers(0, 3, 5))))
    graph = Graph((dense("last", Node("act", act, (sums,)), 3),))
    same(graph, {"fc": [0, 3]})


def test_bipolar_weights_are_masked_behind_their_quantizer() -> None:
    """There is no zero among them: a factor does it."""
    x = Node("x", Input(TensorType((4,), Real())))
    last = dense("last", dense("fc", x, 5), 3)
    grid = Grid("bipolar", IntType(-1, 1, 2), Array(0.5))
    w = Node("wq", FakeQuant(grid), (last.args[1],))
    graph = Graph((Node("last", MatMul(), (last.args[0], w)),))
    same(graph, {"fc": [0, 3]})
    assert any(node.name == "wq_masked" for node in masked(graph, {"fc": [1]}))
