"""The figures of a report of quantization; each says one thing, and is left out without data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gatesmith.report.content import ActivationPicture, QuantReport, WeightPicture
from gatesmith.report.style import BAND, FIRST, INK, LINE, SECOND, SOFT, SURFACE, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTH = 9.6
"""Inches; 100 pixels each on the page."""

MOST_PANELS = 24
MOST_LEVELS = 33
"""More levels than that are no lines any more; the range alone is shown."""

BINS = 80
_COLUMNS = 3
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
Picture = TypeVar("Picture", WeightPicture, ActivationPicture)


def figures(report: QuantReport) -> dict[str, Figure]:
    """Figures by name, in the order of the page. Within :func:`gatesmith.report.style.styled`."""
    made: dict[str, Figure | None] = {
        "accuracy": accuracy_against_cost(report),
        "sensitivity": sensitivity(report),
        "training": training(report),
        "weights": weights(report.weights),
        "activations": activations(report.activations),
    }
    return {name: figure for name, figure in made.items() if figure is not None}


def _figure(
    height: float,
    panels: tuple[int, int] = (1, 1),
    left: float = 0.62,
    top: float = 0.15,
    gap: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """Panels with fixed margins in inches: matplotlib's own layout takes seconds.

    Args:
        height: Of the figure.
        panels: Rows and columns.
        left: Room for the labels of a panel's vertical axis.
        top: Room above a row.
        gap: Room below a row, beyond that for the horizontal axis of the last.
    """
    from matplotlib.figure import Figure

    rows, columns = panels
    right, bottom = 0.12, 0.43
    figure = Figure(figsize=(WIDTH, height))
    wide, tall = WIDTH / columns, (height - bottom + gap) / rows
    cells = [
        figure.add_axes(
            (
                (column * wide + left) / WIDTH,
                (bottom + (rows - 1 - row) * tall) / height,
                (wide - left - right) / WIDTH,
                (tall - top - gap) / height,
            )
        )
        for row in range(rows)
        for column in range(columns)
    ]
    return figure, cells


def accuracy_against_cost(report: QuantReport) -> Figure | None:
    """Every network by what it costs, and the float network as a line."""
    if not report.trade:
        return None
    figure, (axes,) = _figure(3.8)
    cost = np.array([point[1] for point in report.trade], float)
    accuracy = 100 * np.array([point[2] for point in report.trade], float)
    best = np.array([_unbeaten(cost, accuracy, i) for i in range(len(cost))])
    order = np.flatnonzero(best)[np.argsort(cost[best], kind="stable")]
    axes.plot(cost[order], accuracy[order], color=FIRST, linewidth=1, alpha=0.5)
    for chosen, colour in ((~best, SOFT), (best, FIRST)):
        axes.scatter(
            cost[chosen], accuracy[chosen], s=42, color=colour, edgecolor=SURFACE, zorder=3
        )
    for (name, *_), x, y in zip(report.trade, cost, accuracy, strict=True):
        axes.annotate(label(name), (x, y), (6, 5), textcoords="offset points", fontsize=8)
    if report.accuracy_float is not None:
        _reference(axes, 100 * report.accuracy_float, "float")
    axes.margins(x=0.12, y=0.15)
    axes.set(xlabel=report.trade_unit, ylabel="accuracy, %")
    return figure


def _unbeaten(cost: NDArray[Any], accuracy: NDArray[Any], i: int) -> bool:
    """Whether no other network is better and costs no more, or as good and costs less."""
    better = (accuracy > accuracy[i]) & (cost <= cost[i])
    cheaper = (accuracy == accuracy[i]) & (cost < cost[i])
    return not (better | cheaper).any()


def _reference(axes: Axes, value: float, name: str) -> None:
    """A level to compare with, named at its left end."""
    axes.axhline(value, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        f"{name} {value:.2f} %", (0, value), (4, -4), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="left", va="top", fontsize=8, color=SOFT,
    )  # fmt: skip


def sensitivity(report: QuantReport) -> Figure | None:
    """A row a layer: what each width of it alone costs. The marks say the bits."""
    if not report.sensitivity:
        return None
    names = list(dict.fromkeys(name for name, _, _ in report.sensitivity))
    widest = max(len(label(name)) for name in names)
    figure, (axes,) = _figure(0.65 + 0.3 * len(names), left=0.3 + 0.075 * widest)
    losses = np.array([loss for *_, loss in report.sensitivity], float)
    logarithmic = bool((losses > 0).all()) and losses.max() > 20 * losses.min()
    for row, name in enumerate(names):
        own = sorted((loss, bits) for n, bits, loss in report.sensitivity if n == name)
        first = own[0][0] if logarithmic else 0.0
        axes.plot([first, own[-1][0]], [row, row], color=FIRST, linewidth=3, alpha=0.35)
        for loss, bits in own:
            axes.plot(loss, row, "o", color=FIRST, markeredgecolor=SURFACE, markersize=12)
            axes.text(
                loss, row, str(bits), color=SURFACE, fontsize=7, fontweight="bold",
                ha="center", va="center_baseline", zorder=4,
            )  # fmt: skip
    axes.set_yticks(range(len(names)), [label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.06)
    if logarithmic:
        axes.set_xscale("log")
        _powers(axes.xaxis)
    axes.set_xlabel(report.sensitivity_unit)
    return figure


def _powers(axis: Axis) -> None:
    """Labels of a logarithmic axis without mathematics, which is off: names are text."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    axis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
    axis.set_minor_locator(NullLocator())


