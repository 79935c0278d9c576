"""Training: accuracy on real digits, the same result from the same seed, interrupted or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gatesmith.errors import UserError  # noqa: E402
from gatesmith.ir import BIPOLAR, TERNARY, Array, Graph, IntType, Node, Real, TensorType  # noqa: E402
from gatesmith.ir.execute import execute  # noqa: E402
from gatesmith.ops.add import Add  # noqa: E402
from gatesmith.ops.const import Const  # noqa: E402
from gatesmith.ops.fake_quant import Grid  # noqa: E402
from gatesmith.ops.input import Input  # noqa: E402
from gatesmith.ops.mat_mul import MatMul  # noqa: E402
from gatesmith.ops.relu import Relu  # noqa: E402
from gatesmith.ops.softmax import Softmax  # noqa: E402
from gatesmith.quant.calibrate.binary import signs_of_sums  # noqa: E402
from gatesmith.quant.prepare.sites import grids_of, insert  # noqa: E402
from gatesmith.quant.train.fit import Fitted, fit  # noqa: E402
from gatesmith.quant.train.images import crop_flip  # noqa: E402
from gatesmith.quant.train.options import FitOptions, rate_at, stage_bits  # noqa: E402
from gatesmith.quant.train.recipe import recipe  # noqa: E402

PIXEL = (1 / 16, 0.0)
Digits: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits() -> Digits:
    folder = Path.cwd() / "examples" / "digits"
    (x, y), (test_x, test_y) = (
        (part["x"].astype(np.uint8), part["y"].astype(np.int64))
        for part in (np.load(folder / f"digits_{name}.npz") for name in ("train", "test"))
    )
    return x, y, test_x, test_y


def f32(values: object) -> Array:
    return Array(np.asarray(values, np.float32).astype(np.float64))


def network(seed: int = 0) -> Graph:
    """64-48-32-10, untrained."""
    rng = np.random.default_rng(seed)
    node = Node("x", Input(TensorType((64,), Real())))
    for number, (ins, outs) in enumerate(((64, 48), (48, 32), (32, 10))):
        w = Node(f"w{number}", Const(f32(rng.standard_normal((ins, outs)) * np.sqrt(2 / ins))))
        b = Node(f"b{number}", Const(f32(np.zeros(outs))))
        node = Node(f"layer{number}", MatMul(), (node, w))
        node = Node(f"sum{number}", Add(), (node, b))
        if number < 2:
            node = Node(f"relu{number}", Relu(), (node,))
    return Graph((node,))


@pytest.fixture(scope="module")
def float_net(digits: Digits) -> Graph:
    """Trained in float by the same loop."""
    x, y, _, _ = digits
    torch.set_num_threads(1)
    return fit(network(), x, y, FitOptions(epochs=12, batch=64, lr=5e-3), affine=PIXEL).graph


def quantized(graph: Graph, x: np.ndarray, weights: str, activations: str) -> Graph:
    """Simple grids."""
    names = {node.name: node for node in graph}
    acts = [names["relu0"], names["relu1"]]
    values = execute(graph, {"x": x[:200] / 16}, acts)
    grids = {"x": Grid("int", IntType(0, 16), Array(1 / 16))}
    for node in acts:
        v = values[node]
        if activations == "bipolar":
            grids[node.name] = Grid("bipolar", BIPOLAR, f32(v.mean()))
        else:
            top = (1 << int(activations)) - 1
            grids[node.name] = Grid("int", IntType(0, top), f32(np.quantile(v, 0.98) / top))
    for name in ("w0", "w1", "w2"):
        op = names[name].op
        assert isinstance(op, Const)
        size = np.abs(op.value.data)
        match weights:
            case "bipolar":
                grids[name] = Grid("bipolar", BIPOLAR, f32(size.mean(0)))
            case "ternary":
                grids[name] = Grid("ternary", TERNARY, f32(size.mean(0) * 1.2))
            case "ttq":
                levels = Array([-70, 0, 70])
                scale = f32(size.mean() * 1.3 / 70)
                grids[name] = Grid("ternary", IntType(-127, 127), scale, levels=levels)
            case "pow2":
                levels = Array([-8, -4, -2, -1, 0, 1, 2, 4, 8])
                grids[name] = Grid("pow2", IntType(-8, 8), f32(size.max(0) / 8), levels=levels)
            case _:
                top = (1 << (int(weights) - 1)) - 1
                grids[name] = Grid("int", IntType(-top, top), f32(size.mean(0) * 1.2 / top))
    return insert(graph, grids)


def accuracy(graph: Graph, x: np.ndarray, y: np.ndarray) -> float:
    scores = execute(graph, {"x": x / 16})[graph.outputs[0]]
    return float((scores.argmax(1) == y).mean())


RECIPES = {
    ("2", "2"): FitOptions(epochs=8, batch=32, lr=1e-2),
    ("2", "2", "pact"): FitOptions(epochs=8, batch=32, lr=1e-2),
    ("bipolar", "bipolar"): FitOptions(epochs=12, batch=32, lr=1e-2, normalize=True),
    ("ternary", "4"): FitOptions(epochs=5, batch=32, lr=3e-3),
    ("ttq", "4"): FitOptions(epochs=5, batch=32, lr=3e-3),
    ("pow2", "4"): FitOptions(epochs=3, batch=32, lr=3e-3),
}
BARS = {"2": 0.90, "bipolar": 0.87, "ternary": 0.93, "ttq": 0.93, "pow2": 0.94}


@pytest.mark.parametrize("kind", RECIPES)
def test_few_bits_recover(kind: tuple[str, ...], digits: Digits, float_net: Graph) -> None:
    """From rounded to nearest, far below, to within some points of float (97 %)."""
    x, y, test_x, test_y = digits
    assert accuracy(float_net, test_x, test_y) > 0.95
    graph = quantized(float_net, x, *kind[:2])
    options = RECIPES[kind]
    if len(kind) > 2:
        estimators = replace(options.estimators, activations=kind[2])
        options = replace(options, estimators=estimators)
    options = replace(options, distill=0.5, temperature=2.0)
    fitted = fit(graph, x, y, options, affine=PIXEL, teacher=float_net, held_out=(test_x, test_y))
    reached = accuracy(fitted.graph, test_x, test_y)
    assert reached == pytest.approx(fitted.history[-1].held_out, abs=0.0045)  # 2 of 450
    assert reached >= BARS[kind[0]], fitted.history
    if kind[0] in ("2", "bipolar"):
        before = accuracy(signs_of_sums(graph), test_x, test_y)
        assert before < reached - 0.02, "the bar would be met without training"


def small(digits: Digits, float_net: Graph) -> tuple[Graph, np.ndarray, np.ndarray]:
    x, y, _, _ = digits
    return quantized(float_net, x, "2", "2"), x[:256], y[:256]


def same(a: Fitted, b: Fitted) -> bool:
    arrays = [
        [n.op.value for n in f.graph if isinstance(n.op, Const)]
        + list(grids_of(f.graph).values())
        + [(e.loss, e.accuracy, e.held_out, e.bits) for e in f.history]
        for f in (a, b)
    ]
    return arrays[0] == arrays[1]


OPTIONS = FitOptions(
    epochs=4, batch=64, normalize=True, progressive=(8, 4), distill=0.5, hints=("auto",), warm_up=1
)


def test_the_seed_decides(digits: Digits, float_net: Graph) -> None:
    graph, x, y = small(digits, float_net)
    a, b, c = (
        fit(graph, x, y, replace(OPTIONS, seed=seed), affine=PIXEL, teacher=float_net)
        for seed in (1, 1, 2)
    )
    assert same(a, b)
    assert not same(a, c)
    assert [e.bits for e in a.history] == [8, 8, 4, None]


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("keep", ["last", "best"])
def test_an_interrupted_training_goes_on(
    digits: Digits, float_net: Graph, tmp_path: Path, after: int, keep: str
) -> None:
    graph, x, y = small(digits, float_net)
    options = replace(OPTIONS, keep=keep, checkpoint=tmp_path / "state", optimizer="sgd", lr=0.02)
    extra: dict[str, Any] = {
        "affine": PIXEL,
        "teacher": float_net,
        "held_out": (digits[2], digits[3]),
    }
    steps = []

    def stop(text: str, done: int, total: int) -> None:
        steps.append((text, done, total))
        if done > after * total / options.epochs:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(graph, x, y, options, progress=stop, **extra)
    text, done, total = steps[-1]
    assert text.startswith(f"epoch {after + 1}/4: loss ") and text.endswith(" left")
    assert total == 16 and done <= 16
    seen = len(steps)
    resumed = fit(graph, x, y, options, progress=lambda *step: steps.append(step), **extra)
    assert steps[seen][1] > after * 4, "epochs that are done are not done again"
    whole = fit(graph, x, y, replace(options, checkpoint=None), **extra)
    assert same(resumed, whole)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_checkpoint_of_another_training_is_refused(
    digits: Digits, float_net: Graph, tmp_path: Path
) -> None:
    graph, x, y = small(digits, float_net)
    options = FitOptions(epochs=1, batch=64, checkpoint=tmp_path / "state")
    fit(graph, x, y, options, affine=PIXEL)
    others = [
        (graph, x, y, replace(options, lr=1e-4)),
        (graph, x[::-1], y, options),
        (graph, x, y[::-1], options),
        (network(1), x, y, options),
    ]
    for other in others:
        with pytest.raises(UserError) as caught:
            fit(*other, affine=PIXEL)
        assert caught.value.code == "quantize.checkpoint"
    (tmp_path / "state").write_bytes(b"nonsense")
    with pytest.raises(UserError) as caught:
        fit(graph, x, y, options, affine=PIXEL)
    assert caught.value.what.endswith("is not a state of this training")
    assert caught.value.why == "it cannot be read as one"


def test_without_labels_the_teacher_is_copied(digits: Digits, float_net: Graph) -> None:
    x, _, test_x, test_y = digits
    graph = quantized(float_net, x, "3", "3")
    options = FitOptions(epochs=5, batch=32, lr=5e-3)
    fitted = fit(graph, x, None, options, affine=PIXEL, teacher=float_net)
    assert fitted.history[-1].accuracy is None
    assert fitted.history[-1].loss < 0.5 * fitted.history[0].loss
    assert accuracy(fitted.graph, test_x, test_y) > 0.88
    with pytest.raises(UserError) as caught:
        fit(graph, x, None, options, affine=PIXEL)
    assert caught.value.code == "quantize.no-teacher"


def test_a_loss_that_is_no_number_is_told(digits: Digits, float_net: Graph) -> None:
    graph, x, y = small(digits, float_net)
    with pytest.raises(UserError) as caught:
        fit(graph, x.astype(np.float32) * 1e30, y, FitOptions(epochs=2, lr=1e6, optimizer="sgd"))
    assert caught.value.code == "quantize.diverged"
    assert "a smaller learning rate: 100000" in str(caught.value)


@pytest.mark.parametrize(
    "labels", [np.full(256, 10), np.full(256, -1), np.zeros((256, 2)), np.full(256, 0.5)]
)
def test_labels_that_do_not_fit(labels: np.ndarray, digits: Digits, float_net: Graph) -> None:
    graph, x, _ = small(digits, float_net)
    with pytest.raises(UserError) as caught:
        fit(graph, x, labels, FitOptions(epochs=1))
    assert caught.value.code == "quantize.labels"


def test_two_inputs_are_refused() -> None:
    a, b = (Node(name, Input(TensorType((3,), Real()))) for name in "ab")
    with pytest.raises(UserError) as caught:
        fit(Graph((Node("y", Add(), (a, b)),)), np.zeros((4, 3)), np.zeros(4, int), FitOptions())
    assert caught.value.code == "quantize.several-inputs"


def test_unknown_hints_are_named(digits: Digits, float_net: Graph) -> None:
    graph, x, y = small(digits, float_net)
    with pytest.raises(UserError) as caught:
        fit(graph, x, y, FitOptions(hints=("sum0", "nowhere")), teacher=float_net)
    assert caught.value.code == "quantize.hints"
    assert "nowhere" in caught.value.what and "sum0" not in caught.value.what


def test_a_final_softmax_is_trained_on_its_scores(digits: Digits, float_net: Graph) -> None:
    graph, x, y = small(digits, float_net)
    soft = replace(graph, outputs=(Node("soft", Softmax(), graph.outputs),))
    options = FitOptions(epochs=2, batch=64)
    a, b = (fit(g, x, y, options, affine=PIXEL) for g in (graph, soft))
    assert [e.loss for e in a.history] == [e.loss for e in b.history]


def test_no_epochs_give_the_graph_back(digits: Digits, float_net: Graph) -> None:
    graph, x, y = small(digits, float_net)
    fitted = fit(graph, x, y, FitOptions(epochs=0), affine=PIXEL)
    assert grids_of(fitted.graph) == grids_of(graph)
    assert fitted.history == ()


def test_rates_and_stages() -> None:
    options = FitOptions(epochs=10, lr=1.0, warm_up=2, progressive=(8, 4))
    assert rate_at(options, 0) < 0.01 and rate_at(options, 1) == pytest.approx(0.5, abs=0.01)
    assert rate_at(options, 2) == 1 and rate_at(options, 6) == pytest.approx(0.5)
    assert rate_at(options, 10) == pytest.approx(0)
    assert [stage_bits(options, e) for e in range(10)] == [8, 8, 8, 8, 4, 4, 4, None, None, None]


def test_crops_and_mirrors() -> None:
    x = torch.arange(2 * 16 * 8 * 3).reshape(2, 16, 8, 3) + 1
    random = torch.Generator().manual_seed(0)
    seen = [crop_flip(x, flip=True, random=random) for _ in range(20)]
    assert all(y.shape == x.shape for y in seen)
    inner = [int(y[0, 8, 4, 0]) for y in seen]
    assert set(inner) <= set(x[0, 6:11, 2:7, 0].flatten().tolist())
    assert len(set(inner)) > 5
    first = crop_flip(x.permute(0, 3, 1, 2), flip=True, random=torch.Generator().manual_seed(0))
    torch.testing.assert_close(first.permute(0, 2, 3, 1), seen[0])
    still = crop_flip(x, flip=False, random=random, shift=0)
    torch.testing.assert_close(still, x)
    flat = torch.zeros(2, 5)
    assert crop_flip(flat, flip=True, random=random) is flat


def test_the_recipe_follows_the_least_bits(digits: Digits, float_net: Graph) -> None:
    x = digits[0]
    nets = (quantized(float_net, x, *kinds) for kinds in (("8", "8"), ("2", "2"), ("bipolar", "4")))
    eight, two, one = (recipe(net, 3) for net in nets)
    assert eight.lr < two.lr <= one.lr
    assert one.normalize and not eight.normalize
    assert recipe(float_net, 3, teacher=False).distill == 0
