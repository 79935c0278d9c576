"""A report as files: one page, and its figures as PNG beside it.

The page is a single file without scripts that loads nothing. The same report gives the same bytes.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatesmith.errors import UserError
from gatesmith.report.content import LayerRow, QuantReport

PAGE = ".html"
TEMPLATE = "report/quantize.html.j2"
NOTHING = "\u2013"


def check_report(out: Path) -> None:
    """Refuse what could not be written, before any work is done.

    Errors: ``report.matplotlib``, ``report.out``.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError(
            "report.matplotlib",
            "a report needs matplotlib",
            where=str(out),
            why="the package is not installed",
            fix=('pip install "gatesmith[quantize]"', "pip install matplotlib"),
        )
    if out.is_dir() or out.suffix in ("", PAGE):
        return
    raise UserError(
        "report.out",
        "a report is a page or a folder",
        where=str(out),
        why=f"its name ends in {out.suffix}, expected .html",
        fix=("give FILE.html, or the name of a folder",),
    )


def write_report(report: QuantReport, out: Path) -> tuple[Path, ...]:
    """Write the page and its figures; return the files, the page first.

    Args:
        report: What to show.
        out: ``NAME.html``, with figures ``NAME_FIGURE.png`` beside it; or a folder, which is made,
            for ``report.html`` and ``FIGURE.png``.

    Errors: ``report.matplotlib``, ``report.out``.
    """
    check_report(out)
    from gatesmith.codegen.render import render
    from gatesmith.report.figures import MOST_PANELS, figures
    from gatesmith.report.style import png, styled, svg

    folder = out.is_dir() or out.suffix != PAGE
    page = out / f"report{PAGE}" if folder else out
    prefix = "" if folder else f"{out.stem}_"
    pictures: dict[str, bytes] = {}
    drawn: dict[str, str] = {}
    with styled():
        for name, figure in figures(report).items():
            pictures[f"{prefix}{name}.png"] = png(figure)
            drawn[name] = svg(figure, name)
    captions = {
        name: f"The first {MOST_PANELS} of {len(found)}."
        for name, found in (("weights", report.weights), ("activations", report.activations))
        if len(found) > MOST_PANELS
    }
    text = render(TEMPLATE, figures=drawn, captions=captions, **_context(report))
    page.parent.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        _replace(page.parent / name, content)
    _replace(page, text.encode("utf-8", "replace"))
    return (page, *(page.parent / name for name in pictures))


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)


def _context(report: QuantReport) -> dict[str, Any]:
    """Everything that the template says, as text."""
    float_accuracy = report.accuracy_float
    return {
        "model": report.model,
        "frames": f"{report.frames:,}" if report.frames else "",
        "tiles": _tiles(report),
        "notes": list(report.notes),
        "steps": [
            (name, _percent(value), _points(value, float_accuracy)) for name, value in report.steps
        ],
        "layers": [_row(row) for row in report.layers],
        "trade": [(name, f"{cost:,.6g}", _percent(value)) for name, cost, value in report.trade],
        "trade_unit": report.trade_unit,
        "history": [
            (
                str(number),
                _number(record.get("loss"), ".4f"),
                _percent(record.get("accuracy")),
                _percent(record.get("held_out")),
                _number(record.get("bits"), "d"),
            )
            for number, record in enumerate(report.history, 1)
        ],
        "settings": [(key, _said(value)) for key, value in report.settings.items()],
    }


def _tiles(report: QuantReport) -> list[tuple[str, str]]:
    tiles = []
    if report.accuracy_quantized is not None:
        tiles.append((_percent(report.accuracy_quantized), "accuracy of the integers"))
    if report.accuracy_float is not None:
        tiles.append((_percent(report.accuracy_float), "accuracy of the float network"))
    if report.accuracy_float is not None and report.accuracy_quantized is not None:
        told = _points(report.accuracy_quantized, report.accuracy_float)
        tiles.append((told, "points against float"))
    tiles += _memory(report.layers)
    return tiles


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
        _number(row.memory_bits, ",d"),
        scales,
        _number(row.sqnr, ".1f"),
    )


def _number(value: Any, form: str) -> str:
    return NOTHING if value is None else format(value, form)


def _percent(value: Any) -> str:
    return NOTHING if value is None else f"{100 * value:.2f} %"


def _points(value: float | None, against: float | None) -> str:
    """Difference in percentage points, with its sign.

    >>> _points(0.9312, 0.9), _points(0.95, 0.95)
    ('+3.12', '0.00')
    """
    if value is None or against is None:
        return NOTHING
    text = f"{100 * (value - against):+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "\u2212")


def _said(value: Any) -> str:
    if value is None or value in ((), {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
