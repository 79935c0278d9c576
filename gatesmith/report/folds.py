"""The page of ``gatesmith explore`` and of ``gatesmith build --report``: interval against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gatesmith.report.axes import blank, powers
from gatesmith.report.style import FIRST, INK, SECOND, SOFT
from gatesmith.report.words import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False)
class FoldReport:
    """What the page shows.

    Attributes:
        model: Name of the network.
        curve: Points as in gatesmith/explain.py, the fastest first.
        folding: The design that was chosen, as there; None where none was.
    """

    model: str
    curve: Sequence[Mapping[str, Any]]
    folding: Mapping[str, Any] | None = None

    @staticmethod
    def of(model: str, folding: Mapping[str, Any]) -> FoldReport:
        """Of a build."""
        return FoldReport(model, folding["curve"] or (), folding)


def context(report: FoldReport) -> dict[str, Any]:
    """For templates/report/folds.html.j2."""
    from gatesmith.explain import in_words

    folding = report.folding
    return {
        "topic": "folding",
        "made": "Folded" if folding else "Explored",
        "model": report.model,
        "frames": "",
        "captions": {"curve": _caption(report)},
        "tiles": [] if folding is None else _tiles(folding),
        "notes": [],
        "settings": [] if folding is None else [("asked", folding["asked"])],
        "why": [] if folding is None else in_words(folding),
        "layers": [] if folding is None else [_layer(row) for row in folding["layers"]],
        "points": [_point(row) for row in report.curve],
    }


def _caption(report: FoldReport) -> str:
    text = "Each point is the cheapest design at its interval, FIFOs left out."
    return text + (" The ring is what was built." if report.folding else "")


def _tiles(folding: Mapping[str, Any]) -> list[tuple[str, str]]:
    used = folding["used"]
    return [
        (f"{folding['interval']:,}", "cycles a frame"),
        (f"{used['lut']:,}", "LUTs, estimated"),
        (f"{used['dsp']:,}", "DSP blocks"),
        (f"{used['bram']:,}", "block RAMs"),
    ]


def _layer(row: Mapping[str, Any]) -> tuple[str, ...]:
    amounts = (
        row["pe"],
        row["simd"],
        row["cycles"],
        row["lut"],
        row["ff"],
        row["dsp"],
        row["bram"],
    )
    return (row["name"], row["unit"], row["rom"], *map(number, amounts))


def _point(row: Mapping[str, Any]) -> tuple[str, ...]:
    amounts = (row["interval"], row["lut"], row["ff"], row["dsp"], row["bram"])
    return (", ".join(row["limiting"]), *map(number, amounts))


def figures(report: FoldReport) -> dict[str, Figure]:
    """The curve. Within :func:`gatesmith.report.style.styled`."""
    if not report.curve:
        return {}
    figure, (left, right) = blank(3.6, (1, 2), left=0.72, top=0.3)
    interval = [row["interval"] for row in report.curve]
    for axes, names in ((left, ("lut", "ff")), (right, ("dsp", "bram"))):
        for name, colour in zip(names, (FIRST, SECOND), strict=True):
            values = [row[name] for row in report.curve]
            title = {"lut": "LUTs", "ff": "flip-flops", "dsp": "DSP blocks", "bram": "block RAMs"}
            axes.plot(interval, values, color=colour, marker="o", markersize=3, label=title[name])
        axes.set_xscale("log")
        powers(axes.xaxis)
        if names[0] == "lut":
            axes.set_yscale("log")
            powers(axes.yaxis)
        else:  # there may be none
            axes.set_ylim(0, 1.1 * max(1, *(row[name] for row in report.curve for name in names)))
        axes.legend(loc="upper right")
        axes.set_xlabel("cycles a frame")
        if report.folding is not None:
            axes.axvline(report.folding["interval"], color=SOFT, linewidth=0.8, zorder=1)
    if report.folding is not None:
        at, lut = report.folding["interval"], report.folding["used"]["lut"]
        left.plot([at], [lut], "o", markersize=9, markerfacecolor="none", color=INK)
    return {"curve": figure}
