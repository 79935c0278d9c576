"""All steps of ``gatesmith quantize``, in order.

read       the model and the data, everything about the options checked
calibrate  grids for every site, weights onto theirs      quant/calibrate
choose     bits for each site, where there is a budget    quant/mixed
train      the quantized network                          quant/train
write      the file, read back, lowered and compared      output_file
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.data.dataset import Data
from gatesmith.data.load import load_data
from gatesmith.data.split import calibration, split
from gatesmith.errors import UserError
from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.importer import Imported, import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Array, Graph, IntType, Node
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.fake_quant import Grid
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import Quantize
from gatesmith.pipeline import Progress, quiet
from gatesmith.quant.calibrate.post_training import PostOptions, post_training
from gatesmith.quant.fake_quant import expand
from gatesmith.quant.lower import lower
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import WEIGHT, Site, find_sites
from gatesmith.quantizing.accuracy import (
    IntegerNetwork,
    classifies,
    float_classes,
    one_input,
    share,
)
from gatesmith.quantizing.check import check_options, check_sites
from gatesmith.quantizing.output_file import check_out, written
from gatesmith.quantizing.recipe import input_grid, make_recipe
from gatesmith.quantizing.result import Quantized
from gatesmith.quantizing.settings import Settings
from gatesmith.quantizing.training import fit_options, need_torch, train

BYTE = IntType(0, 255)
AT_ONCE = 1024
"""Frames that are turned into reals at a time."""

HELD_OUT = 0.1
"""Part of the data that training does not see when there is no test set."""


@dataclass(slots=True, eq=False)
class Run:
    """One run and what it knows so far."""

    model: Path
    settings: Settings
    progress: Progress
    runner: GraphRunner
    imported: Imported
    clean: Graph
    input: Node
    sites: tuple[Site, ...]
    recipe: dict[str, Scheme]
    fixed: dict[str, Grid]
    data: Data
    test: Data
    notes: list[str]
    steps: list[tuple[str, float | None]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    chosen: dict[str, Any] | None = None

    def measure(self, graph: Graph, data: Data | None = None) -> float | None:
        """Top-1 of a real graph on the test data, or other data; None without labels."""
        data = data or self.test
        if data.y is None or not classifies(graph):
            return None
        right = 0
        for part in parts(len(data)):
            scores = self.runner(graph, graph.outputs[:1], data.real(part))[graph.outputs[0].name]
            right += int((float_classes(scores) == data.y[part]).sum())
        return right / len(data)

    def step(self, name: str, accuracy: float | None) -> None:
        """Note the accuracy after a step."""
        self.steps.append((name, accuracy))


def quantize(
    model: Path, data: str, out: Path, settings: Settings | None = None, progress: Progress = quiet
) -> Quantized:
    """Quantize a float network and write it to ``out``, whole or not at all.

    Args:
        model: The float .onnx file.
        data: A file, a folder of images or ``module:object`` (gatesmith/data).
        out: The .onnx file to write.
        settings: What the user asks.
        progress: Told what is being done.

    Errors: those of the frontend and of lowering, ``data.*``, ``quantize.*``, ``cli.*``.
    """
    settings = settings or Settings()
    started = perf_counter()
    check_options(settings)
    check_out(out, settings.format)
    if settings.report is not None:
        from gatesmith.report.write import check_report

        check_report(settings.report)
    if settings.epochs or settings.learn_bits:
        need_torch(settings)
    run = _read(model, data, settings, progress)
    accuracy_float = run.measure(run.imported.graph)
    run.step("float", accuracy_float)
    if settings.epochs or settings.learn_bits:
        fit_options(run, run.clean)  # what it refuses is refused before calibration
    graph = _calibrated(run)
    if settings.epochs:
        lower(expand(graph), model.name)  # refuses before training what it would refuse after it
        graph = _trained(run, graph)
    final: list[float | None] = []
    written(graph, out, settings.format, lambda network: final.append(_judged(run, network)))
    run.step("integers", final[0])
    result = Quantized(
        out,
        graph,
        accuracy_float,
        final[0],
        tuple(run.steps),
        perf_counter() - started,
        len(run.test),
        run.chosen,
        tuple(run.history),
        tuple(dict.fromkeys(run.notes)),
        _said(settings),
    )
    if settings.report is not None:
        from gatesmith.quantizing.picture import write_pictures

        write_pictures(result, run, settings.report)
    return result


def _said(settings: Settings) -> dict[str, Any]:
    """The options as JSON."""
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(settings).items()
    }


def _read(model: Path, data: str, settings: Settings, progress: Progress) -> Run:
    """The model and the data, checked."""
    progress("read", 0, 2)
    imported = import_model(model)
    given = one_input(imported.graph, model.name)
    _float_network(imported.graph, model)
    clean = fold_affine(channels_last(imported.graph))
    sites = find_sites(clean)
    if not any(site.role == WEIGHT for site in sites):
        raise _nothing(model)
    check_sites(settings, sites)
    recipe = make_recipe(sites, settings)
    spec = None if settings.input_spec is None else InputSpec.parse(settings.input_spec)
    notes = list(imported.notes)
    fixed = {}
    if spec is not None:
        fixed[given.name], note = input_grid(spec)
        notes += [note] if note else []
    real = None if spec is None else (spec.scale, spec.zero)
    progress("read", 1, 2)
    shape, classes = given.type.shape, None
    if classifies(imported.graph):
        classes = imported.graph.outputs[0].type.size
    elem = None if spec is None else spec.elem

    def load(source: str, labels: Path | None) -> Data:
        return load_data(
            source, labels, shape, real=real, elem=elem, classes=classes, name=given.name
        )

    frames = load(data, settings.labels)
    test = None
    if settings.test is not None:
        test = load(settings.test, settings.test_labels)
    elif settings.epochs:
        frames, test = split(frames, HELD_OUT, settings.seed)
        notes.append(f"no --test: accuracy is that of {len(test)} frames held out of training")
    if spec is None and frames.x.dtype == np.uint8:
        fixed[given.name] = Grid("int", BYTE, Array(1.0))
    progress("read", 2, 2)
    return Run(
        model,
        settings,
        progress,
        GraphRunner(),
        imported,
        clean,
        given,
        sites,
        recipe,
        fixed,
        frames,
        test or frames,
        notes,
    )


def _float_network(graph: Graph, model: Path) -> None:
    """Refuse a network that has quantizers already."""
    found = [n for n in graph if isinstance(n.op, Quantize | BipolarQuant | MultiThreshold)]
    if found:
        raise UserError(
            "quantize.already-quantized",
            f"the network has {len(found)} quantizers already",
            where=f'{model.name}, node "{", ".join(found[0].origin) or found[0].name}" and others',
            why="its weights and activations lie on grids that training has chosen",
            fix=(
                "build it as it is: gatesmith build",
                "or quantize the float network it came from",
            ),
        )


def _nothing(model: Path) -> UserError:
    return UserError(
        "quantize.nothing",
        "the network has no layer with weights",
        where=model.name,
        why="there is no Conv, MatMul or Gemm with constant weights in it",
        fix=("check that the right model was exported",),
    )


def _post_options(settings: Settings) -> PostOptions:
    """What the user said about calibration; errors ``cli.bad-value``."""
    given: dict[str, Any] = {
        "samples": settings.samples,
        "equalize": settings.equalize,
        "rounding": settings.rounding,
    }
    if settings.observer is not None:
        given["observer"] = settings.observer
    if settings.bias_correction is not None:
        given["bias_correction"] = settings.bias_correction
    try:
        return PostOptions(**given)
    except ValueError as error:
        raise UserError(
            "cli.bad-value",
            "an option of calibration is unknown",
            where="gatesmith quantize",
            why=str(error),
            fix=("gatesmith quantize -h lists what there is",),
        ) from error


def _calibrated(run: Run) -> Graph:
    """Post-training quantization, with bits chosen where there is a budget."""
    options = _post_options(run.settings)
    sample = calibration(run.data, run.settings.samples, run.settings.seed).real()

    def quantized(recipe: Mapping[str, Scheme]) -> Graph:
        return post_training(
            run.clean,
            recipe,
            run.fixed,
            sample,
            run.runner,
            options,
            run.progress,
            run.notes.append,
        )

    if run.settings.budget is not None:
        from gatesmith.quantizing.budget import choose

        run.recipe, run.chosen = choose(run, quantized, sample)
    graph = quantized(run.recipe)
    run.step("after calibration", run.measure(graph))
    return graph


def _trained(run: Run, graph: Graph) -> Graph:

    graph, history = train(run, graph)
    run.history.extend(history)
    run.step("after training", run.measure(graph))
    return graph


def _judged(run: Run, network: IntegerNetwork) -> float | None:
    """Top-1 of the integers; UserError quantize.budget where it is below what was asked for."""
    found = _integers(run, network)
    floor = None if run.chosen is None else run.chosen["floor"]
    if found is not None and floor is not None and found < floor:
        raise UserError(
            "quantize.budget",
            f"the integers reach {100 * found:.2f} %, and {100 * floor:.2f} % was asked for",
            where=f"--budget {run.settings.budget}",
            why="bits were chosen on fewer frames, or training lost accuracy; nothing was written",
            fix=(
                f"the nearest that was reached: accuracy>={100 * found:.2f}",
                "add --train EPOCHS",
            ),
        )
    return found


def _integers(run: Run, network: IntegerNetwork) -> float | None:
    """Top-1 of the integers of the file."""
    if run.test.y is None or not classifies(network.integer):
        return None
    found: list[NDArray[np.int64]] = []
    for part in parts(len(run.test)):
        found.append(network.classes(run.test.real(part).astype(np.float64)))
        run.progress("integers", min(part.stop, len(run.test)), len(run.test))
    return share(np.concatenate(found), run.test.y)


def parts(frames: int) -> Iterator[slice]:
    """A few frames at a time."""
    return (slice(start, start + AT_ONCE) for start in range(0, frames, AT_ONCE))
