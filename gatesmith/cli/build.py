"""``gatesmith build``: a model to RTL, test bench and build.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.fold import read_folds
from gatesmith.cli.output import (
    AsJson,
    InputSpec,
    cells,
    console,
    only_json,
    print_json,
    progress,
    readable,
    table,
)
from gatesmith.errors import UserError, raise_all

Cycles = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="At most N clock cycles a frame.")
]
Fps = Annotated[
    float | None, typer.Option(metavar="N", help="At least N frames a second, at --clock-mhz.")
]
ClockMhz = Annotated[
    float | None, typer.Option("--clock-mhz", metavar="F", help="Clock that --fps is met at.")
]
Fold = Annotated[
    list[str] | None,
    typer.Option(
        "--fold",
        metavar="FILE|LAYER=PE,SIMD",
        help="Folding by hand: a TOML file, or one layer (may be repeated).",
    ),
]
ExitAt = Annotated[
    str | None,
    typer.Option(
        "--exit",
        metavar="OUTPUT:MARGIN",
        help="Of two heads, answer at this one where its best score is ahead by more than MARGIN.",
    ),
]
DumpIr = Annotated[
    list[str] | None,
    typer.Option("--dump-ir", metavar="after=PASS", help="Print the graph after a pass."),
]


def build(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="ONNX or QONNX file.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write.")],
    cycles: Cycles = None,
    fps: Fps = None,
    clock_mhz: ClockMhz = None,
    fold: Fold = None,
    input_spec: InputSpec = None,
    exit_at: ExitAt = None,
    dump_ir: DumpIr = None,
    as_json: AsJson = False,
) -> None:
    """Compile a model to a streaming core in DIR."""
    folds = read_folds(fold or ())
    check_targets(cycles, fps, clock_mhz, folded=any(wish.folds for wish in folds.values()))

    from gatesmith.api import build as build_model

    with only_json(as_json), progress(hidden=as_json) as report:
        built = build_model(
            model,
            out,
            cycles=cycles,
            fps=fps,
            clock_mhz=clock_mhz,
            fold=folds or None,
            input_spec=input_spec,
            exit_at=exit_at,
            dump_ir=tuple(dump_ir or ()),
            progress=report,
        )
    summary = built.summary()
    if as_json:
        print_json(summary)
    else:
        _show(summary, out, clock_mhz)


def check_targets(
    cycles: int | None, fps: float | None, clock_mhz: float | None, *, folded: bool
) -> None:
    """At most one way to say how fast the core is to be.

    Errors: cli.contradicting-options, cli.missing-option, cli.bad-value.
    """
    errors = []
    given = {"--cycles": cycles is not None, "--fps": fps is not None, "--fold": folded}
    named = [option for option, there in given.items() if there]
    if len(named) > 1:
        errors.append(_contradiction(named))
    if (fps is None) != (clock_mhz is None):
        errors.append(_half_a_rate("--fps" if fps is not None else "--clock-mhz"))
    for option, value in (("--fps", fps), ("--clock-mhz", clock_mhz)):
        if value is not None and not 0 < value < float("inf"):
            errors.append(_not_positive(option, value))
    raise_all(errors)


def _contradiction(named: Sequence[str]) -> UserError:
    return UserError(
        "cli.contradicting-options",
        f"{' and '.join(named)} each set the speed of the core",
        where="gatesmith build",
        why="the folding follows from exactly one of --cycles, --fps with --clock-mhz, and --fold",
        fix=(f"leave out {' or '.join(named)}",),
    )


def _half_a_rate(option: str) -> UserError:
    other = "--clock-mhz" if option == "--fps" else "--fps"
    return UserError(
        "cli.missing-option",
        f"{option} says nothing without {other}",
        where="gatesmith build",
        why="cycles a frame = clock frequency / frames a second: both are needed",
        fix=(f"add {other}", f"leave out {option} and say --cycles N"),
    )


def _not_positive(option: str, value: float) -> UserError:
    return UserError(
        "cli.bad-value",
        f"{option} is {value:g}",
        where="gatesmith build",
        why="it must be a number above 0",
        fix=(f"give {option} a number above 0",),
    )


def _show(summary: Mapping[str, Any], out: Path, clock_mhz: float | None) -> None:
    screen = console()
    branches = any(len(stage["drivers"]) > 1 for stage in summary["stages"])
    reads, depth = (("reads",), ("depth",)) if branches else ((), ())
    text = ("stage", "kind", *reads, "types", "from")
    numbers = ("PE", "SIMD", *depth, "cycles", "LUT", "FF", "DSP", "RAM bits")
    stages = table("", text, numbers)
    shown = ("name", "kind", *(("drivers",) if branches else ()), "types", "origin")
    shown += ("pe", "simd", *depth, "interval")
    total = dict.fromkeys(("lut", "ff", "dsp", "ram_bits"), 0)
    for stage in summary["stages"]:
        cost = stage["cost"]
        total = {key: count + cost[key] for key, count in total.items()}
        stages.add_row(*cells(*(stage[key] for key in shown), *(cost[key] for key in total)))
    stages.add_section()
    blank = [None] * (len(shown) - 2)
    stages.add_row(*cells("in all", *blank, summary["interval"], *total.values()))
    screen.print(stages)
    for side in ("inputs", "outputs"):
        for port in summary[side]:
            screen.print(f"{side[:-1]:10}{cells(readable(port))[0]}")
    most, least = ("at most ", "at least ") if summary.get("data_dependent") else ("", "")
    rate = ""
    if clock_mhz is not None:
        rate = f", {least}{clock_mhz * 1e6 / summary['interval']:,.0f} frames/s"
    screen.print(f"interval  {most}{summary['interval']} cycles a frame{rate}")
    screen.print(f"latency   {most}{summary['latency']} cycles")
    for note in summary["notes"]:
        screen.print(f"note      {cells(note)[0]}")
    screen.print(f"wrote     {cells(str(out))[0]}; prove it: gatesmith verify {out} --data FILE")