def power(value: float) -> str:
    """A power of ten.

    >>> power(100), power(1e-12), power(1)
    ('100', '10⁻¹²', '1')
    """
    if 1e-3 <= value < 1e5:
        return f"{value:g}"
    return "10" + str(round(np.log10(value))).translate(_RAISED)


def training(report: QuantReport) -> Figure | None:
    """Loss and accuracy by epoch, and where the bits changed."""
    if not report.history:
        return None
    lines = {
        "loss": {"training frames": _series(report, "loss")},
        "accuracy, %": {
            "training frames": 100 * _series(report, "accuracy"),
            "held out": 100 * _series(report, "held_out"),
        },
    }
    shown = {title: known for title, kinds in lines.items() if (known := _known(kinds))}
    figure, panels = _figure(3.0, (1, len(shown)), top=0.45)
    for axes, (title, kinds) in zip(panels, shown.items(), strict=True):
        _curves(axes, title, kinds, _stages(report))
        if "accuracy" in title and report.accuracy_float is not None:
            _reference(axes, 100 * report.accuracy_float, "float")
    return figure


def _known(kinds: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Lines with a point at all."""
    return {name: values for name, values in kinds.items() if not np.isnan(values).all()}


def _curves(
    axes: Axes,
    title: str,
    kinds: Mapping[str, NDArray[np.float64]],
    stages: Sequence[tuple[int, int]],
) -> None:
    from matplotlib.ticker import MaxNLocator

    for epoch, bits in stages:
        axes.axvline(epoch - 0.5, color=LINE, linewidth=1)
        axes.annotate(
            f"{bits} bits",
            (epoch - 0.5, 1),
            (0, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            va="bottom",
            fontsize=7.5,
            color=SOFT,
        )
    for (name, values), colour in zip(kinds.items(), (FIRST, SECOND), strict=False):
        mark = "o" if len(values) < 30 else None
        epochs = np.arange(1, len(values) + 1)
        axes.plot(epochs, values, color=colour, marker=mark, markersize=4, label=name)
    if len(kinds) > 1:
        axes.legend(loc="lower right")
    axes.set_xlabel("epoch")
    axes.set_title(title, pad=16 if stages else 6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _series(report: QuantReport, key: str) -> NDArray[np.float64]:
    found = [record.get(key) for record in report.history]
    return np.array([np.nan if value is None else value for value in found], float)


def _stages(report: QuantReport) -> list[tuple[int, int]]:
    """Epochs, from 1, in which a stage of other bits begins."""
    bits = [record.get("bits") for record in report.history]
    changes = [i for i in range(len(bits)) if i == 0 or bits[i] != bits[i - 1]]
    return [(i + 1, b) for i in changes if (b := bits[i]) is not None] if len(changes) > 1 else []


# ---- histograms ---------------------------------------------------------------------------------


def weights(pictures: Mapping[str, WeightPicture]) -> Figure | None:
    """Weights before, as an area, and how many are at each level of the grid after."""
    return _panels(pictures, _weight_panel)


def activations(pictures: Mapping[str, ActivationPicture]) -> Figure | None:
    """Values before the quantizer; inside the band they are rounded, outside they are clipped."""
    return _panels(pictures, _activation_panel)


def _panels(
    pictures: Mapping[str, Picture], draw: Callable[[Axes, Picture], None]
) -> Figure | None:
    """A panel each, at most MOST_PANELS."""
    shown = list(pictures.items())[:MOST_PANELS]
    if not shown:
        return None
    rows = -(-len(shown) // _COLUMNS)
    figure, cells = _figure(0.1 + 1.9 * rows, (rows, _COLUMNS), top=0.3, gap=0.4)
    for axes, (name, picture) in zip(cells, shown, strict=False):
        draw(axes, picture)
        axes.set_title(label(name))
        axes.tick_params(length=2)
        axes.grid(visible=False)
    for axes in cells[len(shown) :]:
        axes.remove()
    return figure


def _weight_panel(axes: Axes, picture: WeightPicture) -> None:
    """Both in percent of the weights for one step of the grid, so that heights can be compared."""
    levels, total = picture.levels, max(1, int(np.sum(picture.counts)))
    step = _step(levels)
    before = 100 * step * picture.counts / (total * np.diff(picture.edges))
    after = 100 * picture.codes / max(1, int(np.sum(picture.codes)))
    _band(axes, levels)
    axes.stairs(before, picture.edges, fill=True, color=FIRST, alpha=0.55)
    if len(levels) <= MOST_LEVELS:
        axes.vlines(levels, 0, after, color=SECOND, linewidth=2)
        axes.plot(levels, after, "o", color=SECOND, markersize=3)
    else:
        after, edges = _joined(after, levels, step)
        axes.stairs(after, edges, color=SECOND, linewidth=1.2, baseline=None)
    axes.set_ylim(0, 1.1 * _highest(before, after))
    axes.set_xlabel(picture.unit)
    axes.set_ylabel("% a step")


def _joined(
    after: NDArray[Any], levels: NDArray[np.float64], step: float
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Neighbouring levels as one, by their mean, so that there are no more than the bins before."""
    size = -(-len(levels) // BINS)
    starts = np.arange(0, len(levels), size)
    sizes = np.diff([*starts, len(levels)])
    edges = np.array([*levels[starts], levels[-1] + step]) - step / 2
    return np.add.reduceat(after, starts) / sizes, edges


def _highest(before: NDArray[Any], after: NDArray[Any]) -> float:
    """What has to be seen: all codes, and the area but for a single peak that dwarfs the rest."""
    top = float(after.max(initial=0))
    return max(top, min(float(before.max(initial=0)), 1.5 * top)) or 1.0


def _step(levels: NDArray[np.float64]) -> float:
    """Mean distance of neighbours."""
    return float(levels[-1] - levels[0]) / (len(levels) - 1) if len(levels) > 1 else 1.0


def _activation_panel(axes: Axes, picture: ActivationPicture) -> None:
    """Counts are logarithmic: ReLU makes most values 0."""
    levels = picture.levels
    _band(axes, levels)
    if len(levels) <= MOST_LEVELS:
        for level in levels:
            axes.axvline(level, color=SECOND, linewidth=0.8, alpha=0.7)
    else:
        for level in (levels[0], levels[-1]):
            axes.axvline(level, color=SECOND, linewidth=1.2)
    axes.stairs(picture.counts, picture.edges, fill=True, color=FIRST, alpha=0.75, baseline=0.5)
    axes.set_yscale("log")
    _powers(axes.yaxis)
    axes.set_ylim(0.5, 3 * max(1, int(np.max(picture.counts, initial=1))))
    axes.set_ylabel("values")


def _band(axes: Axes, levels: Sequence[float] | NDArray[np.float64]) -> None:
    """The range that the grid covers, half a step beyond its ends."""
    half = _step(np.asarray(levels)) / 2
    axes.axvspan(levels[0] - half, levels[-1] + half, color=BAND, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.6, alpha=0.4)
