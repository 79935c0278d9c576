"""What the page of a report of pruning says, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gatesmith.report.content import PrunedRow, PruneReport
from gatesmith.report.figures_prune import captions
from gatesmith.report.words import number, part, percent, points, said


def context(report: PruneReport) -> dict[str, Any]:
    """For templates/report/prune.html.j2."""
    shown = {row.name for row in report.layers}
    return {
        "topic": "pruning",
        "made": "Pruned",
        "model": report.model,
        "frames": f"{report.frames:,}" if report.frames else "",
        "captions": captions(report),
        "tiles": _tiles(report),
        "notes": list(report.notes),
        "steps": [
            (name, percent(value), points(value, report.accuracy_before))
            for name, value in report.steps
        ],
        "layers": [_row(row, report.removed) for row in report.layers],
        "removed": [(name, text) for name, text in report.removed.items() if name not in shown],
        "hardware": [
            (name, number(before, ",.6g"), number(after, ",.6g"), part(after, before))
            for name, before, after in report.hardware
        ],
        "sensitivity": [
            (name, percent(ratio), number(rise, ".4g")) for name, ratio, rise in report.sensitivity
        ],
        "history": epochs(report.history),
        "settings": [(key, said(value)) for key, value in report.settings.items()],
    }


def epochs(history: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row of the table for each epoch."""
    return [
        (
            str(epoch),
            number(record.get("loss"), ".4f"),
            percent(record.get("accuracy")),
            percent(record.get("held_out")),
        )
        for epoch, record in enumerate(history, 1)
    ]


def _tiles(report: PruneReport) -> list[tuple[str, str]]:
    before, after = report.accuracy_before, report.accuracy_after
    tiles = []
    if after is not None:
        tiles.append((percent(after), "accuracy of the pruned network"))
    if before is not None and after is not None:
        tiles.append((points(after, before), f"points against {percent(before)} before"))
    for (old, new), name in ((report.macs, "multiplications"), (report.parameters, "parameters")):
        if old:
            tiles.append((part(new, old), f"of the {name} left, {new:,}"))
    return tiles


def _row(row: PrunedRow, removed: Mapping[str, str]) -> tuple[str, ...]:
    """One of the table, in the order of its head in the template."""
    return (
        row.name,
        row.op,
        removed.get(row.name, ""),
        number(row.channels_before),
        number(row.channels_after),
        number(row.parameters_before),
        number(row.parameters_after),
        number(row.macs_before),
        number(row.macs_after),
        part(row.macs_after, row.macs_before),
    )
