"""The report of a run (gatesmith/report)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatesmith.data.split import calibration
from gatesmith.quantizing.result import Quantized, layer_rows
from gatesmith.report.collect import activation_pictures, measured, weight_pictures
from gatesmith.report.content import QuantReport
from gatesmith.report.write import write_report

if TYPE_CHECKING:
    from gatesmith.quantizing.run import Run

FRAMES = 64
"""Frames that the histograms of activations are drawn from."""


def write_pictures(result: Quantized, run: Run, out: Path) -> tuple[Path, ...]:
    """Write the page and its figures. Errors: ``report.*``."""
    graph = result.graph
    frames = calibration(run.data, FRAMES, run.settings.seed).real().astype(np.float64)
    chosen = result.chosen or {}
    report = QuantReport(
        model=run.model.name,
        accuracy_float=result.accuracy_float,
        accuracy_quantized=result.accuracy_quantized,
        frames=result.frames,
        steps=result.steps,
        layers=measured([*layer_rows(graph)], run.clean, graph),
        weights=weight_pictures(run.clean, graph),
        activations=activation_pictures(graph, run.runner, frames),
        sensitivity=_sensitivity(chosen),
        sensitivity_unit=_measure(chosen),
        history=result.history,
        trade=[
            (t["by"], float(t["cost"]["lut"]), t["accuracy"])
            for t in chosen.get("tried", ())
            if t["accuracy"] is not None
        ],
        trade_unit="LUT",
        settings=result.settings,
        notes=result.notes,
    )
    return write_report(report, out)


def _measure(chosen: dict[str, Any] | Any) -> str:
    """The measure of sensitivity that is drawn: the one that led to the choice, where one did."""
    known = chosen.get("sensitivities", {})
    said = chosen.get("chosen_by", "")
    return next((m for m in known if m in said), next(iter(known), "loss"))


def _sensitivity(chosen: dict[str, Any] | Any) -> list[tuple[str, int, float]]:
    rows = chosen.get("sensitivities", {}).get(_measure(chosen), {})
    return [(site, int(bits), error) for site, row in rows.items() for bits, error in row.items()]
