"""Blank figures with fixed margins, and what several of them draw on an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gatesmith.report.style import SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTH = 9.6
"""Inches; 100 pixels each on the page."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def blank(
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


def reference(axes: Axes, value: float, name: str) -> None:
    """A level in percent to compare with, named at its left end."""
    axes.axhline(value, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        f"{name} {value:.2f} %", (0, value), (4, -4), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="left", va="top", fontsize=8, color=SOFT,
    )  # fmt: skip


def powers(axis: Axis) -> None:
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
