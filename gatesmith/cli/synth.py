"""``gatesmith synth``: what the core takes on an FPGA, by Yosys, and how fast, by nextpnr."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatesmith.cli.output import AsJson, cells, console, only_json, print_json, progress, table
from gatesmith.errors import UserError

if TYPE_CHECKING:
    from gatesmith.synthesis.settings import Settings


def synth(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What gatesmith build wrote.")],
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="ecp5-85k, ice40-hx8k, xcup, ...")
    ] = None,
    place: Annotated[
        bool, typer.Option("--place", help="Place and route with nextpnr: the clock rate.")
    ] = False,
    freq: Annotated[
        float, typer.Option(metavar="MHZ", help="Clock that the placement tries to reach.")
    ] = 100.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the placement.")] = 1,
    stages: Annotated[
        bool, typer.Option("--stages/--no-stages", help="Each stage by itself, too.")
    ] = True,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Longest time of one program, seconds.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Programs at a time; one a core by default.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Run also where the prediction does not fit.")
    ] = False,
    write_tcl: Annotated[
        str | None,
        typer.Option(metavar="TOOL", help="Write a script for vivado or quartus, for --part."),
    ] = None,
    part: Annotated[
        str | None, typer.Option(metavar="NAME", help="Device of --write-tcl, its full name.")
    ] = None,
    read_report: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Read a report of vivado or quartus (repeated)."),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Make a bitstream for a demo board: ulx3s-85f, ..."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Synthesise the core for an FPGA and compare with the predicted cost.

    The report goes to DIR/synth/NAME.json.
    """
    asked: dict[str, object] = {"--device": device, "--board": board}
    asked |= {"--write-tcl": write_tcl, "--read-report": read_report}
    _one_of([option for option, value in asked.items() if value])
    if board is not None:
        from gatesmith.synthesis.settings import Settings

        settings = Settings(seed=seed, timeout=timeout, anyway=anyway)
        _bitstream(folder, board, settings, as_json)
        return
    if write_tcl is not None:
        _write_tcl(folder, write_tcl, part, freq, as_json)
        return
    if read_report:
        _read_reports(folder, read_report, as_json)
        return
    assert device is not None, "one of the four was given"
    from gatesmith.api import synth as run

    with only_json(as_json), progress(hidden=as_json) as show:
        found = run(
            folder,
            device,
            place=place,
            freq=freq,
            seed=seed,
            stages=stages,
            timeout=timeout,
            jobs=jobs,
            anyway=anyway,
            progress=show,
        )
    result = found.as_json()
    if as_json:
        print_json(result)
    else:
        _show(result)


def _one_of(given: list[str]) -> None:
    """Errors: ``cli.missing-option``, ``cli.contradicting-options``."""
    if not given:
        raise UserError(
            "cli.missing-option",
            "there is nothing to do",
            where="gatesmith synth",
            why="Yosys needs a device; Vivado and Quartus need --write-tcl, or a report of theirs",
            fix=("add --device ecp5-85k", "--write-tcl vivado --part NAME", "--read-report FILE"),
        )
    if len(given) > 1:
        raise UserError(
            "cli.contradicting-options",
            f"{' and '.join(given)} are different things to do",
            where="gatesmith synth",
            why="a run synthesises, makes a bitstream, writes a script, or reads reports",
            fix=(f"leave out {' or '.join(given)}",),
        )


def _write_tcl(folder: Path, tool: str, part: str | None, mhz: float, as_json: bool) -> None:
    from gatesmith.synthesis.given import read
    from gatesmith.synthesis.settings import Settings
    from gatesmith.synthesis.vendor import write_project

    Settings(freq=mhz).check()
    paths = [str(path) for path in write_project(read(folder), tool, part, mhz)]
    if as_json:
        print_json({"wrote": paths})
    else:
        console().print(f"{'wrote':10}{cells(paths)[0]}", soft_wrap=True)


