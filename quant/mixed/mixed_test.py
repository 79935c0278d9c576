"""Real small networks through everything but hardware: a LUT here is a bit of weights."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.relu import Relu
from gatesmith.quant.calibrate.runner import reference_runner
from gatesmith.quant.mixed.budget import Budget
from gatesmith.quant.mixed.cost import Cost, Unit, cost_function, predicted
from gatesmith.quant.mixed.hunt import Hunt, Tried
from gatesmith.quant.mixed.search import Survey, mixed_recipe, survey
from gatesmith.quant.mixed.sensitivity import joint_error, output_errors
from gatesmith.quant.mixed.trial import Trials, trials
from gatesmith.quant.mixed.units import units_of, widths_of
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import find_sites, grids_of

WEIGHT, READ = Scheme.parse("int8", weight=True), Scheme.parse("int8", weight=False)
CHOICES = (2, 4, 8)
FRAMES = np.random.default_rng(1).standard_normal((200, 6)).astype(np.float32)


def const(name: str, values: np.ndarray) -> Node:
    return Node(name, Const(Array(values.astype(np.float32).astype(np.float64))))


def network() -> Graph:
    """Two layers; the second one's weights are hard to put on few levels, its outputs matter."""
    rng = np.random.default_rng(0)
    x = Node("x", Input(TensorType((6,), Real())))
    first = Node("first", MatMul(), (x, const("w1", rng.standard_normal((6, 16)))))
    biased = Node("biased", Add(), (first, const("b1", rng.standard_normal(16))))
    relu = Node("relu", Relu(), (biased,))
    return Graph((Node("last", MatMul(), (relu, const("w2", rng.standard_normal((16, 4))))),))


def schemes(graph: Graph) -> dict[str, Scheme]:
    return {s.name: WEIGHT if s.role == "weight" else READ for s in find_sites(graph)}


def tried(graph: Graph) -> Trials:
    return trials(graph, find_sites(graph), schemes(graph), reference_runner, FRAMES)


def weight_memory(graph: Graph) -> Cost:
    grids, nodes = grids_of(graph), {n.name: n for n in graph}
    bits = sum(grids[w].bits * nodes[w].type.size for w in ("w1", "w2"))
    return Cost(lut=bits, weight_bits=bits)


def table(units, sites, widths, quantize):  # type: ignore[no-untyped-def]
    size = {s.name: s.node.type.size for s in sites}

    def cost(bits: int) -> Cost:
        return Cost(lut=bits, weight_bits=bits)

    return {
        u.name: {
            (w, a): cost(w * size.get(u.weight, 0))
            for w in (widths[u.weight] if u.weight else (0,))
            for a in (widths[u.activation] if u.activation else (0,))
        }
        for u in units
    }


@cache
def known() -> Survey:
    graph = network()
    return survey(
        graph,
        find_sites(graph),
        schemes(graph),
        runner=reference_runner,
        data=FRAMES,
        make_table=table,
        choices=CHOICES,
        measures=("mse", "kl"),
    )


@cache
def float_labels() -> np.ndarray:
    real = network()
    return np.asarray(reference_runner(real, real.outputs, FRAMES)["last"].argmax(axis=1))


def accuracy(graph: Graph) -> float:
    """Agreement with the float network."""
    labels = float_labels()
    got = reference_runner(graph, graph.outputs, FRAMES)[graph.outputs[0].name]
    return float((got.argmax(axis=1) == labels).mean())


def search(text: str, *, labels: bool = True, confirm=None):  # type: ignore[no-untyped-def]
    quick = known()
    return mixed_recipe(
        quick,
        Budget.parse(text),
        quantize=lambda recipe: quick.trials.quantized({n: s.bits for n, s in recipe.items()}),
        cost=weight_memory,
        evaluate=accuracy if labels else None,
        float_accuracy=1.0 if labels else None,
        confirm=confirm,
    )


def test_units_and_widths() -> None:
    sites = find_sites(network())
    assert units_of(network(), sites) == (
        Unit("first", "w1", "x"),
        Unit("last", "w2", "relu"),
        Unit("", None, None),
    )
    own = {**schemes(network()), "w2": Scheme.parse("ternary", weight=True)}
    assert widths_of(sites, own, CHOICES) == {"x": (8,), "w1": CHOICES, "relu": CHOICES, "w2": (2,)}


