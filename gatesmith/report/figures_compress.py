"""The figures of a report of compression; each says one thing, and is left out without data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatesmith.report.axes import blank, powers
from gatesmith.report.content import CompressReport
from gatesmith.report.curves import accuracy_against_cost, training
from gatesmith.report.style import FIRST, SOFT, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PER_ROW = 0.32
"""Inches of a bar and the room around it."""


def figures(report: CompressReport) -> dict[str, Figure]:
    """Figures by name, in the order of the page. Within :func:`gatesmith.report.style.styled`."""
    known = [
        (row.name, row.cost, row.accuracy)
        for row in report.points
        if row.cost is not None and row.accuracy is not None
    ]
    first = report.stages[0].accuracy if report.stages else None
    made: dict[str, Figure | None] = {
        "storage": storage(report),
        "pareto": accuracy_against_cost(known, report.axis, first),
        "training": _training(report),
    }
    return {name: figure for name, figure in made.items() if figure is not None}


def captions(_report: CompressReport) -> dict[str, str]:
    """What is said below a figure, by its name."""
    return {}


def storage(report: CompressReport) -> Figure | None:
    """A row a stage: bits of all weights, on a logarithmic axis, as several factors multiply."""
    rows = report.stages
    if not rows:
        return None
    widest = max(len(label(row.name)) for row in rows)
    figure, (axes,) = blank(0.7 + _PER_ROW * len(rows), left=0.3 + 0.075 * widest)
    least = min(row.weight_bits for row in rows)
    axes.barh(range(len(rows)), [row.weight_bits for row in rows], 0.7, color=FIRST)
    for number, row in enumerate(rows):
        axes.annotate(
            f"{row.weight_bits:,} bits, {row.compression_ratio:.1f} times less",
            (row.weight_bits, number), (4, 0), textcoords="offset points",
            va="center", fontsize=7.5, color=SOFT,
        )  # fmt: skip
    axes.set_xscale("log")
    powers(axes.xaxis)
    axes.set_xlim(max(1, least / 4), 8 * max(row.weight_bits for row in rows))
    axes.set_yticks(range(len(rows)), [label(row.name) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("bits of all weights")
    return figure


def _training(report: CompressReport) -> Figure | None:
    """All stages that trained, one behind the other."""
    stages: list[tuple[int, str]] = []
    epochs: list[Any] = []
    for name, history in report.histories.items():
        stages.append((len(epochs) + 1, name))
        epochs += history
    first = report.stages[0].accuracy if report.stages else None
    return training(epochs, first, stages if len(stages) > 1 else ())
