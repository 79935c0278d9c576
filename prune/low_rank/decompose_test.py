"""Whole networks: rows, refusals, the rule of the cost, files that mean the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.pad import Pad
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.prune.low_rank.budget import decompose_to
from gatesmith.prune.low_rank.choice import METHODS
from gatesmith.prune.low_rank.counts import multiplications, parameters
from gatesmith.prune.low_rank.decompose import decompose
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.sites import find_sites

ROOT = Path(__file__).resolve().parents[3]
ONE = Conv((1, 1), (1, 1, 1, 1), (1, 1), 1)


def tidied(path: Path) -> Graph:
    return fold_affine(channels_last(import_model(path, None).graph))


def example(name: str) -> Graph:
    return tidied(_examples() / f"{name}_s0.onnx")


def _examples() -> Path:
    import gatesmith

    return Path(gatesmith.__file__).parents[1] / "examples/float"


def const(name: str, *shape: int) -> Node:
    data = np.random.default_rng(len(name)).normal(size=shape).astype(np.float32)
    return Node(name, Const(Array(data.astype(np.float64))))


def small(*, group: int = 1) -> Graph:
    """conv a (8 -> 8), relu, conv b (8 -> 12, stride 2), flat, dense c, each with a bias."""
    x = Node("x", Input(TensorType((6, 6, 8), Real())))
    a = Node("a", ONE, (x, const("a_w", 3, 3, 8, 8)), ("file/a",), "a_tensor")
    a_bias = Node("a_bias", Add(), (a, const("a_b", 8)), ("file/a",))
    relu = Node("relu", Relu(), (a_bias,))
    op = Conv((2, 2), (1, 1, 0, 0), (1, 1), group)
    b = Node("b", op, (relu, const("b_w", 3, 3, 8 // group, 12)), ("file/b",))
    b_bias = Node("b_bias", Add(), (b, const("b_b", 12)), ("file/b",))
    flat = Node("flat", Reshape((108,)), (b_bias,))
    c = Node("c", MatMul(), (flat, const("c_w", 108, 10)), ("file/c",))
    return Graph((Node("c_bias", Add(), (c, const("c_b", 10)), ("file/c",), "scores"),))


def run(graph: Graph, frames: int = 2) -> np.ndarray:
    (x,) = (node for node in graph if isinstance(node.op, Input))
    data = np.random.default_rng(1).normal(size=(frames, *x.type.shape))
    return np.asarray(execute(graph, {x.name: data})[graph.outputs[0]])


def distance(a: Graph, b: Graph) -> float:
    one, other = run(a), run(b)
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def layers(graph: Graph) -> list[str]:
    return [node.name for node in graph if isinstance(node.op, Conv | MatMul)]


def always(cost: float = 0) -> Callable[[Graph], float]:
    """A cost that falls with every split, whatever it is."""
    return lambda graph: cost - len(layers(graph))


def test_every_layer_has_a_row_and_the_rows_add_up() -> None:
    graph = small()
    done = decompose(graph, "tucker", energy=0.4)
    assert [(row.layer, row.split) for row in done.rows] == [("a", True), ("b", True), ("c", False)]
    assert done.rows[2].why == "a matrix product has no kernel"
    assert done.cost_before == multiplications(graph)
    assert done.cost_after == multiplications(done.graph)
    assert sum(row.multiplications_after for row in done.rows) == multiplications(done.graph)
    assert sum(row.multiplications_before for row in done.rows) == multiplications(graph)
    assert sum(row.parameters_after for row in done.rows) == parameters(done.graph)
    assert done.rows[1].cost_before == done.rows[0].cost_after
    assert done.rows[0].as_json()["ranks"] == list(done.rows[0].ranks)


def test_counts_by_hand() -> None:
    a, b, c = 36 * 8 * 72, 9 * 12 * 72, 1080
    assert multiplications(small()) == a + b + c
    assert multiplications(small(group=4)) == a + b // 4 + c
    assert parameters(small()) == 576 + 864 + 1080
    row = decompose(small(), "tucker", ranks={"b": (3, 5)}, cost=always()).rows[0]
    assert row.multiplications_after == 36 * 8 * 3 + 9 * (9 * 3 * 5) + 9 * 5 * 12
    assert row.parameters_after == 8 * 3 + 9 * 3 * 5 + 5 * 12
    row = decompose(small(), "separable", ranks={"b": 4}, cost=always()).rows[0]
    assert row.multiplications_after == 18 * (24 * 4) + 9 * (12 * 12)  # (3, 6) and (3, 3) places


def test_names_origins_and_places() -> None:
    done = decompose(small(), "tucker", ranks={"a": (2, 3)}, cost=always())
    nodes = {node.name: node for node in done.graph}
    assert layers(done.graph) == ["a_in", "a_mid", "a_out", "b", "c"]
    assert all(nodes[name].origin == ("file/a",) for name in ("a_in", "a_mid", "a_out"))
    assert nodes["a_bias"].args[0] is nodes["a_out"]
    assert nodes["a_out"].tensor == "a_tensor"
    assert nodes["a_mid"].tensor is None
    assert nodes["a_mid"].args[1].name == "a_mid_weight"


def test_names_that_are_taken_get_a_number() -> None:
    """In any case of the letters."""
    graph = small().rewrite(lambda n, _: replace(n, name="A") if n.name == "a" else None)
    (out,) = graph.outputs
    graph = Graph((Node("a_out", Relu(), (out,)),))
    done = decompose(graph, "svd", ranks={"A": 4}, cost=always())
    assert layers(done.graph) == ["A_in", "A_out_2", "b", "c"]


@pytest.mark.parametrize("method", ["svd", "tucker", "separable", "depthwise"])
def test_full_rank_is_the_network(method: str) -> None:
    graph = small()
    names = ["a", "b", "c"] if method == "svd" else ["a", "b"]
    shapes = {node.name: node.args[1].type.shape for node in graph if node.name in names}
    full = {name: METHODS[method].limits(shape) for name, shape in shapes.items()}
    done = decompose(graph, method, ranks=full, cost=always())
    assert all(row.split and row.error < 1e-6 for row in done.rows)
    assert len(layers(done.graph)) > 3
    assert distance(done.graph, graph) < 1e-5  # weights are float32 numbers


@pytest.mark.parametrize("method", METHODS)
def test_the_file_means_the_same(method: str, tmp_path: Path) -> None:
    done = decompose(small(), method, ratio=0.4)
    assert any(row.split for row in done.rows)
    exported = to_onnx(done.graph, form="float")
    assert not exported.rounded
    onnx.save(exported.model, tmp_path / "split.onnx")
    again = tidied(tmp_path / "split.onnx")
    assert [n.op for n in again if isinstance(n.op, Conv)] == [
        n.op for n in done.graph if isinstance(n.op, Conv)
    ]
    found = execute(again, {"x": _frames()})[again.outputs[0]]
    wanted = execute(done.graph, {"x": _frames()})[done.graph.outputs[0]]
    assert np.allclose(found, wanted, rtol=1e-12, atol=1e-12)
    assert find_sites(again)


def _frames() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(3, 6, 6, 8))


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp", "mnist_cnn", "resnet8"])
def test_examples(name: str, tmp_path: Path) -> None:
    """With what energy keeps, the network's results stay near; the more, the nearer."""
    graph = example(name)
    method = "svd" if name == "digits_mlp" else "separable"
    coarse, fine = (decompose(graph, method, energy=e) for e in (0.7, 0.95))
    assert coarse.cost_after < fine.cost_after <= fine.cost_before
    assert distance(fine.graph, graph) < distance(coarse.graph, graph)
    for done in (coarse, fine):
        for row in done.rows:
            assert row.error**2 <= 1 - (0.7 if done is coarse else 0.95) + 1e-9
    onnx.save(to_onnx(fine.graph, form="float").model, tmp_path / "split.onnx")
    assert distance(tidied(tmp_path / "split.onnx"), fine.graph) < 1e-9


