"""What the page of a report of compression says, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatesmith.report.content import CodedRow, CompressReport, StageRow
from gatesmith.report.figures_compress import captions
from gatesmith.report.pruned import epochs
from gatesmith.report.words import NOTHING, RESOURCES, number, percent, points, said


def context(report: CompressReport) -> dict[str, Any]:
    """For templates/report/compress.html.j2."""
    first = report.stages[0].accuracy if report.stages else None
    used = [key for key in RESOURCES if any(key in row.hardware for row in report.stages)]
    roms = list(dict.fromkeys(name for row in report.coding for name in row.sizes))
    return {
        "topic": "compression",
        "made": "Compressed",
        "model": report.model,
        "frames": f"{report.frames:,}" if report.frames else "",
        "captions": captions(report),
        "tiles": _tiles(report.stages),
        "notes": list(report.notes),
        "stages": [_stage(row, first) for row in report.stages],
        "resources": [RESOURCES[key] for key in used],
        "hardware": [
            (row.name, *(number(row.hardware.get(key), ",.6g") for key in used))
            for row in report.stages
            if row.hardware
        ],
        "roms": roms,
        "coding": [_coded(row, roms) for row in report.coding],
        "histories": [(name, epochs(history)) for name, history in report.histories.items()],
        "axis": report.axis,
        "points": [
            (
                row.name,
                "on the front" if row.front else row.why or "",
                number(row.cost, ",.6g"),
                percent(row.accuracy),
                number(None if row.stage is None else row.stage.compression_ratio, ".1f"),
            )
            for row in report.points
        ],
        "settings": [(key, said(value)) for key, value in report.settings.items()],
    }


def _tiles(stages: Sequence[StageRow]) -> list[tuple[str, str]]:
    if not stages:
        return []
    first, last = stages[0], stages[-1]
    tiles = []
    if last.accuracy is not None:
        tiles.append((percent(last.accuracy), "accuracy at the end"))
    if first.accuracy is not None and last.accuracy is not None:
        told = f"points against {percent(first.accuracy)} at the start"
        tiles.append((points(last.accuracy, first.accuracy), told))
    tiles.append((f"{last.compression_ratio:.1f} times", "fewer bits of weights than float32"))
    tiles.append((f"{last.weight_bits / 8192:,.1f} KiB", "weight memory"))
    return tiles


def _stage(row: StageRow, first: float | None) -> tuple[str, ...]:
    """One of the table, in the order of its head in the template."""
    return (
        row.name,
        percent(row.accuracy),
        points(row.accuracy, first),
        number(row.parameters),
        number(row.macs),
        number(row.weight_bits),
        f"{row.compression_ratio:.1f}",
    )


def _coded(row: CodedRow, roms: Sequence[str]) -> tuple[str, ...]:
    sizes = [number(row.sizes.get(name)) if name in row.sizes else NOTHING for name in roms]
    return (row.layer, row.rom, number(row.weights), number(row.bits), *sizes)
