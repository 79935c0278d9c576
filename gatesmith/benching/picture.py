"""Frames a second against the batch, a line for each engine, and the core as a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatesmith.benching.result import Benched, Row
from gatesmith.errors import UserError
from gatesmith.report.axes import blank, powers
from gatesmith.report.style import FIRST, INK, SECOND, SOFT, SURFACE, label, png, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINES = ("-", "--", ":", "-.")


def image(found: Benched) -> bytes:
    """A PNG."""
    with styled():
        return png(throughput(found))


def check() -> None:
    """Before anything is measured. Errors: ``report.matplotlib``."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise UserError(
            "report.matplotlib",
            "plots need matplotlib",
            where="--plot",
            why="matplotlib is not installed",
            fix=("pip install 'gatesmith[quantize]'", "leave out --plot"),
        )


def throughput(found: Benched) -> Figure:
    """Within :func:`gatesmith.report.style.styled`."""
    figure, (axes,) = blank(4.6, left=0.75)
    axes.set_position((0.08, 0.1, 0.66, 0.87))
    colours = (FIRST, SECOND, INK, SOFT)
    shown = [row for row in found.rows if row.batches]
    names = list(dict.fromkeys(row.engine for row in shown))
    for row in shown:
        number = names.index(row.engine)
        colour, line = colours[number % 4], LINES[number // 4 % 4]
        sizes = [entry.batch for entry in row.batches]
        rates = [entry.throughput for entry in row.batches]
        several = (row.threads or 1) > 1
        axes.plot(
            sizes, rates, line, color=colour, linewidth=1.0 if several else 1.8, marker="o",
            markersize=4, markerfacecolor=SURFACE if several else colour, label=_name(row),
        )  # fmt: skip
    if found.fpga is not None and found.fpga["throughput"] is not None:
        _core(axes, found.fpga)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = sorted({entry.batch for row in shown for entry in row.batches})
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    powers(axes.yaxis)
    axes.set(xlabel="batch, frames", ylabel="frames a second")
    if shown:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=7.5)
    return figure


def _core(axes: Any, core: Any) -> None:
    axes.axhline(core["throughput"], color=INK, linewidth=1.2)
    axes.annotate(
        f"FPGA at {core['clock_mhz']:g} MHz, {core['clock_from']}",
        (1, core["throughput"]), (-4, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", fontsize=8, color=INK,
    )  # fmt: skip


def _name(row: Row) -> str:
    threads = "" if row.threads is None else f", {row.threads} thread{'s' * (row.threads > 1)}"
    return label(row.engine + threads)