def test_useless_splits_are_not_made() -> None:
    graph = small()
    done = decompose(graph, "svd", ranks={"a": 8, "c": 9})
    first, last = done.rows
    assert (first.split, last.split) == (False, True)
    more = 36 * 8 * 8  # full rank adds a pointwise layer
    assert first.why == f"the cost would not fall: 29592, then {29592 + more}"
    assert (first.cost_before, first.cost_after) == (29592, 29592 + more)
    assert layers(done.graph) == ["a", "b", "c_in", "c_out"]
    assert decompose(graph, "svd", ranks=8, cost=lambda g: 1.0).graph is graph


def test_a_cost_of_ones_own_decides() -> None:
    """As LUTs would: of 3 layers, one more pays and two more do not."""

    def cost(graph: Graph) -> float:
        return abs(len(layers(graph)) - 4)

    done = decompose(small(), "svd", ranks=2, cost=cost)
    assert [row.split for row in done.rows] == [True, False, False]
    assert (done.cost_before, done.cost_after) == (1, 0)


def test_a_layer_whose_cost_is_not_known_stays() -> None:
    def cost(graph: Graph) -> float:
        if "b_mid" in layers(graph):
            raise UserError("codegen.x", "no hardware", where="b", why="because", fix=("-",))
        return always()(graph)

    done = decompose(small(), "tucker", ranks=(4, 4), cost=cost)
    assert [row.split for row in done.rows] == [True, False, False]
    assert done.rows[1].why == "its cost is not known: no hardware"