def _bitstream(folder: Path, board: str, settings: Settings, as_json: bool) -> None:
    from gatesmith.synthesis.board import bitstream

    with only_json(as_json), progress(hidden=as_json) as show:
        found = bitstream(folder, board, settings, show)
    if as_json:
        print_json(found)
        return
    out = console()
    out.print(f"{'board':10}{found['board']}, {found['device']}, {found['clock_mhz']:g} MHz")
    out.print(f"{'clock':10}{found['fmax_mhz']:g} MHz would do")
    sides = (f"{found[s]['beats']} beats of {found[s]['bytes']} bytes {s}" for s in ("in", "out"))
    out.print(f"{'serial':10}{found['baud']} baud, 8N1; a frame: {', '.join(sides)}")
    out.print(f"{'wrote':10}{cells(found['folder'])[0]}", soft_wrap=True)


def _read_reports(folder: Path, paths: list[Path], as_json: bool) -> None:
    from gatesmith.synthesis.given import read
    from gatesmith.synthesis.vendor_reports import keep_reports

    path, found = keep_reports(read(folder), paths)
    if as_json:
        print_json({**found, "report": str(path)})
        return
    out = console()
    rows = table(
        f"{found['design']} in {found['tool']}, {found['device']}", ("",), ("found", "predicted")
    )
    unit = found["lut_unit"] or "LUT"
    rows.add_row(*cells(unit, found["lut"], found["lut_predicted"]))
    rows.add_row(*cells("memory of LUTs", found["lut_memory"], None))
    rows.add_row(*cells("FF", found["ff"], found["ff_predicted"]))
    rows.add_row(*cells("DSP", found["dsp"], found["dsp_predicted"]))
    rows.add_row(*cells("block RAM", found["bram"], None))
    out.print(rows)
    if found["fmax_mhz"] is not None:
        out.print(f"{'clock':10}{found['fmax_mhz']:g} MHz")
    out.print(f"{'wrote':10}{cells(str(path))[0]}", soft_wrap=True)


NUMBERS = ("LUT", "predicted", "LUT memory", "carry", "FF", "predicted", "DSP", "block RAM kbit")


def _show(result: Mapping[str, Any]) -> None:
    out = console()
    about = result["device"]
    rows = table(f"{result['design']} on {about['about']}", ("stage", "kind", "from"), NUMBERS)
    for stage in result["stages"] or ():
        rows.add_row(*cells(stage["name"], stage["kind"], stage["origin"]), *_numbers(stage))
    if result["stages"]:
        rows.add_section()
    rows.add_row(*cells("in all, flattened", None, None), *_numbers(result))
    rows.add_row(*cells("of the device", None, None), *_shares(result))
    out.print(rows)
    sizes = ", ".join(f"{number:,} LUT{size}" for size, number in result["lut_by_size"].items())
    out.print(f"{'LUTs':10}{sizes}; predicted for 6-input LUTs")
    if result["other"]:
        out.print(f"{'other':10}{cells(result['other'])[0]}", soft_wrap=True)
    if not result["fits"]:
        out.print(f"[red]{'fit':10}[/]the design does not fit {about['name']}")
    if result["place"] is not None:
        _show_place(result["fmax_mhz"], result["place"])
    out.print(f"{'tools':10}{result['yosys']}, {cells(result['command'])[0]}", soft_wrap=True)
    out.print(f"{'wrote':10}{cells(result['report'])[0]}", soft_wrap=True)


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    luts = (row["lut"], row["lut_predicted"], row["lut_memory"], row["carry"])
    return cells(*luts, row["ff"], row["ff_predicted"], row["dsp"], row["bram_kbits"])


def _shares(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Parts of the device; LUTs with those of memory and carry."""
    there = result["device"]["capacity"]

    def share(key: str, of: str) -> str | None:
        return f"{100 * result[key] / there[of]:.1f} %" if there[of] else None

    luts, ffs = share("lut_sites", "lut"), share("ff", "ff")
    blocks = (share("dsp", "dsp"), share("bram_kbits", "bram_kbits"))
    return cells(luts, None, None, None, ffs, None, *blocks)


def _show_place(fmax: float | None, place: Mapping[str, Any]) -> None:
    out = console()
    if fmax is None:
        out.print(f"{'clock':10}no path between flip-flops")
        return
    out.print(f"{'clock':10}{fmax:g} MHz (tried {place['freq_mhz']:g}, seed {place['seed']})")
    path = place["critical_path"]
    if path is not None:
        through = " -> ".join(path["through"])
        times = f"{path['ns']:g} ns: {path['logic_ns']:g} logic, {path['routing_ns']:g} routing"
        out.print(f"{'critical':10}{cells(through)[0]}; {times}", soft_wrap=True)
