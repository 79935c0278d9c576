"""``gatesmith build``: a model to RTL, test bench and build.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.fold import read_folds
from gatesmith.cli.output import (
    MOST_ROWS,
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
LatencyUs = Annotated[
    float | None,
    typer.Option(
        "--latency-us",
        metavar="F",
        help="At most F microseconds a frame, in to out, at --clock-mhz.",
    ),
]
DeviceName = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="Has to fit this FPGA; alone: the fastest design that does.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="LIMITS",
        help="At most lut=N,ff=N,dsp=N,bram=N, or N LUTs; alone: the fastest design within that.",
    ),
]
Unroll = Annotated[
    list[str] | None,
    typer.Option(
        "--unroll",
        metavar="all|LAYER",
        help="Weights of all layers, or of this one, become wires (may be repeated).",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", help="Why this design, and the whole curve."),
]
ExitAt = Annotated[
    str | None,
    typer.Option(
        "--exit",
        metavar="OUTPUT:MARGIN",
        help="Of two heads, answer at this one where its best score is ahead by more than MARGIN.",
    ),
]
Registers = Annotated[
    bool,
    typer.Option(
        "--registers", help="Put control and status over AXI4-Lite around the core, and drivers."
    ),
]
Dma = Annotated[
    bool,
    typer.Option(
        "--dma", help="Frames from and to memory by address, over AXI4; with --registers."
    ),
]
Reloadable = Annotated[
    list[str] | None,
    typer.Option(
        "--reloadable",
        metavar="all|LAYER[=BITS],...",
        help="Weights and thresholds of these layers can be written at run time; with --registers.",
    ),
]
DumpIr = Annotated[
    list[str] | None,
    typer.Option("--dump-ir", metavar="after=PASS", help="Print the graph after a pass."),
]


InputLanes = Annotated[
    int | None,
    typer.Option(
        "--input-lanes",
        min=1,
        metavar="N",
        help="Elements in a beat of the input; by default as few as do not slow the core down.",
    ),
]


def build(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="ONNX or QONNX file.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write.")],
    cycles: Cycles = None,
    fps: Fps = None,
    clock_mhz: ClockMhz = None,
    latency_us: LatencyUs = None,
    device: DeviceName = None,
    budget: Budget = None,
    unroll: Unroll = None,
    fold: Fold = None,
    input_spec: InputSpec = None,
    input_lanes: InputLanes = None,
    exit_at: ExitAt = None,
    registers: Registers = False,
    dma: Dma = False,
    reloadable: Reloadable = None,
    report: Report = None,
    dump_ir: DumpIr = None,
    as_json: AsJson = False,
) -> None:
    """Compile a model to a streaming core in DIR."""
    folds = read_folds(fold or ())

    from gatesmith.api import build as build_model
    from gatesmith.fold_target import Wanted

    Wanted(
        cycles=cycles,
        fps=fps,
        clock_mhz=clock_mhz,
        latency_us=latency_us,
        device=device,
        budget=budget,
        unroll=unroll or (),
        fold=folds,
        input_lanes=input_lanes,
    ).check()

    with only_json(as_json), progress(hidden=as_json) as show:
        built = build_model(
            model,
            out,
            cycles=cycles,
            fps=fps,
            clock_mhz=clock_mhz,
            latency_us=latency_us,
            device=device,
            budget=budget,
            unroll=tuple(unroll or ()),
            fold=folds or None,
            input_spec=input_spec,
            input_lanes=input_lanes,
            exit_at=exit_at,
            registers=registers,
            dma=dma,
            reloadable=tuple(reloadable or ()),
            report=report,
            dump_ir=tuple(dump_ir or ()),
            progress=show,
        )
    summary = built.summary()
    if as_json:
        print_json(summary)
    else:
        _show(summary, out, clock_mhz)


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
        if stages.row_count < MOST_ROWS:
            stages.add_row(*cells(*(stage[key] for key in shown), *(cost[key] for key in total)))
    if len(summary["stages"]) > MOST_ROWS:
        stages.add_row(f"and {len(summary['stages']) - MOST_ROWS} more, see --json")
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
    _explain(summary["folding"])
    for note in summary["notes"]:
        screen.print(f"note      {cells(note)[0]}")
    where = cells(str(out))[0]
    screen.print(f"wrote     {where}; prove it: gatesmith verify {where} --data FILE")


def _explain(folding: Mapping[str, Any]) -> None:
    """What limits the design, what the next step up would cost."""
    from gatesmith.explain import in_words

    screen = console()
    for heading, line in in_words(folding):
        screen.print(f"{heading:10}{cells(line)[0]}", soft_wrap=True)
