"""The figures of a report of pruning; each says one thing, and is left out without data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gatesmith.report.axes import blank
from gatesmith.report.content import PruneReport
from gatesmith.report.curves import training
from gatesmith.report.style import BAND, FIRST, SOFT, label
from gatesmith.report.words import part

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 60
MOST_PANELS = 24
_COLUMNS = 3
_PER_ROW = 0.26
"""Inches of a bar and the room around it."""

Bar = tuple[str, float, float | None]
"""Name, before, after; before is 0 where there was nothing, after None where it is not known."""


def figures(report: PruneReport) -> dict[str, Figure]:
    """Figures by name, in the order of the page. Within :func:`gatesmith.report.style.styled`."""
    made: dict[str, Figure | None] = {
        "layers": layers(report),
        "hardware": hardware(report),
        "sensitivity": sensitivity(report),
        "training": training(report.history, report.accuracy_before),
    }
    return {name: figure for name, figure in made.items() if figure is not None}


def captions(report: PruneReport) -> dict[str, str]:
    """What is said below a figure, by its name: that it does not show everything."""
    found = {}
    if len(report.layers) > MOST_ROWS:
        found["layers"] = f"The first {MOST_ROWS} of {len(report.layers)}."
    curves = len({name for name, *_ in report.sensitivity})
    if curves > MOST_PANELS:
        found["sensitivity"] = f"The first {MOST_PANELS} of {curves}."
    return found


def layers(report: PruneReport) -> Figure | None:
    """A row a layer: what was there, and in it what stays, of weights and of multiplications."""
    rows = report.layers[:MOST_ROWS]
    if not rows:
        return None
    sides: dict[str, list[Bar]] = {
        "weights": [(r.name, r.parameters_before, r.parameters_after) for r in rows],
        "multiplications a frame": [(r.name, r.macs_before, r.macs_after) for r in rows],
    }
    widest = max(len(label(row.name)) for row in rows)
    height = 0.75 + _PER_ROW * len(rows)
    figure, panels = blank(height, (1, 2), left=0.3 + 0.075 * widest, top=0.3)
    for axes, (title, side) in zip(panels, sides.items(), strict=True):
        _bars(axes, side)
        axes.set_title(title)
    return figure


def hardware(report: PruneReport) -> Figure | None:
    """What is left of each resource, in percent of before."""
    rows = [
        (name, 100.0, 100 * after / before)
        for name, before, after in report.hardware
        if before and after is not None
    ]
    if not rows:
        return None
    widest = max(len(label(name)) for name, *_ in rows)
    figure, (axes,) = blank(0.7 + _PER_ROW * len(rows), left=0.3 + 0.075 * widest)
    _bars(axes, rows)
    axes.set_xlabel("% of before")
    return figure


def _bars(axes: Axes, rows: Sequence[Bar]) -> None:
    """A pale bar as long as before, in it one as long as after, with what is left in percent."""
    most = max((max(before, after or 0) for _, before, after in rows), default=0) or 1
    for row, (_, before, after) in enumerate(rows):
        axes.barh(row, before, 0.72, color=BAND, edgecolor=SOFT, linewidth=0.5)
        axes.barh(row, after or 0, 0.72, color=FIRST)
        said = part(after, before) if before else "new"
        axes.annotate(
            said, (max(before, after or 0), row), (4, 0), textcoords="offset points",
            va="center", fontsize=7.5, color=SOFT,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [label(name) for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.16 * most)
    axes.grid(axis="y", visible=False)
    axes.ticklabel_format(axis="x", style="plain")
    axes.locator_params(axis="x", nbins=5)


def sensitivity(report: PruneReport) -> Figure | None:
    """A panel a layer: how the loss rises with the part of it that goes; all on one scale."""
    names = list(dict.fromkeys(name for name, *_ in report.sensitivity))[:MOST_PANELS]
    if not names:
        return None
    rows = -(-len(names) // _COLUMNS)
    figure, cells = blank(0.1 + 1.7 * rows, (rows, _COLUMNS), top=0.3, gap=0.4)
    rises = [rise for name, _, rise in report.sensitivity if name in names]
    low, high = min(0.0, *rises), max(0.0, *rises)
    room = 0.06 * (high - low) or 1.0
    for axes, name in zip(cells, names, strict=False):
        points = sorted((100 * at, rise) for other, at, rise in report.sensitivity if other == name)
        axes.plot(*zip(*points, strict=True), color=FIRST, marker="o", markersize=3.5)
        axes.set_title(label(name))
        axes.set_xlim(0, 100)
        axes.set_ylim(low - room, high + room)
        axes.set_xlabel("% pruned")
        axes.set_ylabel("loss rise")
    for axes in cells[len(names) :]:
        axes.remove()
    return figure
