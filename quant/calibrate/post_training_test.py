"""The whole of it on trained networks: accuracy, and each step no worse than without it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.relu import Relu
from gatesmith.quant.calibrate.layers import const, layers
from gatesmith.quant.calibrate.post_training import PostOptions, post_training
from gatesmith.quant.calibrate.runner import reference_runner
from gatesmith.quant.fake_quant import expand
from gatesmith.quant.lower import lower
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import WEIGHT, find_sites, grids_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DIGITS = EXAMPLES / "float" / "digits_cnn_s0.onnx"
RNG = np.random.default_rng(8)


@pytest.fixture(scope="module")
def network() -> Graph:
    return fold_affine(channels_last(import_model(DIGITS).graph))


def digits(part: str) -> tuple[np.ndarray, np.ndarray]:
    data = np.load(EXAMPLES / "digits" / f"digits_{part}.npz")
    return (data["x"].reshape(-1, 1, 8, 8) / 16).astype(np.float32), data["y"]


TRAIN, (TEST, LABELS) = digits("train")[0], digits("test")


def recipe(graph: Graph, weights: str, activations: str) -> dict[str, Scheme]:
    return {
        site.name: Scheme.parse(weights, weight=True)
        if site.role == WEIGHT
        else Scheme.parse(activations, weight=False)
        for site in find_sites(graph)
    }


def quantize(graph: Graph, weights: str, activations: str, **options: object) -> Graph:
    given = PostOptions(samples=64, **options)  # type: ignore[arg-type]
    wanted = recipe(graph, weights, activations)
    return post_training(graph, wanted, {}, TRAIN, reference_runner, given)


def scores(graph: Graph) -> np.ndarray:
    return reference_runner(graph, graph.outputs, TEST)[graph.outputs[0].name]


def accuracy(graph: Graph) -> float:
    return float((scores(graph).argmax(1) == LABELS).mean())


def off(graph: Graph, quantized: Graph) -> float:
    want = scores(graph)
    return float(np.square(scores(quantized) - want).mean() / np.square(want).mean())


@pytest.mark.parametrize("weights", ["int8", "int8:tensor"])
@pytest.mark.parametrize("observer", ["mse", "minmax", "percentile"])
def test_int8_is_within_half_a_point(network: Graph, weights: str, observer: str) -> None:
    quantized = quantize(network, weights, "int8", observer=observer)
    assert accuracy(quantized) >= accuracy(network) - 0.005
    assert off(network, quantized) < 0.002
    assert sorted(grids_of(quantized)) == sorted(recipe(network, weights, "int8"))


def test_codes_of_the_hardware(network: Graph) -> None:
    """Lowered to integers, the network gives the values of the fake-quantized one, exactly."""
    quantized = quantize(network, "int4", "int4")
    lowered = lower(expand(quantized), "digits")
    x = TEST[:20].astype(np.float64)
    (want,) = execute(quantized, {"image": x}).values()
    codes = {}
    for node in lowered.graph:
        if isinstance(node.op, Input):
            codes[node.name] = grids_of(quantized)["image"].codes(x).reshape(20, *node.type.shape)
    (output,) = execute(lowered.graph, codes).values()
    found = output.astype(np.int64)
    meaning = lowered.graph.outputs[0].meaning
    assert meaning is not None
    assert np.allclose(meaning.real(found), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("weights", ["int4", "ternary", "bipolar"])
def test_learning_and_biases_help(network: Graph, weights: str) -> None:
    plain = quantize(network, weights, "int8", rounding="nearest", bias_correction=False)
    biased = quantize(network, weights, "int8", rounding="nearest")
    learned = quantize(network, weights, "int8", rounding="learned")
    errors = [off(network, g) for g in (plain, biased, learned)]
    assert errors[0] > errors[1] > errors[2], errors
    assert accuracy(learned) >= {"bipolar": 0.8, "ternary": 0.9}.get(weights, 0.97)


@pytest.mark.parametrize("weights", ["int4", "ttq", "int4:group=8", "codebook-4"])
def test_weights_lie_on_their_grids(network: Graph, weights: str) -> None:
    quantized = quantize(network, weights, "int4")
    grids = grids_of(quantized)
    for layer in layers(quantized):
        w = const(layer.weight)
        assert (grids[layer.weight.name].fake(w) == w).all()
    for node in quantized:
        if isinstance(node.op, Const):
            assert (node.op.value.data.astype(np.float32) == node.op.value.data).all()


def test_binary_activations(network: Graph) -> None:
    mixed = recipe(network, "int4", "bipolar")
    mixed["image"] = Scheme.parse("int8", weight=False)
    options = PostOptions(samples=64)
    quantized = post_training(network, mixed, {}, TRAIN, reference_runner, options)
    assert sorted(grids_of(quantized)) == sorted(mixed), "sites keep their names"
    assert not any(isinstance(node.op, Relu) for node in quantized)
    signs = [n for n in quantized if isinstance(n.op, FakeQuant) and n.op.grid.kind == "bipolar"]
    values = reference_runner(quantized, signs, TEST)
    for node in signs:
        assert 0.05 < (values[node.name] > 0).mean() < 0.95, "a sign that says something"
    assert accuracy(quantized) > 0.3


def test_search_helps_the_frames_it_sees(network: Graph) -> None:
    """With real weights, for so the search sees it."""
    wanted = {n: s for n, s in recipe(network, "int8", "int2").items() if not n.startswith("onnx")}
    wanted = {n: s for n, s in wanted.items() if "weight" not in n}
    options = PostOptions(samples=64, bias_correction=False, search=False, observer="minmax")
    errors = []
    for chosen in (options, replace(options, search=True)):
        made = post_training(network, wanted, {}, TRAIN, reference_runner, chosen)
        run = [reference_runner(g, g.outputs, TRAIN[:64]) for g in (network, made)]
        (a,), (b,) = (list(values.values()) for values in run)
        errors.append(np.square(a - b).mean())
    assert errors[1] < 0.9 * errors[0]


def test_fixed_grids_and_ties() -> None:
    """Streams that Concat joins share a grid that fits both; a given grid stays."""
    x = Node("x", Input(TensorType((4, 4, 2), Real())))

    def conv(name: str, of: Node, factor: float) -> Node:
        w = Node(f"{name}_w", Const(Array(RNG.normal(size=(1, 1, of.type.channels, 2)) * factor)))
        return Node(name, Conv((1, 1), (0, 0, 0, 0), (1, 1), 1), (of, w))

    a, b = (Node(f"{n}_r", Relu(), (conv(n, x, f),)) for n, f in (("a", 1.0), ("b", 50.0)))
    graph = Graph((conv("c", Node("j", Concat(2), (a, b)), 1.0),))
    given = {"x": Grid("int", IntType(0, 255), Array(2.0**-8))}
    data = RNG.uniform(size=(32, 4, 4, 2)).astype(np.float32)
    wanted = recipe(graph, "int8", "int8")
    made = post_training(graph, wanted, given, data, reference_runner)
    grids = grids_of(made)
    assert grids["x"] == given["x"]
    assert grids["a_r"] == grids["b_r"] and grids["b_r"].reach[1] > 20
    assert grids == grids_of(post_training(graph, wanted, given, data, reference_runner))


def test_no_equalization_under_a_given_grid(network: Graph) -> None:
    given = {"n2_Relu": Grid("int", IntType(0, 255), Array(2.0**-6))}
    notes: list[str] = []
    made = post_training(
        network,
        recipe(network, "int8:tensor", "int8"),
        given,
        TRAIN,
        reference_runner,
        PostOptions(samples=32, equalize=True, search=False, bias_correction=False),
        note=notes.append,
    )
    assert grids_of(made)["n2_Relu"] == given["n2_Relu"]
    assert notes == ["no cross-layer equalization: it would change values whose grid is given"]
    assert accuracy(made) >= accuracy(network) - 0.01


def test_layer_without_a_bias_gets_one() -> None:
    x = Node("x", Input(TensorType((6,), Real())))
    w = [Node(f"w{k}", Const(Array(RNG.normal(size=(6, 6)).astype(np.float32)))) for k in range(2)]
    first = Node("first", MatMul(), (x, w[0]))  # quantized as it is: a site
    graph = Graph((Node("second", MatMul(), (first, w[1])),))
    data = RNG.normal(size=(200, 6)).astype(np.float32) + 1
    wanted = recipe(graph, "int3", "int4")
    assert "first" in wanted
    means = []
    for corrected in (False, True):
        options = PostOptions(bias_correction=corrected, rounding="nearest", search=False)
        made = post_training(graph, wanted, {}, data, reference_runner, options)
        assert sorted(grids_of(made)) == sorted(wanted)
        assert made.outputs[0].name == "second"
        assert isinstance(made.outputs[0].op, Add) == corrected
        run = [reference_runner(g, g.outputs, data)["second"].mean(axis=0) for g in (graph, made)]
        means.append(np.abs(run[0] - run[1]).max())
    assert means[1] < 1e-5 < means[0]


def test_bad_data(network: Graph) -> None:
    wanted = recipe(network, "int8", "int8")

    def code(data: np.ndarray) -> str:
        with pytest.raises(UserError) as found:
            post_training(network, wanted, {}, data, reference_runner)
        return found.value.code

    assert code(TRAIN[:0]) == "quantize.no-data"
    broken = TRAIN[:8].copy()
    broken[3, 0, 2, 2] = np.nan
    assert code(broken) == "quantize.non-finite"
    with pytest.raises(ValueError, match=r"^no site is called nobody$"):
        named = {"nobody": Scheme.parse("int8", weight=False)}
        post_training(network, named, {}, TRAIN, reference_runner)


def test_several_inputs() -> None:
    a, b = (Node(n, Input(TensorType((3,), Real()))) for n in "ab")
    w = Node("w", Const(Array(RNG.normal(size=(3, 2)))))
    graph = Graph((Node("y", MatMul(), (Node("s", Add(), (a, b)), w)),))
    data = {n: RNG.normal(size=(40, 3)).astype(np.float32) for n in "ab"}
    wanted = recipe(graph, "int8", "int8")
    made = post_training(graph, wanted, {}, data, reference_runner)
    assert sorted(grids_of(made)) == sorted(wanted) == ["a", "b", "s", "w"]
    with pytest.raises(UserError) as found:
        post_training(graph, wanted, {}, data["a"], reference_runner)
    assert found.value.code == "quantize.several-inputs"


def test_constant_values_are_noted() -> None:
    x = Node("x", Input(TensorType((3,), Real())))
    w = [Node(f"w{k}", Const(Array(-np.ones((3, 3))))) for k in range(2)]
    dead = Node("dead", Relu(), (Node("m", MatMul(), (x, w[0])),))
    graph = Graph((Node("y", MatMul(), (dead, w[1])),))
    notes: list[str] = []
    data = RNG.uniform(size=(40, 3)).astype(np.float32)
    wanted = recipe(graph, "int8", "int8")
    post_training(graph, wanted, {}, data, reference_runner, note=notes.append)
    assert notes == ["dead is always 0 on the calibration data"]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"observer": "best"}, "^observer must be one of minmax, percentile, mse, entropy$"),
        ({"weights": "best"}, "^weights must be one of mse, max$"),
        ({"rounding": "up"}, "^rounding must be one of nearest, learned$"),
        ({"samples": 0}, "^samples and batch are 1 or more$"),
    ],
)
def test_options(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PostOptions(**wrong)  # type: ignore[arg-type]
