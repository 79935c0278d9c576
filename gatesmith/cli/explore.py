"""``gatesmith explore``: what a network takes at each interval, without building it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.build import Fold, Unroll
from gatesmith.cli.fold import read_folds
from gatesmith.cli.output import (
    AsJson,
    InputSpec,
    cells,
    console,
    only_json,
    print_json,
    progress,
    table,
)

ClockMhz = Annotated[
    float | None,
    typer.Option("--clock-mhz", min=0.001, metavar="F", help="Show frames a second at F MHz."),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", help="The curve as a page with a picture."),
]


def explore(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="ONNX or QONNX file.")],
    clock_mhz: ClockMhz = None,
    unroll: Unroll = None,
    fold: Fold = None,
    input_spec: InputSpec = None,
    report: Report = None,
    as_json: AsJson = False,
) -> None:
    """Show the cheapest design at each interval: cycles a frame against LUT, FF, DSP, RAM."""
    folds = read_folds(fold or ())

    from gatesmith.api import explore as run

    with only_json(as_json), progress(hidden=as_json) as show:
        found = run(
            model,
            unroll=tuple(unroll or ()),
            fold=folds or None,
            input_spec=input_spec,
            report=report,
            progress=show,
        )
    if as_json:
        print_json(found)
    else:
        _show(found, clock_mhz, report)


def _show(found: dict[str, Any], clock_mhz: float | None, report: Path | None) -> None:
    rate = ("frames/s",) if clock_mhz is not None else ()
    numbers = ("cycles a frame", *rate, "LUT", "FF", "DSP", "block RAM", "unrolled")
    rows = table(
        f"{found['model']}: the cheapest design at each interval", ("limited by",), numbers
    )
    for point in found["curve"]:
        every = () if clock_mhz is None else (round(clock_mhz * 1e6 / point["interval"]),)
        amounts = (point[key] for key in ("lut", "ff", "dsp", "bram", "unrolled"))
        rows.add_row(*cells(point["limiting"] or "no layer", point["interval"], *every, *amounts))
    screen = console()
    screen.print(rows)
    screen.print(
        "estimated; FIFOs are left out. Build one: gatesmith build --cycles N", soft_wrap=True
    )
    if report is not None:
        screen.print(f"wrote     {cells(str(report))[0]}", soft_wrap=True)
