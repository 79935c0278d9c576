"""Post-training quantization against the float network and against onnxruntime's own.

    python benchmarks/post_training.py [MODEL.onnx ...] [--recipe int8,int8] [--shared ../shared]

For each network with data: top-1 of the float file, of ours at each recipe (weights,activations),
and of onnxruntime.quantization.quantize_static (int8, per channel, QDQ; its three calibrators), all
calibrated on the same 256 frames and measured on the same others, by onnxruntime on the file that
is exported. One image of 1,000 says little: with --unseen the networks for CIFAR-10 are measured on
the 24,744 training images that did not calibrate (the float network knows them, no quantizer does).
Without a name: the float networks of ../shared that have data and those of examples/float; the data
of a file is known by how its name begins. Writes benchmarks/results/post-training.json. Seconds are
of this machine and not written.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import onnxruntime as ort
import typer
from numpy.typing import NDArray
from onnx import version_converter
from rich.console import Console
from rich.table import Table

from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Graph
from gatesmith.quant.calibrate.post_training import PostOptions, post_training
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import INPUT, WEIGHT, find_sites

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "post-training.json"
SAMPLES = 256
RECIPES = ("int8,int8", "int8:tensor,int8", "int4,int8", "int4,int4", "int3,int3", "ternary,int8")
CALIBRATORS = ("MinMax", "Entropy", "Percentile")

Frames = NDArray[np.float32]
Labels = NDArray[np.int64]
Sets = tuple[Frames, Frames, Labels]
"""Calibration frames, test frames, test labels."""


def _idx(path: Path) -> NDArray[np.uint8]:
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * n : 8 + 4 * n], "big") for n in range(rank)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _mnist(shared: Path, step: float) -> Sets:
    place = shared / "data" / "mnist"
    train, test = (_idx(place / f"{s}-images-idx3-ubyte.gz") for s in ("train", "t10k"))
    labels = _idx(place / "t10k-labels-idx1-ubyte.gz").astype(np.int64)
    x = (train[:SAMPLES, None] * np.float32(step), test[:, None] * np.float32(step))
    return *(v.astype(np.float32) for v in x), labels


def _cifar(
    shared: Path, mean: list[float], deviation: list[float], *, unseen: bool = False
) -> Sets:
    whole = np.load(shared / "data" / "cifar10_train_25000.npz")
    train = whole["x"]
    test = np.load(shared / "data" / "cifar10_test_first1000.npz")
    chosen = np.random.default_rng(0).choice(len(train), SAMPLES, replace=False)  # all classes
    if unseen:
        others = np.setdiff1d(np.arange(len(train)), chosen)
        test = {key: whole[key][others] for key in ("x", "y")}

    def frames(x: NDArray[np.uint8]) -> Frames:
        y = (x / 255 - np.array(mean)) / np.array(deviation)
        return np.ascontiguousarray(y.transpose(0, 3, 1, 2), np.float32)

    return frames(train[np.sort(chosen)]), frames(test["x"]), test["y"].astype(np.int64).ravel()


def _keywords(shared: Path) -> Sets:
    """The first 256 frames calibrate and the other 744 test: there is no other data."""
    data = np.load(shared / "data" / "kws01_mfcc_int8.npz")
    x = (np.float32(0.58470291) * (data["x"].astype(np.float32) - 83)).reshape(-1, 49, 10, 1)
    return x[:SAMPLES], x[SAMPLES:], data["y"].astype(np.int64)[SAMPLES:]


def _digits(_shared: Path) -> Sets:
    train, test = (
        np.load(ROOT / "examples" / "digits" / f"digits_{s}.npz") for s in ("train", "test")
    )
    step = np.float32(1 / 16)
    return train["x"][:SAMPLES] * step, test["x"] * step, test["y"].astype(np.int64)


DATA: dict[str, Callable[[Path], Sets]] = {
    # Of the usual scalings of CIFAR this one has the best accuracy; the file does not say.
    "model_ic": lambda s: _cifar(s, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "model_kws": _keywords,
    "cntk_mnist": lambda s: _mnist(s, 1.0),
    "mnist": lambda s: _mnist(s, 1 / 255),
    "digits": _digits,
    "resnet8": lambda s: _cifar(s, [0, 0, 0], [1, 1, 1]),
    "cnv": lambda s: _cifar(s, [0, 0, 0], [1, 1, 1]),
}


def _known(model: Path) -> str:
    """The networks of ONNX's model zoo are all called model.onnx."""
    return model.parent.name if model.stem == "model" else model.stem


def _accuracy(model: bytes | Path, x: Frames, y: Labels) -> float:
    """Top-1 of a file in onnxruntime."""
    given = str(model) if isinstance(model, Path) else model
    session = ort.InferenceSession(given, providers=["CPUExecutionProvider"])
    name, shape = session.get_inputs()[0].name, session.get_inputs()[0].shape
    size = 1 if shape[0] == 1 else 500
    hits = 0
    for at in range(0, len(x), size):
        part = x[at : at + size].reshape(-1, *shape[1:])
        scores = session.run(None, {name: part})[0].reshape(len(part), -1)
        hits += int((scores.argmax(1) == y[at : at + size]).sum())
    return hits / len(x)


