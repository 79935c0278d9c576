"""Blocks and layers that can be left out, and what the network is without them."""

import numpy as np
import pytest

from gatesmith.ir import Array, Graph, Node, Real, TensorType
from gatesmith.ir.check import check
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.relu import Relu
from gatesmith.prune.blocks import block_scores, find_blocks, without_blocks
from gatesmith.prune.count import macs, macs_by_layer, parameters
from gatesmith.rtl_tests.prunable_networks import NETWORKS, imported


def dense(name: str, x: Node, outputs: int, scale: float = 1.0) -> Node:
    rng = np.random.default_rng(len(name))
    w = scale * rng.integers(-2, 3, (x.type.channels, outputs)).astype(float)
    return Node(name, MatMul(), (x, Node(f"{name}_w", Const(Array(w)))))


def stream() -> Graph:
    """Two blocks on a stream of four, the second of layers that say little; then a layer."""
    x = Node("x", Input(TensorType((5,), Real())))
    a = dense("first", x, 4)
    b = Node("sum_1", Add(), (a, dense("b2", Node("r1", Relu(), (dense("b1", a, 3),)), 4)))
    c = dense("c22", Node("r2", Relu(), (dense("c1", b, 6, 0.125),)), 4, 0.125)
    d = Node("r3", Relu(), (Node("sum_2", Add(), (c, b)),))
    bias = Node("bias", Const(Array(np.array([1.0, -1.0, 2.0, 0.0]))))
    e = Node("r4", Relu(), (Node("e_bias", Add(), (dense("e", d, 4), bias)),))
    return Graph((dense("last", e, 2),))


def run(graph: Graph, x: np.ndarray) -> list[np.ndarray]:
    values = execute(graph, {"x": x})
    return [values[output] for output in graph.outputs]


def test_residual_blocks_and_layers_are_found() -> None:
    found = [
        (b.name, b.kind, b.layers, b.multiplications, b.parameters) for b in find_blocks(stream())
    ]
    assert found == [
        ("sum_1", "residual", ("b1", "b2"), 24, 24),
        ("sum_2", "residual", ("c1", "c22"), 48, 48),
        ("e", "layer", ("e",), 16, 20),
    ]


def test_without_a_block_the_shortcut_is_left() -> None:
    graph = stream()
    x = np.random.default_rng(0).integers(-3, 4, (4, 5)).astype(float)
    w = {n.name: n.op.value.data for n in graph if isinstance(n.op, Const)}
    rest = without_blocks(graph, ["sum_1", "sum_2", "e"])
    check(rest, "without_blocks")
    wanted = np.maximum(x @ w["first_w"], 0) @ w["last_w"]
    np.testing.assert_array_equal(run(rest, x)[0], wanted)
    assert [n.name for n in rest if isinstance(n.op, MatMul)] == ["first", "last"]
    one = without_blocks(graph, ["sum_1"])
    a = x @ w["first_w"]
    b = a + 0.0
    d = np.maximum(b + np.maximum(b @ w["c1_w"], 0) @ w["c22_w"], 0)
    wanted = np.maximum(d @ w["e_w"] + w["bias"], 0) @ w["last_w"]
    np.testing.assert_array_equal(run(one, x)[0], wanted)


def test_what_a_block_saves_is_what_is_gone() -> None:
    for name in NETWORKS:
        graph = imported(name)
        for block in find_blocks(graph):
            rest = without_blocks(graph, [block.name])
            check(rest, "without_blocks")
            assert macs(graph) - macs(rest) == block.multiplications > 0
            assert parameters(graph) - parameters(rest) == block.parameters
            assert set(macs_by_layer(graph)) - set(macs_by_layer(rest)) == set(block.layers)
            assert [o.type for o in rest.outputs] == [o.type for o in graph.outputs]


def test_only_an_identity_is_a_shortcut() -> None:
    """Of the three joins of the ResNet one has an identity; projections and padding are none."""
    found = find_blocks(imported("residual"))
    assert [(b.name, b.kind, b.layers) for b in found] == [
        ("add_8", "residual", ("conv_3", "conv_6"))
    ]
    shuffled = find_blocks(imported("shuffled"))
    assert [b.layers for b in shuffled if b.kind == "residual"] == [("conv_3", "conv_9", "conv_11")]


def test_a_branch_that_another_node_reads_saves_only_what_goes() -> None:
    x = Node("x", Input(TensorType((4,), Real())))
    inner = dense("inner", x, 4)
    y = Node("sum", Add(), (dense("outer", inner, 4), x))
    graph = Graph((dense("last", y, 2), dense("side", inner, 3)))
    by_name = {block.name: block for block in find_blocks(graph)}
    assert by_name["sum"].layers == ("outer",)
    assert "side" not in by_name


def test_a_branch_with_another_source_is_no_block() -> None:
    x, z = (Node(name, Input(TensorType((4,), Real()))) for name in "xz")
    mixed = Node("mixed", Add(), (dense("a", x, 4), z))
    graph = Graph((dense("last", Node("sum", Add(), (mixed, x)), 2),))
    assert [block.name for block in find_blocks(graph)] == ["a"]


def test_a_block_at_the_output_keeps_its_name() -> None:
    x = Node("x", Input(TensorType((4,), Real())))
    graph = Graph((Node("sum", Add(), (dense("a", x, 4), x), tensor="scores"),))
    rest = without_blocks(graph, ["sum"])
    assert [(o.name, o.tensor) for o in rest.outputs] == [("sum", "scores")]
    frames = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(run(rest, frames)[0], frames)


def test_scores_are_changes_of_the_output() -> None:
    graph = stream()
    blocks = find_blocks(graph)
    x = np.random.default_rng(1).integers(-3, 4, (50, 5)).astype(float)
    scores = block_scores(graph, blocks, x, run)
    for block in blocks:
        (one,), (other,) = run(graph, x), run(without_blocks(graph, [block.name]), x)
        wanted = np.linalg.norm(one - other) / np.linalg.norm(one)
        assert scores[block.name] == pytest.approx(wanted, rel=1e-12)
    assert scores["sum_2"] < scores["sum_1"]


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^no block sum_3: there are sum_1, sum_2, e$"):
        without_blocks(stream(), ["sum_1", "sum_3"])