def test_ratio_is_the_share_that_goes() -> None:
    done = decompose(small(), "svd", ratio=0.5, round_to=2)
    for row in done.rows:
        assert row.split
        assert row.multiplications_after <= 0.5 * row.multiplications_before
        assert row.ranks[0] % 2 == 0
    none = decompose(small(), "svd", ratio=0.999)
    assert {row.why for row in none.rows} == {
        "even the least rank leaves more than 0.1 % of multiplications"
    }
    by_size = decompose(small(), "tucker", ratio=0.5, measure="parameters")
    assert all(row.parameters_after <= 0.5 * row.parameters_before for row in by_size.rows[:2])


def test_noise_decides() -> None:
    graph = small()
    rng = np.random.default_rng(0)
    low = rng.normal(size=(72, 2)) @ rng.normal(size=(2, 12)) + 0.05 * rng.normal(size=(72, 12))

    def rule(node: Node, _users: object) -> Node | None:
        data = low.reshape(3, 3, 8, 12)
        return Node("b_w", Const(Array(data))) if node.name == "b_w" else None

    done = decompose(graph.rewrite(rule), "svd", layers=["b"], ranks="vbmf")
    assert done.rows[0].ranks == (2,)


def test_a_sample_changes_what_is_kept() -> None:
    graph = small()
    plain, seen = (
        decompose(graph, "svd", layers=["a"], ratio=0.6, sample=s)
        for s in (None, _frames() * [9, 9, 1, 1, 0.1, 0.1, 0.1, 0.1])
    )
    assert plain.rows[0].result_error is None
    assert seen.rows[0].result_error is not None
    assert seen.rows[0].result_error < seen.rows[0].error
    assert seen.rows[0].error > plain.rows[0].error


def test_the_same_bytes_each_time() -> None:
    one, other = (decompose(small(), "tucker", energy=0.6) for _ in range(2))
    assert str(one.graph) == str(other.graph)
    assert one.rows == other.rows


def test_spread_maps_are_entered_before_their_zeros() -> None:
    """A transposed convolution: the pointwise part multiplies the small map."""
    x = Node("x", Input(TensorType((4, 4, 8), Real())))
    pad = Node("spread", Pad((0, 0, 0), (0, 0, 0), (1, 1, 0), 0.0), (x,))
    conv = Node("up", Conv((1, 1), (1, 1, 2, 2), (1, 1), 1), (pad, const("w", 3, 3, 8, 6)))
    graph = Graph((conv,))
    done = decompose(graph, "tucker", ranks={"up": (8, 6)}, cost=always())
    assert distance(done.graph, graph) < 1e-5
    assert [node.name for node in done.graph if not isinstance(node.op, Const)] == [
        "x",
        "up_in",
        "spread",
        "up_mid",
        "up_out",
    ]
    assert done.rows[0].multiplications_after == multiplications(done.graph)
    shared = Graph((conv, Node("other", Relu(), (pad,))))
    apart = decompose(shared, "tucker", ranks={"up": (8, 6)}, cost=always())
    assert apart.rows[0].multiplications_after == multiplications(apart.graph)
    assert distance(apart.graph, shared) < 1e-5
    names = [node.name for node in apart.graph]
    assert len(set(names)) == len(names)


