"""A graph as a module computes what the graph computes, before and after it has learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gatesmith.ir import BIPOLAR, Array, Graph, IntType, Node, Real, TensorType  # noqa: E402
from gatesmith.ir.execute import execute  # noqa: E402
from gatesmith.ops.add import Add  # noqa: E402
from gatesmith.ops.concat import Concat  # noqa: E402
from gatesmith.ops.const import Const  # noqa: E402
from gatesmith.ops.conv import Conv  # noqa: E402
from gatesmith.ops.fake_quant import FakeQuant, Grid  # noqa: E402
from gatesmith.ops.input import Input  # noqa: E402
from gatesmith.ops.mat_mul import MatMul  # noqa: E402
from gatesmith.ops.max_pool import MaxPool  # noqa: E402
from gatesmith.ops.mul import Mul  # noqa: E402
from gatesmith.ops.reduce import Reduce  # noqa: E402
from gatesmith.ops.relu import Relu  # noqa: E402
from gatesmith.ops.reshape import Reshape  # noqa: E402
from gatesmith.quant.calibrate.binary import signs_of_sums  # noqa: E402
from gatesmith.quant.prepare.sites import find_sites, grids_of, insert  # noqa: E402
from gatesmith.quant.train.module import GraphModule, ModuleOptions  # noqa: E402
from gatesmith.quant.train.quantizers import Estimators  # noqa: E402

ROUND_OFF = 2.0**-18
"""Bound of float32's error in a sum, relative to its largest term here; sums of up to 144 terms."""


def f32(values: object) -> Array:
    return Array(np.asarray(values, np.float32).astype(np.float64))


