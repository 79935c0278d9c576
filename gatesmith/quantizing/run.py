"""All steps of ``gatesmith quantize``, in order.

read       the model and the data, everything about the options checked
calibrate  grids for every site, weights onto theirs      quant/calibrate
choose     bits for each site, where there is a budget    quant/mixed
train      the quantized network                          quant/train
write      the file, read back, lowered and compared      output_file
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from gatesmith.data.split import calibration
from gatesmith.errors import UserError
from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Array, Graph, Ints, IntType
from gatesmith.ops.fake_quant import Grid
from gatesmith.pipeline import Progress, quiet
from gatesmith.prune.patterns import Masks
from gatesmith.quant.calibrate.post_training import PostOptions, post_training
from gatesmith.quant.fake_quant import expand
from gatesmith.quant.lower import lower
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import WEIGHT, Site, find_sites
from gatesmith.quantizing.accuracy import IntegerNetwork
from gatesmith.quantizing.check import check_options, check_sites
from gatesmith.quantizing.output_file import check_out, written
from gatesmith.quantizing.recipe import input_grid, make_recipe
from gatesmith.quantizing.result import Quantized
from gatesmith.quantizing.settings import Settings
from gatesmith.quantizing.training import fit_options, need_torch, train
from gatesmith.quantizing.zeros import kept_zeros
from gatesmith.task import Sources, Task, classifies, parts, read_data, read_network, share

BYTE = IntType(0, 255)


@dataclass(slots=True, eq=False)
class Run(Task):
    """One run and what it knows so far."""

    settings: Settings
    sites: tuple[Site, ...]
    recipe: dict[str, Scheme]
    fixed: dict[str, Grid]
    zeros: Masks
    steps: list[tuple[str, float | None]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    chosen: dict[str, Any] | None = None

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
        said = f"--train {settings.epochs}" if settings.epochs else "--learn-bits"
        need_torch(settings.device, said)
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
    imported, clean, given = read_network(model, progress)
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
    progress("read", 1, 2)
    s = settings
    sources = Sources(data, s.labels, s.test, s.test_labels, s.input_spec)
    trains = bool(settings.epochs)
    frames, test = read_data(
        imported.graph, given, sources, seed=settings.seed, trains=trains, notes=notes
    )
    if spec is None and frames.x.dtype == np.uint8:
        fixed[given.name] = Grid("int", BYTE, Array(1.0))
    progress("read", 2, 2)
    about = (model, progress, GraphRunner(), imported, clean, given, spec, frames, test, notes)
    zeros = kept_zeros(clean, recipe, settings.keep_zeros, notes)
    return Run(*about, settings, sites, recipe, fixed, zeros)


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
    options = replace(_post_options(run.settings), keep_zeros=bool(run.zeros))
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
    found: list[Ints] = []
    for part in parts(len(run.test)):
        found.append(network.classes(run.test.real(part).astype(np.float64)))
        run.progress("integers", min(part.stop, len(run.test)), len(run.test))
    return share(np.concatenate(found), run.test.y)
