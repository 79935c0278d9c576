"""What the page of a report of quantization says, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatesmith.report.content import LayerRow, QuantReport
from gatesmith.report.figures import captions
from gatesmith.report.words import NOTHING, number, percent, points, said


def context(report: QuantReport) -> dict[str, Any]:
    """For templates/report/quantize.html.j2."""
    float_accuracy = report.accuracy_float
    return {
        "topic": "quantization",
        "made": "Quantized",
        "model": report.model,
        "frames": f"{report.frames:,}" if report.frames else "",
        "captions": captions(report),
        "tiles": _tiles(report),
        "notes": list(report.notes),
        "steps": [
            (name, percent(value), points(value, float_accuracy)) for name, value in report.steps
        ],
        "layers": [_row(row) for row in report.layers],
        "trade": [(name, f"{cost:,.6g}", percent(value)) for name, cost, value in report.trade],
        "trade_unit": report.trade_unit,
        "history": [
            (
                str(epoch),
                number(record.get("loss"), ".4f"),
                percent(record.get("accuracy")),
                percent(record.get("held_out")),
                number(record.get("bits"), "d"),
            )
            for epoch, record in enumerate(report.history, 1)
        ],
        "settings": [(key, said(value)) for key, value in report.settings.items()],
    }


def _tiles(report: QuantReport) -> list[tuple[str, str]]:
    tiles = []
    if report.accuracy_quantized is not None:
        tiles.append((percent(report.accuracy_quantized), "accuracy of the integers"))
    if report.accuracy_float is not None:
        tiles.append((percent(report.accuracy_float), "accuracy of the float network"))
    if report.accuracy_float is not None and report.accuracy_quantized is not None:
        told = points(report.accuracy_quantized, report.accuracy_float)
        tiles.append((told, "points against float"))
    return tiles + _memory(report.layers)


def _memory(layers: Sequence[LayerRow]) -> list[tuple[str, str]]:
    """Bits of all weights, and of one on average; layers that stay real hold 32."""
    count = sum(row.parameters for row in layers)
    bits = sum(
        32 * row.parameters if row.memory_bits is None else row.memory_bits for row in layers
    )
    if not count:
        return []
    size = f"{bits / 8192:,.1f} KiB"
    saved = f"weight memory, {32 * count / bits:.1f} times less than float32"
    return [(size, saved), (f"{bits / count:.3g}", "bits of a weight, on average")]


def _row(row: LayerRow) -> tuple[str, ...]:
    """One of the table, in the order of its head in the template."""
    weights = "real" if row.weights is None else f"{row.weights}, {row.weight_bits} bits"
    scales = NOTHING
    if row.scales is not None:
        least, most = (f"{scale:.3g}" for scale in row.scales)
        scales = least if least == most else f"{least} to {most}"
    return (
        row.name,
        row.op,
        weights,
        row.activations or "real",
        row.per or NOTHING,
        f"{row.parameters:,}",
        number(row.memory_bits),
        scales,
        number(row.sqnr, ".1f"),
    )
