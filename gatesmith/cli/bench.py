"""``gatesmith bench``: the same network on the CPU and the GPU, beside the core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

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
from gatesmith.errors import UserError

WRONG = 1  # exit code


def bench(
    place: Annotated[
        Path, typer.Argument(metavar="MODEL|DIR", help="An .onnx file, or what build wrote.")
    ],
    data: Annotated[
        Path, typer.Option(metavar="FILE", help=".npz (x, labels y), .npy, or IDX, .gz too.")
    ],
    engines: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Only these, with commas between them; all by default."),
    ] = None,
    batches: Annotated[
        str, typer.Option(metavar="SIZES", help="Frames at a time.")
    ] = "1,4,16,64,256,1024",
    threads: Annotated[
        str | None, typer.Option(metavar="COUNTS", help="Threads; 1 and all by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", help="Measuring time of a row.")] = 0.5,
    frames: Annotated[
        int | None, typer.Option(metavar="N", help="Only the first N frames.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels for top-1: .npy, or IDX, .gz too.")
    ] = None,
    input_spec: InputSpec = None,
    clock_mhz: Annotated[
        float | None,
        typer.Option("--clock-mhz", metavar="F", help="Clock that the core is taken to run at."),
    ] = None,
    measure: Annotated[
        int, typer.Option(metavar="N", help="Measure the core's cycles: simulate N frames.")
    ] = 0,
    energy: Annotated[
        bool, typer.Option("--energy/--no-energy", help="Read the machine's energy counters.")
    ] = True,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the rows as CSV.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Plot throughput against batch.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE.json", help="Keep the JSON.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep it there as bench-MODEL-DATE.json."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Time a network on every engine there is, after its outputs were compared.

    Exit code 0 only if every integer engine equals the reference in every code of every frame.
    """
    from gatesmith.api import bench as run

    with only_json(as_json), progress(hidden=as_json) as show:
        found = run(
            place,
            data,
            engines=None if engines is None else _names(engines),
            batches=_numbers("--batches", batches),
            threads=None if threads is None else _numbers("--threads", threads),
            seconds=seconds,
            frames=frames,
            labels=labels,
            input_spec=input_spec,
            clock_mhz=clock_mhz,
            measure=measure,
            energy=energy,
            csv=csv,
            plot=plot,
            out=out,
            keep=keep,
            progress=show,
        )
    result = found.as_json()
    if as_json:
        print_json(result)
    else:
        _show(result)
    if not found.all_equal:
        raise typer.Exit(WRONG)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them. Errors: ``cli.bad-value``."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(
            "cli.bad-value",
            "these are no whole numbers",
            where=f"{option} {text}",
            why="expected whole numbers with commas between them",
            fix=(f"write {option} 1,16,256",),
        ) from error


def _show(result: Mapping[str, Any]) -> None:
    out = console()
    about, machine = result["model"], result["machine"]
    out.print(
        f"{cells(about['name'])[0]}: {about['operations']:,} operations a frame,"
        f" {about['weight_bytes']:,} bytes of weights, {about['frames']:,} frames compared"
    )
    out.print(
        f"{machine['cpu']}, {machine['cores']} cores, GPU {machine['gpu'] or 'none'},"
        f" load {machine['load_average']}"
    )
    numbers = ("threads", "us at batch 1", "frames/s", "at batch", "top-1", "uJ a frame")
    rows = table("", ("engine", "against the reference"), numbers)
    for row in result["rows"]:
        if row["skipped"] is None:
            rows.add_row(*_row(row))
    core = result["fpga"]
    if core is not None:
        rows.add_row(*_core(core))
    out.print(rows)
    for row in result["rows"]:
        for problem in row["problems"]:
            out.print(f"[red]{row['engine']:22}[/]{cells(problem)[0]}", soft_wrap=True)
    for row in result["rows"]:
        if row["skipped"] is not None:
            out.print(f"skipped   {row['engine']:22}{cells(row['skipped'])[0]}", soft_wrap=True)
    for why in dict.fromkeys(r["energy_why"] for r in result["rows"] if r["batches"]):
        out.print(f"energy    {cells(why)[0]}", soft_wrap=True)
    if core is not None:
        out.print(f"fpga      cycles {core['cycles_from']}; clock {core['clock_from']}")
    for note in result["notes"]:
        out.print(f"note      {cells(note)[0]}", soft_wrap=True)


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    top1 = None if row["top1"] is None else f"{100 * row['top1']:.2f} %"
    rate = None if row["throughput"] is None else round(row["throughput"])
    latency = None if row["latency_us"] is None else f"{row['latency_us']:.2f}"
    energy = None if row["energy_uj"] is None else f"{row['energy_uj']:.3g}"
    return cells(
        row["engine"], _verdict(row), row["threads"], latency, rate, row["batch"], top1, energy
    )


def _verdict(row: Mapping[str, Any]) -> str:
    """What was compared, in words."""
    count = f"{row['compared']:,} {row['compared_what']}"
    if row["kind"] == "integer":
        return f"equal: {count}" if row["equal"] else f"WRONG: {row['differing']:,} of {count}"
    told = f"{row['differing']:,} of {count} differ"
    known = row["unexplained"] is not None
    return f"{told}; {row['unexplained']:,} unexplained inside" if known else told


def _core(core: Mapping[str, Any]) -> tuple[str, ...]:
    cycles = f"{core['interval_cycles']:g} cycles a frame, latency {core['latency_cycles']:,}"
    latency = None if core["latency_us"] is None else f"{core['latency_us']:.2f}"
    rate = None if core["throughput"] is None else round(core["throughput"])
    equal = {None: "", True: "; equal in simulation", False: "; WRONG in simulation"}
    return cells("fpga", cycles + equal[core["equal"]], None, latency, rate, 1, None, None)
