"""The figures of a report of quantization; each says one thing, and is left out without data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gatesmith.report.axes import blank, powers
from gatesmith.report.content import ActivationPicture, QuantReport, WeightPicture
from gatesmith.report.curves import History, accuracy_against_cost, training
from gatesmith.report.style import BAND, FIRST, INK, SECOND, SURFACE, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 24
MOST_LEVELS = 33
"""More levels than that are no lines any more; the range alone is shown."""

BINS = 80
_COLUMNS = 3
Picture = TypeVar("Picture", WeightPicture, ActivationPicture)


def figures(report: QuantReport) -> dict[str, Figure]:
    """Figures by name, in the order of the page. Within :func:`gatesmith.report.style.styled`."""
    made: dict[str, Figure | None] = {
        "accuracy": accuracy_against_cost(report.trade, report.trade_unit, report.accuracy_float),
        "sensitivity": sensitivity(report),
        "training": training(report.history, report.accuracy_float, _stages(report.history)),
        "weights": weights(report.weights),
        "activations": activations(report.activations),
    }
    return {name: figure for name, figure in made.items() if figure is not None}


def captions(report: QuantReport) -> dict[str, str]:
    """What is said below a figure, by its name: that it does not show everything."""
    return {
        name: f"The first {MOST_PANELS} of {len(found)}."
        for name, found in (("weights", report.weights), ("activations", report.activations))
        if len(found) > MOST_PANELS
    }


def sensitivity(report: QuantReport) -> Figure | None:
    """A row a layer: what each width of it alone costs. The marks say the bits."""
    if not report.sensitivity:
        return None
    names = list(dict.fromkeys(name for name, _, _ in report.sensitivity))
    widest = max(len(label(name)) for name in names)
    figure, (axes,) = blank(0.65 + 0.3 * len(names), left=0.3 + 0.075 * widest)
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
        powers(axes.xaxis)
    axes.set_xlabel(report.sensitivity_unit)
    return figure


def _stages(history: History) -> list[tuple[int, str]]:
    """Epochs, from 1, in which a stage of other bits begins."""
    bits = [record.get("bits") for record in history]
    changes = [i for i in range(len(bits)) if i == 0 or bits[i] != bits[i - 1]]
    found = [(i + 1, f"{b} bits") for i in changes if (b := bits[i]) is not None]
    return found if len(changes) > 1 else []


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
    figure, cells = blank(0.1 + 1.9 * rows, (rows, _COLUMNS), top=0.3, gap=0.4)
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
    powers(axes.yaxis)
    axes.set_ylim(0.5, 3 * max(1, int(np.max(picture.counts, initial=1))))
    axes.set_ylabel("values")


def _band(axes: Axes, levels: Sequence[float] | NDArray[np.float64]) -> None:
    """The range that the grid covers, half a step beyond its ends."""
    half = _step(np.asarray(levels)) / 2
    axes.axvspan(levels[0] - half, levels[-1] + half, color=BAND, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.6, alpha=0.4)