@pytest.mark.parametrize("measure", ["mse", "kl"])
def test_errors_are_those_of_the_whole_network_with_one_quantizer(measure: str) -> None:
    graph = network()
    quick = tried(graph)
    widths = {"x": (8,), "w1": CHOICES, "relu": CHOICES, "w2": CHOICES}
    errors = output_errors(quick, widths, reference_runner, FRAMES)[measure]
    joint = joint_error(quick, reference_runner, FRAMES, measure)
    assert errors["x"] == {8: 0.0}
    for name in ("w1", "relu", "w2"):
        assert errors[name][2] > errors[name][4] > errors[name][8] > 0
        for bits in CHOICES:
            assert errors[name][bits] == pytest.approx(joint({name: bits}), rel=1e-3, abs=1e-9)


def test_mse_is_a_part_of_the_variance() -> None:
    """All weights of the last layer at 0: the error is the outputs' own mean square."""
    graph = network()
    quick = tried(graph)
    out = reference_runner(graph, graph.outputs, FRAMES)["last"].astype(float)
    quick.learn(4, quick.quantized({"w2": 4}))
    quick._weights["w2", 4] = np.zeros((16, 4))
    errors = output_errors(quick, {"w2": (4, 8)}, reference_runner, FRAMES)["mse"]
    assert errors["w2"][4] == pytest.approx((out**2).sum() / ((out - out.mean(0)) ** 2).sum())


def test_tuned_weights_are_taken_and_foreign_ones_are_not() -> None:
    quick = tried(network())
    near = quick.quantized({"w1": 4, "w2": 4})
    grid = quick.grid("w1", 4)
    nodes = {n.name: n for n in near}

    def change(name: str, values: np.ndarray) -> Graph:
        def rule(node: Node, _users: object) -> Node | None:
            return Node(name, Const(Array(values))) if node.name == name else None

        return near.rewrite(rule)

    codes = grid.codes(quick.weight("w1", 4))
    tuned = grid.values(np.clip(codes + np.eye(6, 16, dtype=np.int64), -7, 7))
    quick.learn(4, change("w1", tuned))
    assert (quick.weight("w1", 4) == tuned).all()
    quantized = quick.quantized({"w1": 4})
    assert (next(n for n in quantized if n.name == "w1").op.value.data == tuned).all()  # type: ignore[attr-defined]
    other = tried(network())
    other.learn(4, change("w1", 5 * nodes["w1"].op.value.data))  # type: ignore[attr-defined]
    assert (other.weight("w1", 4) == nodes["w1"].op.value.data).all()  # type: ignore[attr-defined]


def test_a_limit_is_kept_and_used() -> None:
    result = search("weight_bits=700", labels=False)
    assert result.chosen.measured == result.chosen.predicted
    assert result.chosen.measured.weight_bits == 96 * 4 + 64 * 4
    assert {name: scheme.bits for name, scheme in result.recipe.items()} == result.chosen.bits
    assert result.chosen.bits["relu"] == 8  # costs nothing here
    assert sum(isinstance(n.op, FakeQuant) for n in result.graph) == 4


def test_the_exact_cost_keeps_the_limit_as_well() -> None:
    def exact(graph: Graph) -> Cost:  # what the quick cost leaves out
        return weight_memory(graph) + Cost(weight_bits=100)

    result = search("weight_bits=700", labels=False, confirm=exact)
    assert result.chosen.measured.weight_bits <= 700
    assert result.chosen.predicted.weight_bits == result.chosen.measured.weight_bits - 100
    with pytest.raises(UserError) as caught:
        search("weight_bits=350", labels=False, confirm=exact)
    assert caught.value.code == "quantize.budget"
    assert "weight_bits is 420 and may be 350" in caught.value.why


def test_of_equally_accurate_ones_the_nearest_to_float_is_taken() -> None:
    def tried_with(accuracy: float, distance: float) -> Tried:
        return Tried({}, "kl", 0.0, Cost(), Cost(), accuracy, distance)

    hunt = Hunt(None, None, None, None, None, divergence=lambda _: 0.0, compared=100)  # type: ignore[arg-type]
    near, far, worse = tried_with(0.90, 1.0), tried_with(0.91, 2.0), tried_with(0.85, 0.1)
    assert hunt._best_of([far, near, worse]) is near  # one deviation is 0.029
    hunt.compared = 100_000
    assert hunt._best_of([far, near, worse]) is far


