"""All steps of ``gatesmith prune``, in order.

read       the network and the data, everything about the options checked
prune      by kind: structured.py, masked.py, layers.py, low_rank.py; fine-tuned between and after
measure    accuracy, parameters, multiplications, hardware before and after
write      the file, read back and compared                      output_file.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Graph
from gatesmith.pipeline import Progress, quiet
from gatesmith.pruning.check import check_options
from gatesmith.pruning.hardware import Coster
from gatesmith.pruning.layers import without_layers
from gatesmith.pruning.low_rank import decomposed
from gatesmith.pruning.masked import with_zeros
from gatesmith.pruning.output_file import write_float
from gatesmith.pruning.result import Pruned
from gatesmith.pruning.session import Session
from gatesmith.pruning.settings import LOW_RANK, MASKED, Settings
from gatesmith.pruning.structured import with_fewer_channels
from gatesmith.quantizing.output_file import check_out
from gatesmith.quantizing.training import need_torch
from gatesmith.task import Sources, read_data, read_network

KINDS: dict[str, Callable[[Session], Graph]] = {
    "structured": with_fewer_channels,
    "layers": without_layers,
    **dict.fromkeys(MASKED, with_zeros),
    **dict.fromkeys(LOW_RANK, decomposed),
}


def prune(
    model: Path,
    data: str | None,
    out: Path,
    settings: Settings | None = None,
    progress: Progress = quiet,
) -> Pruned:
    """Prune a float network and write it to ``out``, whole or not at all.

    Args:
        model: The float .onnx file.
        data: A file, a folder of images or ``module:object`` (gatesmith/data); None for none.
        out: The .onnx file to write.
        settings: What the user asks.
        progress: Told what is being done.

    Errors: those of the frontend, ``data.*``, ``prune.*``, ``quantize.*``, ``cli.*``.
    """
    settings = settings or Settings()
    started = perf_counter()
    check_options(settings, data=data is not None)
    check_out(out, "qonnx")
    if settings.report is not None:
        from gatesmith.report.write import check_report

        check_report(settings.report)
    if settings.epochs:
        need_torch(settings.device, f"--train {settings.epochs}")
    session = _read(model, data, settings, progress)
    accuracy_before = session.measure(session.clean)
    session.step("before", accuracy_before)
    graph = KINDS[settings.kind](session)
    accuracy_after = session.steps[-1][1]
    progress("hardware", 0, 1)
    first = session.coster.of(session.clean)
    last = None if first is None else session.coster.of(graph, at_price_of=session.clean)
    progress("hardware", 1, 1)
    write_float(graph, out)
    result = Pruned(
        out,
        session.clean,
        graph,
        accuracy_before,
        accuracy_after,
        tuple(session.steps),
        perf_counter() - started,
        len(session.test),
        session.removed,
        (first, last),
        tuple(session.history),
        tuple(session.sensitivity),
        tuple(dict.fromkeys(session.notes)),
        _said(settings),
    )
    if settings.report is not None:
        from gatesmith.pruning.picture import write_pictures

        write_pictures(result, model.name, settings.report)
    return result


def _said(settings: Settings) -> dict[str, Any]:
    """The options as JSON."""
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in asdict(settings).items()
    }


def _read(model: Path, data: str | None, settings: Settings, progress: Progress) -> Session:
    """The network and the data, checked."""
    imported, clean, given = read_network(model, progress)
    s = settings
    spec = None if s.input_spec is None else InputSpec.parse(s.input_spec)
    notes = list(imported.notes)
    sources = Sources(data, s.labels, s.test, s.test_labels, s.input_spec)
    frames, test = read_data(
        imported.graph, given, sources, seed=s.seed, trains=bool(s.epochs), notes=notes
    )
    progress("read", 2, 2)
    about = (model, progress, GraphRunner(), imported, clean, given, spec, frames, test, notes)
    session = Session(*about, settings)
    session.coster = Coster(session, s.cycles, s.seed)
    return session