class Net:
    """A residual network by hand: (6, 6, 3) to 5 scores."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.x = Node("x", Input(TensorType((6, 6, 3), Real())))

    def const(self, name: str, *shape: int) -> Node:
        size = np.sqrt(2 / max(1, int(np.prod(shape[:-1]))))
        return Node(name, Const(f32(self.rng.standard_normal(shape) * size)))

    def conv(self, name: str, x: Node, channels: int) -> Node:
        w = self.const(f"{name}_w", 3, 3, x.type.channels, channels)
        y = Node(name, Conv((1, 1), (1, 1, 1, 1), (1, 1), 1), (x, w))
        return Node(f"{name}_sum", Add(), (y, self.const(f"{name}_b", channels)))

    def graph(self) -> Graph:
        a = Node("relu_a", Relu(), (self.conv("a", self.x, 8),))
        b = Node("relu_b", Relu(), (self.conv("b", a, 8),))
        joined = Node("relu_c", Relu(), (Node("join", Add(), (self.conv("c", b, 8), a)),))
        both = Node(
            "both", Concat(2), (joined, Node("relu_d", Relu(), (self.conv("d", joined, 4),)))
        )
        pooled = Node("pool", MaxPool((2, 2), (2, 2)), (both,))
        rows = Node("rows", Reshape((9, 12)), (pooled,))
        mean = Node("mean", Reduce("mean"), (rows,))
        scores = Node("dense", MatMul(), (mean, self.const("dense_w", 12, 5)))
        return Graph((Node("scores", Add(), (scores, self.const("dense_b", 5))),))


def grids(graph: Graph, x: np.ndarray, weights: str = "int", bits: int = 4) -> dict[str, Grid]:
    """Simple grids: by the largest values."""
    sites = find_sites(graph)
    values = execute(graph, {"x": x}, [site.node for site in sites if site.role != "weight"])
    found: dict[str, Grid] = {}
    for site in sites:
        value = _data(site.node) if site.role == "weight" else values[site.node]
        most = np.abs(value).max()
        if site.tied is not None:
            found[site.name] = found[site.tied]
        elif site.role == "weight" and weights == "bipolar":
            scale = np.abs(value).reshape(-1, value.shape[-1]).mean(0)
            found[site.name] = Grid("bipolar", BIPOLAR, f32(scale))
        elif site.role == "weight":
            top = (1 << (bits - 1)) - 1
            scale = np.abs(value).reshape(-1, value.shape[-1]).max(0) / top
            found[site.name] = Grid("int", IntType(-top, top), f32(scale))
        elif value.min() >= 0:
            top = (1 << bits) - 1
            found[site.name] = Grid("int", IntType(0, top), f32(most / top))
        else:
            top = (1 << (bits - 1)) - 1
            found[site.name] = Grid("int", IntType(-top - 1, top), f32(most / top))
    return found


def _data(node: Node) -> np.ndarray:
    assert isinstance(node.op, Const)
    return node.op.value.data


def example(weights: str = "int", bits: int = 4, seed: int = 0) -> tuple[Graph, np.ndarray]:
    graph = Net(seed).graph()
    x = np.random.default_rng(9).standard_normal((40, 6, 6, 3)).astype(np.float32).astype(float)
    return insert(graph, grids(graph, x, weights, bits)), x


def learn(module: GraphModule, x: np.ndarray, steps: int = 6) -> None:
    """Anything that moves every parameter."""
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=2e-3)
    target = torch.randint(0, 5, (len(x),), generator=torch.Generator().manual_seed(1))
    module.train()
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(module(torch.tensor(x).float()), target)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        module.keep()
    module.eval()


def explained(graph: Graph, module: GraphModule, x: np.ndarray) -> tuple[int, int]:
    """Codes that differ between the module and the NumPy reference, and codes in all.

    Every difference must be explained: its value, computed exactly from the same codes before it,
    lies within float32 rounding of the middle between two codes. Frames with one that is explained
    are left out further on.
    """
    nodes = [
        n for n in graph if isinstance(n.op, FakeQuant) and not isinstance(n.args[0].op, Const)
    ]
    found = execute(graph, {"x": x}, [*nodes, *(n.args[0] for n in nodes)])
    exact = {node: value.astype(np.float64) for node, value in found.items()}
    with torch.no_grad():
        values = module.run(torch.tensor(x).float())
    same = np.ones(len(x), bool)
    count = total = 0
    for node in nodes:
        assert isinstance(node.op, FakeQuant)
        grid = node.op.grid
        ours = grid.codes(values[node.name].double().numpy())
        wanted, real = grid.codes(exact[node.args[0]]), exact[node.args[0]]
        away = (ours != wanted) & same.reshape(-1, *(1,) * (ours.ndim - 1))
        count, total = count + int(away.sum()), total + ours.size
        if grid.kind == "bipolar":
            doubt = np.abs(real)
        else:
            t = real / grid.scale.data
            doubt = np.abs(t - 0.5 - np.rint(t - 0.5)) * grid.scale.data
        assert (doubt[away] <= ROUND_OFF * np.abs(real).max()).all(), node.name
        same &= ~away.reshape(len(x), -1).any(axis=1)
    for output in graph.outputs:
        scores = values[output.name].double().numpy()
        np.testing.assert_allclose(scores[same], exact[output][same], rtol=1e-4, atol=1e-5)
    return count, total


def module_of(graph: Graph, **options: Any) -> GraphModule:
    """One that keeps the values of every quantizer."""
    names = tuple(n.name for n in graph if isinstance(n.op, FakeQuant))
    return GraphModule(graph, ModuleOptions(kept=names, **options)).eval()


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weights", ["int", "bipolar"])
def test_the_written_graph_has_the_same_codes(weights: str, normalize: bool) -> None:
    graph, x = example(weights)
    module = module_of(graph, normalize=normalize)
    module.calibrate(torch.tensor(x).float())
    learn(module, x)
    written = module.graph()
    different, total = explained(written, module, x)
    assert different <= total / 5000
    assert total > 40 * 6 * 6 * 8 * 3
    before = {name: grid.scale for name, grid in grids_of(graph).items()}
    after = {name: grid.scale for name, grid in grids_of(written).items()}
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]) == (name == "x") for name in before)


def test_a_module_that_has_not_learned_is_the_graph() -> None:
    graph, x = example()
    written = module_of(graph).graph()
    assert grids_of(written) == grids_of(graph)
    a, b = (next(iter(execute(g, {"x": x}).values())) for g in (graph, written))
    np.testing.assert_array_equal(a, b)


def test_weights_lie_on_their_grids_and_other_constants_are_float32() -> None:
    graph, x = example()
    module = module_of(graph)
    learn(module, x)
    for node in module.graph():
        if isinstance(node.op, FakeQuant) and isinstance(node.args[0].op, Const):
            value = node.args[0].op.value.data
            np.testing.assert_array_equal(node.op.grid.fake(value), value)
        elif isinstance(node.op, Const) and not node.name.endswith("_w"):
            value = node.op.value.data
            assert (value.astype(np.float32) == value).all()


def test_streams_that_are_concatenated_share_a_grid() -> None:
    graph, x = example()
    module = module_of(graph)
    learn(module, x)
    found = grids_of(module.graph())
    assert found["relu_c"].scale == found["relu_d"].scale
    assert found["relu_c"].scale != grids_of(graph)["relu_c"].scale


def test_input_grids_stay_unless_they_may_learn() -> None:
    graph, x = example()
    module = module_of(graph, estimators=Estimators(inputs=True))
    learn(module, x)
    assert grids_of(module.graph())["x"] != grids_of(graph)["x"]


def test_batch_norms_begin_as_the_float_network() -> None:
    graph, x = example()
    tensor = torch.tensor(x).float()
    plain, normed = module_of(graph), module_of(graph, normalize=True)
    normed.calibrate(tensor)
    with torch.no_grad(), plain.float_only(), normed.float_only():
        means = [m.run(tensor)["relu_a_quant"].mean(dim=(0, 1, 2)) for m in (plain, normed)]
    torch.testing.assert_close(means[0], means[1], rtol=0.2, atol=0.05)
    names = {node.name for node in normed.graph()}
    assert {"a_norm_factor", "d_norm_term"} <= names
    assert "dense_norm_factor" not in names, "the last layer keeps its bias"
    assert "a_b" not in names, "its bias is replaced"


def test_batch_norm_without_quantizers_changes_nothing() -> None:
    graph = Net().graph()
    x = np.random.default_rng(9).standard_normal((40, 6, 6, 3)).astype(np.float32)
    quantized = insert(graph, {"relu_c": Grid("int", IntType(0, 1 << 15), f32(2.0**-10))})
    module = module_of(quantized, normalize=True)
    module.calibrate(torch.tensor(x))
    with torch.no_grad():
        ours = module(torch.tensor(x)).double().numpy()
    np.testing.assert_allclose(
        ours, execute(graph, {"x": x.astype(float)})[graph.outputs[0]], atol=0.02
    )
    again = GraphModule(module.graph(), ModuleOptions(normalize=True)).eval()
    again.calibrate(torch.tensor(x))
    with torch.no_grad():
        np.testing.assert_allclose(again(torch.tensor(x)).double().numpy(), ours, atol=0.02)
    assert len(list(again.graph())) == len(list(module.graph())), "one product and sum a layer"


def test_relu_is_left_to_the_clamp_and_shown_where_it_is_wanted() -> None:
    graph, x = example()
    kept = tuple(n.name for n in graph if isinstance(n.op, FakeQuant | Relu))
    with torch.no_grad():
        fused = module_of(graph).run(torch.tensor(x).float())
        shown = GraphModule(graph, ModuleOptions(kept=kept)).eval().run(torch.tensor(x).float())
    assert float(shown["relu_a"].min()) == 0
    for name in fused:
        torch.testing.assert_close(fused[name], shown[name])


def test_a_sign_takes_the_place_of_relu() -> None:
    graph, x = example()
    bipolar = Grid("bipolar", BIPOLAR, f32(0.5))
    signs = signs_of_sums(insert(graph, {**grids_of(graph), "relu_b": bipolar}))
    node = next(n for n in signs if n.name == "relu_b_quant")
    assert (node.args[0].name, type(node.args[0].op)) == ("relu_b", Add)
    module = module_of(signs)
    learn(module, x)
    assert explained(module.graph(), module, x)[0] <= 5


def test_several_inputs_and_outputs() -> None:
    a = Node("a", Input(TensorType((3,), Real())))
    b = Node("b", Input(TensorType((3,), Real())))
    graph = Graph((Node("sum", Add(), (a, b)), Node("product", Mul(), (a, b))))
    values = {"a": torch.ones(2, 3), "b": torch.full((2, 3), 2.0)}
    found = GraphModule(graph).run(values)
    assert float(found["sum"].max()) == 3 and float(found["product"].max()) == 2


def test_shared_constants_keep_both_meanings() -> None:
    """A constant that is a weight on a grid, and is also added as it is."""
    x = Node("x", Input(TensorType((3,), Real())))
    w = Node("w", Const(f32(np.random.default_rng(0).standard_normal((3, 3)))))
    fake = Node("w_quant", FakeQuant(Grid("int", IntType(-1, 1), f32(0.7))), (w,))
    y = Node("y", MatMul(), (x, fake))
    z = Node("z", MatMul(), (y, w))
    graph = Graph((z,))
    values = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32).astype(float)
    written = GraphModule(graph).graph()
    np.testing.assert_array_equal(
        execute(written, {"x": values})[written.outputs[0]], execute(graph, {"x": values})[z]
    )
    assert len({n.name for n in written}) == len(list(written))