def test_labels_decide() -> None:
    result = search("weight_bits=900")
    assert {one.said for one in result.tried} >= {"mse", "uniform"}
    assert result.chosen.accuracy == max(
        one.accuracy for one in result.tried if one.measured.weight_bits <= 900
    )
    assert result.chosen.measured.weight_bits <= 900


def test_the_cheapest_that_is_good_enough() -> None:
    best = search("weight_bits=10k")
    result = search("accuracy>=float-10")
    assert result.chosen.accuracy >= 0.9
    assert result.chosen.measured.weight_bits < best.chosen.measured.weight_bits
    cheaper = [
        one
        for one in result.tried
        if one.measured.price < result.chosen.measured.price and one.accuracy >= 0.9
    ]
    assert not cheaper


def test_budget_that_cannot_be_met() -> None:
    with pytest.raises(UserError) as caught:
        search("weight_bits=300", labels=False)
    assert caught.value.code == "quantize.budget"
    assert "weight_bits is 320 and may be 300" in caught.value.why
    assert caught.value.fix[0] == "allow more: weight_bits=320"


def test_accuracy_that_cannot_be_reached_says_the_best() -> None:
    with pytest.raises(UserError) as caught:
        search("weight_bits=320,accuracy>=99.9")
    assert caught.value.code == "quantize.budget"
    assert "no choice of bits is 99.90 percent accurate within the limits" in caught.value.what
    assert "weight_bits 320" in caught.value.why


def test_accuracy_needs_labels() -> None:
    with pytest.raises(UserError) as caught:
        search("accuracy>=90", labels=False)
    assert caught.value.code == "quantize.budget-labels"


def test_interpolated_cost() -> None:
    units = [Unit("a", "wa", "xa"), Unit("b", "wb", None)]
    own = {(w, x): Cost(lut=w * x) for w in (2, 4, 8) for x in (2, 8)}
    costs = {"a": own, "b": {(w, 0): Cost(lut=10 * w) for w in (2, 4)}}
    cost = cost_function(units, costs, "lut")
    bits = {"wa": 4, "xa": 8, "wb": 2}
    assert cost(bits) == predicted(units, costs, bits).lut
    assert cost({"wa": 3.0, "xa": 5.0, "wb": 9.0}) == pytest.approx(3 * 5 + 40)
    with pytest.raises(ValueError, match="cycles"):
        cost_function(units, costs, "cycles")


def test_interpolated_cost_has_gradients() -> None:
    torch = pytest.importorskip("torch")
    costs = {"a": {(w, x): Cost(lut=w * x) for w in (2, 4, 8) for x in (2, 8)}}
    bits = {"w": torch.tensor(3.0, requires_grad=True), "x": torch.tensor(5.0, requires_grad=True)}
    value = cost_function([Unit("a", "w", "x")], costs, "lut")(bits)
    value.backward()
    assert (float(value.detach()), float(bits["w"].grad), float(bits["x"].grad)) == (15.0, 5.0, 3.0)


@pytest.mark.parametrize("measure", ["mse", "kl"])
def test_curvature_agrees_with_measured_errors(measure: str) -> None:
    """To second order: for fine grids within the noise of the random scalars."""
    pytest.importorskip("torch").set_num_threads(1)
    from gatesmith.quant.mixed.fisher import fisher_errors

    graph = network()
    quick = tried(graph)
    widths = {"w1": (4, 8), "relu": (4, 8), "w2": (4, 8)}
    found = fisher_errors(quick, widths, FRAMES, measure, samples=200)
    wanted = output_errors(quick, widths, reference_runner, FRAMES)[measure]
    scale = 1.0
    if measure == "mse":
        out = reference_runner(graph, graph.outputs, FRAMES)["last"].astype(float)
        scale = ((out - out.mean(0)) ** 2).sum() / len(FRAMES)
    for name in widths:
        assert 1 / 3 < found[name][8] / (scale * wanted[name][8]) < 3, name
        assert found[name][4] > 50 * found[name][8]


def test_given_grids_stay() -> None:
    graph = network()
    given = Grid("int", IntType(-128, 127), Array(0.03125))
    quick = trials(
        graph, find_sites(graph), schemes(graph), reference_runner, FRAMES, fixed={"x": given}
    )
    assert grids_of(quick.quantized({"x": 8, "w1": 4}))["x"] == given
