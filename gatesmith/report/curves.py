"""Figures that reports of several commands have: training by epoch, accuracy against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.report.axes import blank, powers, reference
from gatesmith.report.style import FIRST, LINE, SECOND, SOFT, SURFACE, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History = Sequence[Mapping[str, Any]]
"""A record for each epoch: loss, accuracy, held_out; what is not known is None or missing."""

WIDE = 20
"""Costs that differ by more than this factor stand on a logarithmic axis."""


def accuracy_against_cost(
    points: Sequence[tuple[str, float, float]], unit: str, float_accuracy: float | None = None
) -> Figure | None:
    """Every network by what it costs, and the float network as a line.

    Args:
        points: Name, cost and accuracy, 0 to 1.
        unit: Of the cost.
        float_accuracy: The level to compare with.
    """
    if not points:
        return None
    figure, (axes,) = blank(3.8)
    cost = np.array([point[1] for point in points], float)
    accuracy = 100 * np.array([point[2] for point in points], float)
    best = unbeaten(cost, accuracy)
    order = np.flatnonzero(best)[np.argsort(cost[best], kind="stable")]
    axes.plot(cost[order], accuracy[order], color=FIRST, linewidth=1, alpha=0.5)
    for chosen, colour in ((~best, SOFT), (best, FIRST)):
        axes.scatter(
            cost[chosen], accuracy[chosen], s=42, color=colour, edgecolor=SURFACE, zorder=3
        )
    middle = (cost.min() + cost.max()) / 2
    for (name, *_), x, y in zip(points, cost, accuracy, strict=True):
        right = x > middle  # names stay inside
        axes.annotate(
            label(name), (x, y), (-6 if right else 6, 5), textcoords="offset points",
            ha="right" if right else "left", fontsize=8,
        )  # fmt: skip
    if float_accuracy is not None:
        reference(axes, 100 * float_accuracy, "float")
    if cost.min() > 0 and cost.max() > WIDE * cost.min():
        axes.set_xscale("log")
        powers(axes.xaxis)
    axes.margins(x=0.12, y=0.15)
    axes.set(xlabel=unit, ylabel="accuracy, %")
    return figure


def unbeaten(
    cost: Sequence[float] | NDArray[Any], accuracy: Sequence[float] | NDArray[Any]
) -> NDArray[np.bool_]:
    """Where no other is better and costs no more, or as good and costs less: the Pareto front.

    >>> unbeaten([8, 2, 3, 4], [0.98, 0.9, 0.97, 0.95]).tolist()
    [True, True, True, False]
    """
    price, worth = np.asarray(cost, float), np.asarray(accuracy, float)
    better = (worth > worth[:, None]) & (price <= price[:, None])
    cheaper = (worth == worth[:, None]) & (price < price[:, None])
    front: NDArray[np.bool_] = ~(better | cheaper).any(axis=1)
    return front


def training(
    history: History,
    float_accuracy: float | None = None,
    stages: Sequence[tuple[int, str]] = (),
) -> Figure | None:
    """Loss and accuracy by epoch.

    Args:
        history: Of all epochs.
        float_accuracy: The level to compare with.
        stages: Epoch, from 1, in which each begins, and its name.
    """
    lines = {
        "loss": {"training frames": _series(history, "loss")},
        "accuracy, %": {
            "training frames": 100 * _series(history, "accuracy"),
            "held out": 100 * _series(history, "held_out"),
        },
    }
    shown = {title: known for title, kinds in lines.items() if (known := _known(kinds))}
    if not shown:
        return None
    figure, panels = blank(3.0, (1, len(shown)), top=0.45)
    for axes, (title, kinds) in zip(panels, shown.items(), strict=True):
        _curves(axes, title, kinds, stages)
        if "accuracy" in title and float_accuracy is not None:
            reference(axes, 100 * float_accuracy, "float")
    return figure


def _known(kinds: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Lines with a point at all."""
    return {name: values for name, values in kinds.items() if not np.isnan(values).all()}


def _curves(
    axes: Axes,
    title: str,
    kinds: Mapping[str, NDArray[np.float64]],
    stages: Sequence[tuple[int, str]],
) -> None:
    from matplotlib.ticker import MaxNLocator

    for epoch, name in stages:
        axes.axvline(epoch - 0.5, color=LINE, linewidth=1)
        axes.annotate(
            label(name),
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


def _series(history: History, key: str) -> NDArray[np.float64]:
    found = [record.get(key) for record in history]
    return np.array([np.nan if value is None else value for value in found], float)
