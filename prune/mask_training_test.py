"""Training with masks: zeros stay zero, float and quantized; accuracy on real digits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gatesmith.errors import UserError  # noqa: E402
from gatesmith.float_graph import GraphRunner  # noqa: E402
from gatesmith.frontend.importer import import_model  # noqa: E402
from gatesmith.ir import BIPOLAR, TERNARY, Array, Graph, IntType  # noqa: E402
from gatesmith.ops.fake_quant import Grid  # noqa: E402
from gatesmith.prune.importance import weight_scores  # noqa: E402
from gatesmith.prune.mask_training import MaskSearch, Ramp, fit_masked  # noqa: E402
from gatesmith.prune.patterns import (  # noqa: E402
    Masks,
    Pattern,
    apply,
    masks,
    masks_of_zeros,
    sparsity,
)
from gatesmith.prune.schedule import Schedule  # noqa: E402
from gatesmith.quant.calibrate.layers import const, layers  # noqa: E402
from gatesmith.quant.calibrate.weights import weight_grid  # noqa: E402
from gatesmith.quant.prepare.fold_affine import fold_affine  # noqa: E402
from gatesmith.quant.prepare.scheme import Scheme  # noqa: E402
from gatesmith.quant.prepare.sites import find_sites, insert  # noqa: E402
from gatesmith.quant.train.fit import Fitted, Training  # noqa: E402
from gatesmith.quant.train.options import FitOptions  # noqa: E402

Digits: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Few: TypeAlias = tuple[np.ndarray, np.ndarray]
FREE = Pattern.parse("unstructured")
PIXEL = (1 / 16, 0.0)
QUICK = FitOptions(epochs=2, batch=32, lr=3e-3)


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
        (part["x"], part["y"].astype(np.int64))
        for part in (np.load(folder / f"digits_{name}.npz") for name in ("train", "test"))
    )
    return x, y, test_x, test_y


@pytest.fixture(scope="module")
def few(digits: Digits) -> Few:
    return digits[0][:512], digits[1][:512]


@pytest.fixture(scope="module")
def mlp() -> Graph:
    path = Path.cwd() / "examples/float/digits_mlp_s0.onnx"
    return fold_affine(import_model(path).graph)


def accuracy(graph: Graph, digits: Digits) -> float:
    _, _, x, y = digits
    got = GraphRunner(threads=1)(graph, graph.outputs, (x / 16).astype(np.float32))
    return float((got[graph.outputs[0].name].argmax(1) == y).mean())


def ratio(graph: Graph) -> float:
    counts = sparsity(graph).values()
    return 1 - sum(kept for kept, _ in counts) / sum(size for _, size in counts)


def zeros_hold(graph: Graph, kept: Masks) -> bool:
    found = masks_of_zeros(graph)
    return all(not found[name][~mask].any() for name, mask in kept.items())


def weights(graph: Graph) -> list[bytes]:
    return [const(layer.weight).tobytes() for layer in layers(graph)]


def test_eighty_percent_of_digits(mlp: Graph, digits: Digits) -> None:
    """Measured with the seeds 0, 1, 2: 96.2, 96.4, 96.2 % after these five epochs; 98.7 % float."""
    x, y, *_ = digits
    kept = masks(mlp, weight_scores(mlp, "lamp"), FREE, 0.8)
    assert accuracy(mlp, digits) > 0.98
    assert accuracy(apply(mlp, kept), digits) < 0.7
    options = FitOptions(epochs=5, batch=32, lr=3e-3, weight_decay=1e-4)
    fitted = fit_masked(mlp, x, y, options, kept, affine=PIXEL)
    found = masks_of_zeros(fitted.graph)
    assert all((found[name] == mask).all() for name, mask in kept.items())
    assert accuracy(fitted.graph, digits) > 0.95


def test_the_hook_alone(mlp: Graph, few: Few) -> None:
    """As a search of a Training, on a graph that has the zeros already."""
    x, y = few
    kept = masks(mlp, weight_scores(mlp, "l1"), FREE, 0.5, scope="layer")
    graph = apply(mlp, kept)
    search = MaskSearch(masks_of_zeros(graph))
    training = Training(graph, x, y, QUICK, PIXEL, None, None, None, search=search)
    training.train()
    result = training.fitted().graph
    assert zeros_hold(result, kept)
    assert search.changes == 1
    assert weights(result) == weights(fit_masked(graph, x, y, QUICK, kept, affine=PIXEL).graph)
    free = Training(graph, x, y, QUICK, PIXEL, None, None, None)
    free.train()
    assert not zeros_hold(free.fitted().graph, kept)


def seen(ramp: Ramp) -> tuple[list[tuple[Fraction, float]], object]:
    """A ramp that writes down when it is asked, and the share of zeros it answers with."""
    told: list[tuple[Fraction, float]] = []

    def kept(time: Fraction, now: object) -> Masks:
        found = ramp(time, now)  # type: ignore[arg-type]
        gone = sum(int((~mask).sum()) for mask in found.values())
        told.append((time, gone / sum(mask.size for mask in found.values())))
        return found

    return told, kept


def test_pruning_while_training(mlp: Graph, digits: Digits) -> None:
    x, y, *_ = digits
    told, kept = seen(Ramp(mlp, FREE, Schedule.parse("gradual:0.5"), 0.8, "lamp"))
    options = replace(QUICK, epochs=6)
    fitted = fit_masked(mlp, x, y, options, kept, affine=PIXEL)  # type: ignore[arg-type]
    times = [time for time, _ in told]
    assert times[0] == 0
    assert times[-1] == 1
    assert times == sorted(times)
    assert len(times) > 40
    for time, share in told:
        wanted = 0.8 * (1 - (1 - min(1.0, 2 * float(time))) ** 3)
        assert share == pytest.approx(wanted, abs=1e-4)  # one of 6,464 weights
    assert ratio(fitted.graph) == told[-1][1]
    assert accuracy(fitted.graph, digits) > 0.93


PATTERNS = {"nm:2:4": None, "nm:1:4": None, "block:4x4": 0.5}


@pytest.mark.parametrize("text", PATTERNS)
def test_patterns_while_training(text: str, mlp: Graph, few: Few) -> None:
    x, y = few
    pattern = Pattern.parse(text)
    ramp = Ramp(mlp, pattern, Schedule.parse("gradual"), PATTERNS[text], by_layer={"n6_Gemm": 0.0})
    fitted = fit_masked(mlp, x, y, QUICK, ramp, affine=PIXEL)
    found = masks_of_zeros(fitted.graph)
    assert found["n6_Gemm_6_weight"].all()
    for name in ("n0_Gemm_0_weight", "n3_Gemm_3_weight"):
        kept = found[name].T
        if pattern.kind == "nm":
            each = kept.reshape(len(kept), -1, 4).sum(axis=2)
            assert (each == pattern.kept).all()
        else:
            blocks = kept.reshape(len(kept) // 4, 4, -1, 4)
            assert (blocks.all(axis=(1, 3)) | ~blocks.any(axis=(1, 3))).all()
    if pattern.kind == "block":
        gone = sum(int((~mask).sum()) for mask in found.values())
        assert gone == (64 * 64 + 64 * 32) // 2


def test_the_best_of_each_layer_stays(mlp: Graph) -> None:
    """At a ratio that would empty the last layer."""
    weights = {layer.weight.name: const(layer.weight) for layer in layers(mlp)}
    weights["n6_Gemm_6_weight"] = weights["n6_Gemm_6_weight"] * 1e-6
    for pattern in (FREE, Pattern.parse("block:8x4")):
        found = Ramp(mlp, pattern, Schedule.parse("one-shot"), 0.95)(Fraction(0), weights)
        assert found["n6_Gemm_6_weight"].any()


def test_what_was_pruned_before_stays(mlp: Graph) -> None:
    """From the first step on, whatever the weights are by then, in layers left alone too."""
    first = masks(mlp, weight_scores(mlp, "l1"), FREE, 0.4, by_layer={"n6_Gemm": 0.0})
    sparse = apply(mlp, first)
    ones = {layer.weight.name: np.ones(layer.weight.type.shape) for layer in layers(sparse)}
    ramp = Ramp(sparse, FREE, Schedule.parse("gradual"), by_layer={"n3_Gemm": 0.8})
    begins, ends = ramp(Fraction(0), ones), ramp(Fraction(1), ones)
    for name, mask in first.items():
        assert not begins[name][~mask].any()
        assert not ends[name][~mask].any()
    assert all((begins[name] == first[name]).all() for name in first)
    assert ends["n3_Gemm_3_weight"].mean() <= 0.2
    assert ends["n6_Gemm_6_weight"].all()


def test_same_seed_same_bits(mlp: Graph, few: Few) -> None:
    x, y = few
    ramp = Ramp(mlp, FREE, Schedule.parse("gradual"), 0.7)
    one, two = (fit_masked(mlp, x, y, QUICK, ramp, affine=PIXEL).graph for _ in range(2))
    assert weights(one) == weights(two)


def test_interrupted(mlp: Graph, few: Few, tmp_path: Path) -> None:
    """After two of four epochs, in the middle of the ramp: the same bits in the end."""
    x, y = few
    ramp = Ramp(mlp, FREE, Schedule.parse("gradual"), 0.7)
    options = replace(QUICK, epochs=4, checkpoint=tmp_path / "state")

    class StopError(Exception):
        pass

    def stop(_text: str, done: int, total: int) -> None:
        if done > total // 2:
            raise StopError

    with pytest.raises(StopError):
        fit_masked(mlp, x, y, options, ramp, affine=PIXEL, progress=stop)
    assert (tmp_path / "state").exists()
    resumed = fit_masked(mlp, x, y, options, ramp, affine=PIXEL)
    whole = fit_masked(mlp, x, y, replace(options, checkpoint=None), ramp, affine=PIXEL)
    assert weights(resumed.graph) == weights(whole.graph)
    with pytest.raises(UserError) as error:
        fit_masked(mlp, x, y, options, replace(ramp, ratio=0.5), affine=PIXEL)
    assert error.value.code == "quantize.checkpoint"


def test_the_best_epoch_has_the_last_masks(mlp: Graph, digits: Digits) -> None:
    """The first epochs, with fewer zeros, are better."""
    x, y, test_x, test_y = digits
    ramp = Ramp(mlp, FREE, Schedule.parse("gradual:0.7"), 0.9)
    options = replace(QUICK, epochs=5, keep="best")
    fitted = fit_masked(mlp, x, y, options, ramp, affine=PIXEL, held_out=(test_x, test_y))
    accuracies = [epoch.held_out for epoch in fitted.history]
    assert all(a is not None for a in accuracies)
    best = max(accuracy for accuracy in accuracies if accuracy is not None)
    assert accuracies.index(best) < 2
    assert ratio(fitted.graph) == pytest.approx(0.9, abs=1e-4)
    last = max(a for a in accuracies[3:] if a is not None)
    assert accuracy(fitted.graph, digits) == pytest.approx(last, abs=0.003)


def quantized(graph: Graph, text: str) -> Graph:
    """Weights as the text says, activations of 4 bits; not trained yet."""
    grids = {}
    for site in find_sites(graph):
        if site.role == "weight":
            scheme = Scheme.parse(text, weight=True)
            grids[site.name] = weight_grid(const(site.node), scheme)[0]
        else:
            top = 16 if site.role == "input" else 15
            grids[site.name] = Grid(
                "int", IntType(0, top), Array(2.0**-4 if site.role == "input" else 2.0**-2)
            )
    return insert(graph, grids)


WEIGHTS = ["int4", "ternary", "ttq", "pow2", "codebook-8", "int8:group=16"]


@pytest.mark.parametrize(("text", "normalize"), [*((t, False) for t in WEIGHTS), ("int4", True)])
def test_prune_then_train_quantized(text: str, normalize: bool, mlp: Graph, few: Few) -> None:
    x, y = few
    kept = masks(mlp, weight_scores(mlp, "l1"), FREE, 0.6, scope="layer")
    graph = quantized(apply(mlp, kept), text)
    options = replace(QUICK, normalize=normalize)
    fitted = fit_masked(graph, x, y, options, masks_of_zeros(graph), affine=PIXEL)
    assert zeros_hold(fitted.graph, kept)
    assert ratio(fitted.graph) >= 0.6
    assert ratio(fitted.graph) < 0.95


def test_bipolar_weights_have_no_zero(mlp: Graph, few: Few) -> None:
    x, y = few
    name = "n0_Gemm_0_weight"
    graph = insert(mlp, {name: Grid("bipolar", BIPOLAR, Array(1.0))})
    kept = {name: np.zeros((64, 64), np.bool_)}
    with pytest.raises(UserError) as error:
        fit_masked(graph, x, y, QUICK, kept, affine=PIXEL)
    assert error.value.code == "prune.no-zero"
    fitted = fit_masked(
        insert(mlp, {name: Grid("ternary", TERNARY, Array(1.0))}), x, y, QUICK, kept, affine=PIXEL
    )
    assert isinstance(fitted, Fitted)
    assert sparsity(fitted.graph)[name] == (0, 4096)


def test_criteria_while_training(mlp: Graph) -> None:
    with pytest.raises(UserError) as error:
        Ramp(mlp, FREE, Schedule.parse("gradual"), 0.5, "taylor")
    assert str(error.value) == (
        "error[prune.criterion]: taylor cannot rank weights while they are trained\n"
        "  at   --criterion taylor\n"
        "  why  weights are ranked many times an epoch, by what they are alone\n"
        "  fix  one of l1, l2, lamp\n"
        "  fix  a schedule that prunes between trainings: iterative:3, one-shot"
    )
