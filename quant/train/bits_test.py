"""Widths that are searched meet the budget, spend it, and go where they matter."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gatesmith.errors import UserError  # noqa: E402
from gatesmith.ir import Array, Graph, IntType, Node, Real, TensorType  # noqa: E402
from gatesmith.ops.add import Add  # noqa: E402
from gatesmith.ops.const import Const  # noqa: E402
from gatesmith.ops.fake_quant import Grid  # noqa: E402
from gatesmith.ops.input import Input  # noqa: E402
from gatesmith.ops.mat_mul import MatMul  # noqa: E402
from gatesmith.ops.relu import Relu  # noqa: E402
from gatesmith.quant.prepare.sites import insert  # noqa: E402
from gatesmith.quant.train.bits import BitSearch, layer_sites, search_bits, total_cost  # noqa: E402
from gatesmith.quant.train.fractional import Fractional  # noqa: E402
from gatesmith.quant.train.options import FitOptions  # noqa: E402
from gatesmith.quant.train.quantizers import Estimators, make  # noqa: E402


def f32(values: object) -> Array:
    return Array(np.asarray(values, np.float32).astype(np.float64))


def problem() -> tuple[Graph, np.ndarray, np.ndarray]:
    """Two branches add up to the scores: one decides, one is next to nothing."""
    rng = np.random.default_rng(0)
    x = Node("x", Input(TensorType((16,), Real())))
    w = rng.standard_normal((16, 4))
    parts = []
    for name, size in (("much", 1.0), ("little", 1e-3)):
        weight = Node(f"{name}_w", Const(f32(w * size)))
        eye = Node(f"{name}_eye", Const(f32(np.eye(4))))
        hidden = Node(f"{name}_relu", Relu(), (Node(name, MatMul(), (x, weight)),))
        parts.append(Node(f"{name}_out", MatMul(), (hidden, eye)))
    graph = Graph((Node("scores", Add(), tuple(parts)),))
    frames = rng.integers(-127, 128, (512, 16)) / 64
    scores = np.maximum(frames @ w, 0)
    return graph, frames.astype(np.float32), scores.argmax(1)


def quantized(graph: Graph) -> Graph:
    grids = {"x": Grid("int", IntType(-128, 127), Array(1 / 64))}
    for name, size in (("much", 1.0), ("little", 1e-3)):
        grids[f"{name}_w"] = Grid("int", IntType(-127, 127), f32(3 * size / 127))
        grids[f"{name}_eye"] = Grid("int", IntType(-127, 127), f32(1 / 127))
        grids[f"{name}_relu"] = Grid("int", IntType(0, 255), f32(12 * size / 255))
    return insert(graph, grids)


LAYERS = ("much", "little", "much_out", "little_out")
TABLE = {name: {(w, a): float(w * a) for w in range(2, 9) for a in range(2, 9)} for name in LAYERS}


def test_bits_go_where_they_matter_and_the_budget_is_met() -> None:
    torch.set_num_threads(1)
    graph, x, y = problem()
    net = quantized(graph)
    options = BitSearch(FitOptions(epochs=7, batch=16, lr=1e-4, distill=1.0), rate=0.07)
    budget = 0.5 * 4 * 64
    bits = search_bits(net, x, y, options, cost_table=TABLE, budget=budget, teacher=graph)
    spent = total_cost(
        {**{n: torch.tensor(float(b)) for n, b in bits.items()}, "x": torch.tensor(8.0)},
        layer_sites(net),
        TABLE,
    )
    assert 0.7 * budget <= float(spent) <= budget
    assert "x" not in bits and len(bits) == 6
    much, little = (sum(b for n, b in bits.items() if n.startswith(w)) for w in ("much", "little"))
    assert much > little + 3, bits


def test_a_budget_below_the_least_widths_is_refused() -> None:
    graph, x, y = problem()
    with pytest.raises(UserError) as caught:
        search_bits(
            quantized(graph), x, y, BitSearch(FitOptions(epochs=1)), cost_table=TABLE, budget=30.0
        )
    assert caught.value.code == "quantize.budget"
    assert caught.value.fix[0] == "a budget of 40 or more"


def test_cost_is_linear_between_widths() -> None:
    layers = {"much": ("w", "a")}
    bits = {"w": torch.tensor(3.5, requires_grad=True), "a": torch.tensor(4.25)}
    cost = total_cost(bits, layers, TABLE)
    assert float(cost.detach()) == pytest.approx(3.5 * 4.25)
    torch.autograd.backward(cost)
    assert bits["w"].grad is not None and float(bits["w"].grad) == pytest.approx(4.25)
    ends = {"w": torch.tensor(8.0), "a": torch.tensor(8.0)}
    assert float(total_cost(ends, layers, TABLE)) == 64


def test_values_between_two_widths() -> None:
    grid = Grid("int", IntType(-127, 127), f32(1 / 127))
    module = Fractional(
        grid,
        (2, 8),
        lambda g: make(g, Estimators(), weight=True, features=9, fixed=False),
    )
    x = torch.linspace(-1, 1, 33)
    with torch.no_grad():
        module.b.fill_(4.25)
    y = module(x)
    expected = 0.75 * module.width["4"](x) + 0.25 * module.width["5"](x)
    torch.testing.assert_close(y, expected)
    torch.autograd.backward((y * x).sum())
    slope = ((module.width["5"](x) - module.width["4"](x)) * x).sum()
    assert module.b.grad is not None
    assert float(module.b.grad) == pytest.approx(float(slope.detach()), rel=1e-4)
