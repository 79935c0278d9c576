"""The passes before quantization keep the function, and sites are where lowering needs them."""

from pathlib import Path

import numpy as np
import pytest

from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.div import Div
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.function import Function
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.mul import Mul
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.sub import Sub
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.sites import find_sites, grids_of, insert

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted((ROOT / "examples/float").glob("*.onnx"))
SHARED = ROOT.parent / "shared/models"
RNG = np.random.default_rng(5)


def real(*shape: int) -> Array:
    return Array(RNG.normal(size=shape).astype(np.float32).astype(np.float64))


def const(name: str, *shape: int) -> Node:
    return Node(name, Const(real(*shape)))


def conv(name: str, x: Node, outputs: int, group: int = 1) -> Node:
    w = const(f"{name}_w", 3, 3, x.type.channels // group, outputs)
    return Node(name, Conv((1, 1), (1, 1, 1, 1), (1, 1), group), (x, w))


def run(graph: Graph) -> list[np.ndarray]:
    x = {
        node.name: np.random.default_rng(7).normal(size=(3, *node.type.shape))
        for node in graph
        if isinstance(node.op, Input)
    }
    values = execute(graph, x)
    return [values[output] for output in graph.outputs]


def same(a: Graph, b: Graph) -> None:
    for one, other in zip(run(a), run(b), strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= 1e-5 * np.abs(one).max()  # reals: float32 constants


def ops(graph: Graph, *kinds: type) -> list[str]:
    return [node.name for node in graph if isinstance(node.op, kinds)]


def batch_norm(x: Node, name: str) -> Node:
    """As the importer writes it, channels first."""
    c = x.type.shape[0]
    mean = Node(f"{name}_mean", Sub(), (x, const(f"{name}_m", c, 1, 1)))
    scale = Node(f"{name}_scale", Mul(), (mean, const(f"{name}_s", c, 1, 1)))
    over = Node(f"{name}_d", Const(Array(RNG.uniform(0.5, 2, (c, 1, 1)))))
    half = Node(f"{name}_over", Div(), (scale, over))
    return Node(f"{name}_bias", Add(), (half, const(f"{name}_b", c, 1, 1)))


def residual() -> Graph:
    """Two convolutions, batch norms and a skip, channels first between them."""
    x = Node("x", Input(TensorType((4, 6, 6), Real())))
    last = Node("last", Transpose((1, 2, 0)), (x,))
    y = Node("first", Transpose((2, 0, 1)), (conv("c1", last, 8),))
    relu = Node("relu", Relu(), (batch_norm(y, "bn1"),))
    y = Node("again", Transpose((1, 2, 0)), (relu,))
    y = Node("back", Transpose((2, 0, 1)), (conv("c2", y, 8, group=2),))
    y = Node("sum", Add(), (batch_norm(y, "bn2"), relu))
    y = Node("out", Relu(), (y,))
    flat = Node("flat", Reshape((8 * 36,)), (y,))
    return Graph((Node("fc", MatMul(), (flat, const("fc_w", 288, 5))),))


def test_batch_norm_goes_into_the_layers_and_transposes_cancel() -> None:
    graph = residual()
    turned = channels_last(graph)
    for a, b in zip(run(graph), run(turned), strict=True):
        assert (a == b).all()
    assert len(ops(turned, Transpose)) == 2  # of the input, and before the flattening
    folded = fold_affine(turned)
    same(graph, folded)
    assert not ops(folded, Sub, Mul, Div)
    assert len(ops(folded, Add)) == 3  # two biases and the join
    values = [n.op.value.data for n in folded if isinstance(n.op, Const)]
    assert all((v.astype(np.float32) == v).all() for v in values)


def test_an_output_keeps_its_tensor_when_its_transpose_is_gone() -> None:
    x = Node("x", Input(TensorType((4, 6, 6), Real())))
    y = conv("c", Node("last", Transpose((1, 2, 0)), (x,)), 8)
    y = Node("relu", Relu(), (Node("first", Transpose((2, 0, 1)), (y,)),))
    end = Node("end", Transpose((1, 2, 0)), (y,), tensor="scores")
    (output,) = channels_last(Graph((end,))).outputs
    assert (type(output.op), output.tensor) == (Relu, "scores")


def test_a_layer_that_two_read_is_left_alone() -> None:
    x = Node("x", Input(TensorType((4, 4, 2), Real())))
    y = conv("c", x, 3)
    two = Graph((Node("double", Mul(), (y, const("m", 3))), Node("relu", Relu(), (y,))))
    folded = fold_affine(two)
    same(two, folded)
    assert ops(folded, Mul) == ["double"]


def test_a_shared_weight_becomes_two() -> None:
    x = Node("x", Input(TensorType((4,), Real())))
    w = const("w", 4, 4)
    a = Node("a", Mul(), (Node("fc1", MatMul(), (x, w)), const("m", 4)))
    b = Node("b", Add(), (Node("fc2", MatMul(), (a, w)), const("n", 4)))
    graph = Graph((b,))
    folded = fold_affine(graph)
    same(graph, folded)
    names = [node.name for node in folded]
    assert len(names) == len(set(names))


def test_constants_on_the_left() -> None:
    x = Node("x", Input(TensorType((4,), Real())))
    fc = Node("fc", MatMul(), (x, const("w", 4, 3)))
    graph = Graph((Node("minus", Sub(), (const("c", 3), fc)),))
    folded = fold_affine(graph)
    same(graph, folded)
    assert not ops(folded, Sub)
    over = Graph((Node("over", Div(), (const("c", 3), fc)),))
    assert ops(fold_affine(over), Div) == ["over"]  # not affine


def test_sites_of_a_residual_network() -> None:
    graph = fold_affine(channels_last(residual()))
    found = {site.name: (site.role, site.layers) for site in find_sites(graph)}
    assert found == {
        "x": ("input", ("c1",)),
        "c1_w": ("weight", ("c1",)),
        "relu": ("activation", ("c2",)),
        "c2_w": ("weight", ("c2",)),
        "bn2_bias": ("activation", ()),
        "out": ("activation", ("fc",)),
        "fc_w": ("weight", ("fc",)),
    }


def test_sites_of_pools_tables_concat_and_softmax() -> None:
    x = Node("x", Input(TensorType((6, 6, 2), Real())))
    a = Node("relu", Relu(), (conv("c1", x, 4),))
    pool = Node("pool", MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), (a,))
    silu = conv("c2", pool, 4)
    swish = Node("swish", Mul(), (silu, Node("gate", Function("sigmoid"), (silu,))))
    other = Node("sigmoid", Function("sigmoid"), (conv("c3", pool, 4),))
    both = Node("both", Concat(2), (swish, other))
    mean = Node("mean", AveragePool((3, 3), (1, 1), (0, 0, 0, 0), (0, 0, 0, 0)), (both,))
    flat = Node("flat", Reshape((8,)), (mean,))
    fc = Node("fc", MatMul(), (flat, const("fc_w", 8, 3)))
    graph = Graph((Node("probabilities", Softmax(), (fc,)),))
    found = {site.name: (site.role, site.tied) for site in find_sites(graph)}
    assert found == {
        "x": ("input", None),
        "c1_w": ("weight", None),
        "relu": ("activation", None),  # before the pool, which keeps the grid
        "c2_w": ("weight", None),
        "c2": ("activation", None),  # read twice, and then a table
        "c3_w": ("weight", None),
        "swish": ("activation", None),
        "sigmoid": ("activation", "swish"),  # one grid for what is put together
        "mean": ("activation", None),  # behind the pool, before the movement
        "fc_w": ("weight", None),
    }


def test_an_activation_at_the_end_gets_a_quantizer_and_sums_do_not() -> None:
    x = Node("x", Input(TensorType((4,), Real())))
    fc = Node("fc", MatMul(), (x, const("w", 4, 3)))
    assert [s.name for s in find_sites(Graph((fc,)))] == ["x", "w"]
    end = Node("end", Function("tanh"), (fc,))
    sites = find_sites(Graph((end,)))
    assert [(s.name, s.role) for s in sites][-1] == ("end", "output")


def test_insert_replaces_and_names_what_is_missing() -> None:
    graph = fold_affine(channels_last(residual()))
    grid = Grid("int", IntType(-8, 7), Array(0.5))
    once = insert(graph, {"relu": grid, "c1_w": grid})
    twice = insert(once, {"relu": Grid("int", IntType(0, 3), Array(0.25))})
    assert [len(ops(g, FakeQuant)) for g in (once, twice)] == [2, 2]
    assert grids_of(twice)["relu"].bits == 2
    with pytest.raises(ValueError, match="nonsense"):
        insert(graph, {"nonsense": grid})


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_trained_networks_keep_their_function(path: Path) -> None:
    graph = import_model(path).graph
    same(graph, fold_affine(channels_last(graph)))


@pytest.mark.skipif(not SHARED.exists(), reason="no shared models")
@pytest.mark.parametrize("name", ["model_ic", "model_kws", "model_vww", "model_ad", "vww_96_float"])
def test_shared_networks_keep_their_function(name: str) -> None:
    graph = import_model(SHARED / f"float/{name}.onnx").graph
    clean = fold_affine(channels_last(graph))
    same(graph, clean)
    layers = [n for n in clean if isinstance(n.op, Conv | MatMul)]
    weights = [s for s in find_sites(clean) if s.role == "weight"]
    assert len(weights) == len(layers)