class _Reader:
    """Calibration frames as onnxruntime wants them."""

    def __init__(self, name: str, frames: Frames) -> None:
        self._feeds: Iterator[dict[str, Frames]] = iter({name: f[None]} for f in frames)

    def get_next(self) -> dict[str, Frames] | None:
        return next(self._feeds, None)


def _at_least(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    old = max(o.version for o in model.opset_import if not o.domain)
    return model if old >= opset else version_converter.convert_version(model, opset)


def _theirs(model: Path, x: Frames, calibrator: str) -> bytes | None:
    """The file that onnxruntime quantizes, batch norm folded first as it advises.

    None where it fails: on cntk_mnist, per channel, it compares a scale with a whole array.
    """
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        ready, out = Path(folder) / "ready.onnx", Path(folder) / "out.onnx"
        modern = Path(folder) / "modern.onnx"  # scales per channel need opset 13
        onnx.save(_at_least(onnx.load(model), 13), modern)
        quant_pre_process(str(modern), str(ready), skip_symbolic_shape=True)
        first = onnx.load(ready).graph.input[0]
        shape = [d.dim_value for d in first.type.tensor_type.shape.dim][1:]
        try:
            q.quantize_static(
                str(ready),
                str(out),
                _Reader(first.name, x.reshape(-1, *shape)),
                quant_format=q.QuantFormat.QDQ,
                per_channel=True,
                activation_type=q.QuantType.QInt8,
                weight_type=q.QuantType.QInt8,
                calibrate_method=getattr(q.CalibrationMethod, calibrator),
            )
        except ValueError:
            return None
        return out.read_bytes()


def _recipe(graph: Graph, text: str) -> dict[str, Scheme]:
    """Weights and activations; the input of a network has 8 bits at least."""
    weights, activations = text.split(",")
    found = {}
    for site in find_sites(graph):
        said = weights if site.role == WEIGHT else activations
        if site.role == INPUT and Scheme.parse(activations, weight=False).bits < 8:
            said = "int8"
        found[site.name] = Scheme.parse(said, weight=site.role == WEIGHT)
    return found


def _ours(graph: Graph, recipe: str, sets: Sets, threads: int) -> tuple[float, float]:
    """Top-1 and seconds."""
    x, test, labels = sets
    (shape,) = (
        node.type.shape for node in graph if not node.args and node.op.__class__.__name__ == "Input"
    )
    runner = GraphRunner(threads=threads)
    start = time.perf_counter()
    quantized = post_training(
        graph,
        _recipe(graph, recipe),
        {},
        x.reshape(-1, *shape),
        runner,
        PostOptions(samples=SAMPLES),
    )
    seconds = time.perf_counter() - start
    (output,) = quantized.outputs
    scores = runner(quantized, [output], test.reshape(-1, *shape))[output.name]
    hits = scores.reshape(len(test), -1).argmax(1) == labels
    return float(hits.mean()), seconds


def measure(
    model: Path, recipes: list[str], shared: Path, threads: int, *, unseen: bool
) -> dict[str, Any]:
    """One row."""
    name = _known(model)
    if unseen:
        sets = _cifar(shared, [0, 0, 0], [1, 1, 1], unseen=True)
    else:
        sets = next(DATA[key] for key in DATA if name.startswith(key))(shared)
    row: dict[str, Any] = {"frames": len(sets[1]), "float": _accuracy(model, *sets[1:])}
    graph = fold_affine(channels_last(import_model(model).graph))
    seconds = {}
    for recipe in recipes:
        row[recipe], seconds[recipe] = _ours(graph, recipe, sets, threads)
    for calibrator in CALIBRATORS:
        file = _theirs(model, sets[0], calibrator)
        row[f"onnxruntime {calibrator}"] = file and _accuracy(file, *sets[1:])
    took = ", ".join(f"{recipe} {s:.1f}" for recipe, s in seconds.items())
    Console().print(f"{name}: seconds {took}", highlight=False)
    return row


def main(
    models: Annotated[list[Path] | None, typer.Argument()] = None,
    recipe: Annotated[list[str] | None, typer.Option()] = None,
    shared: Path = ROOT.parent / "shared",
    threads: Annotated[int, typer.Option(help="cores; 0 is all")] = 0,
    unseen: Annotated[
        bool,
        typer.Option("--unseen", help="CIFAR: on the training images that did not calibrate."),
    ] = False,
) -> None:
    """Measure, print the table, write the results of the networks measured."""
    if not models:
        models = [shared / "models" / "float" / f"model_{n}.onnx" for n in ("ic", "kws")]
        models += [shared / "models" / "cntk_mnist" / "model.onnx"]
        models += sorted((ROOT / "examples" / "float").glob("*.onnx"))
    recipes = recipe or list(RECIPES)
    rows = {
        _known(model) + (", unseen training images" if unseen else ""): measure(
            model, recipes, shared, threads, unseen=unseen
        )
        for model in models
    }
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    table = Table("network", *columns)
    for name, row in rows.items():
        cells = [row.get(key, "") for key in columns]
        table.add_row(
            name, *(f"{c:.2%}" if isinstance(c, float) else str(c or "fails") for c in cells)
        )
    Console(width=200).print(table)
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, row in rows.items():
        old[name] = old.get(name, {}) | row
    RESULTS.write_text(json.dumps(dict(sorted(old.items())), indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