def zeros() -> Graph:
    def rule(node: Node, _users: object) -> Node | None:
        blank = node.name == "a_w"
        return Node("a_w", Const(Array(np.zeros((3, 3, 8, 8))))) if blank else None

    return small().rewrite(rule)


def refused(graph: Graph, method: str, **wish: object) -> list[str]:
    errors: list[UserError] = []
    try:
        decompose(graph, method, **wish)  # type: ignore[arg-type]
    except UserErrors as several:
        errors += several.errors
    except UserError as error:
        errors.append(error)
    assert {error.code for error in errors} == {"prune.low-rank"}
    return [f"{error.what}: {error.why}" for error in errors]


def test_all_that_is_wrong_with_named_layers_is_said_at_once() -> None:
    found = refused(small(group=4), "tucker", layers=["nobody", "b", "c", "a"], ranks={"a": 9})
    assert found == [
        "no layer is called nobody: the network has a, b, c",
        "tucker cannot split b: a convolution in 4 groups: each output reads a part of the inputs",
        "tucker cannot split c: a matrix product has no kernel",
        "tucker cannot split a: ranks 9 x 9 are not within 1 and 8 x 8",
    ]


@pytest.mark.parametrize(
    ("method", "wish", "text"),
    [
        ("svd", {"ranks": {"c": 0}}, "svd cannot split c: ranks 0 are not within 1 and 10"),
        ("tucker", {"ranks": {"a": (2,)}}, "tucker cannot split a: 2 ranks are needed, not 1"),
        (
            "svd",
            {"layers": ["a"], "ranks": {"b": 2}},
            "svd cannot split a: no rank is given for it",
        ),
        (
            "cp",
            {"layers": ["a"], "ranks": "vbmf"},
            "cp cannot split a: cp splits no one matrix whose noise shows a rank",
        ),
        ("pca", {"energy": 0.5}, "method 'pca' is not possible: expected one of svd, tucker, cp, "),
        ("svd", {"energy": 1.5}, "energy 1.5 is not possible: expected a share above 0, at most 1"),
        ("svd", {"ratio": 1.0}, "ratio 1.0 is not possible: expected a share between 0 and 1"),
        (
            "svd",
            {"energy": 0.5, "round_to": 0},
            "round_to 0 is not possible: expected 1 or more",
        ),
    ],
)
def test_refusals(method: str, wish: dict[str, object], text: str) -> None:
    (found,) = refused(small(), method, **wish)
    assert found.startswith(text)


def test_what_is_not_named_is_left_alone_with_a_reason() -> None:
    rows = decompose(zeros(), "svd", ranks=11).rows
    assert [row.why for row in rows if not row.split] == [
        "its weights are all zero",
        "the cost would not fall: 29592, then 30132",
        "ranks 11 are not within 1 and 10",
    ]


def test_quantized_weights_are_left_alone() -> None:
    grid = Grid("int", IntType(-8, 7), Array(np.array([0.5])))

    def rule(node: Node, _users: object) -> Node | None:
        if node.name != "a_w":
            return None
        return Node("a_w_quant", FakeQuant(grid), (node,))

    found = refused(small().rewrite(rule), "svd", layers=["a"], energy=0.5)
    assert found == [
        "svd cannot split a: its weights are quantized already: split before quantizing"
    ]


def test_one_wish_is_needed() -> None:
    for wish in ({}, {"energy": 0.5, "ratio": 0.5}):
        with pytest.raises(ValueError, match="one of energy, ratio and ranks"):
            decompose(small(), "svd", **wish)  # type: ignore[arg-type]


def test_a_share_of_the_whole_cost() -> None:
    graph = small()
    done, energy = decompose_to(graph, "svd", ratio=0.4)
    assert done.cost_after <= 0.6 * done.cost_before
    assert 0 < energy < 1
    assert done.rows == decompose(graph, "svd", energy=energy).rows
    more = decompose(graph, "svd", energy=min(1.0, energy + 0.02))
    assert more.cost_after > 0.6 * done.cost_before
    with pytest.raises(UserError) as caught:
        decompose_to(graph, "depthwise", ratio=0.99)
    assert caught.value.code == "prune.low-rank-budget"
    assert caught.value.what == "depthwise cannot take 99 % off the cost"
    assert caught.value.why == "the least ranks leave 7488 of 29592, above 295.92"
