"""``gatesmith verify``: real data through RTL, HLS or gates, every bit against NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.output import AsJson, cells, console, only_json, print_json, progress

DIFFERENT = 1  # exit code


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What gatesmith build wrote.")],
    data: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help=".npz (x, or an array for each input; labels y), .npy, or IDX, .gz too.",
        ),
    ],
    frames: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N frames.")
    ] = None,
    stall: Annotated[
        bool, typer.Option("--stall", help="Pause source and sink at random while it runs.")
    ] = False,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels for top-1: .npy, or IDX, .gz too.")
    ] = None,
    hls: Annotated[
        bool, typer.Option("--hls", help="Run the HLS C++ with g++, not the RTL in Verilator.")
    ] = False,
    gates: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE", help="Run the netlist, not the RTL: generic, ecp5-25k, xcup, ..."
        ),
    ] = None,
    routed: Annotated[
        bool, typer.Option("--routed", help="With --gates: as nextpnr placed and routed it.")
    ] = False,
    strict_timing: Annotated[
        bool,
        typer.Option("--strict-timing", help="Frames later than build.json says are a failure."),
    ] = False,
    rtl: Annotated[bool, typer.Option("--rtl", help="With --hls: the RTL as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run data through the RTL, the HLS C++ or a netlist, and compare every bit.

    Simulates the core in Verilator; exit code 0 only if every frame equals the reference.
    """
    from gatesmith.api import verify as verify_build

    with only_json(as_json), progress(hidden=as_json) as report:
        verdict = verify_build(
            folder,
            data,
            frames=frames,
            stall=stall,
            labels=labels,
            rtl=rtl or not hls,
            hls=hls,
            gates=gates,
            routed=routed,
            progress=report,
        )
    result = verdict.as_json()
    if as_json:
        print_json(result)
    else:
        _show(result)
    if not result["all_equal"] or (strict_timing and result["on_time"] is False):
        raise typer.Exit(DIFFERENT)


def _show(result: Mapping[str, Any]) -> None:
    out = console()
    varies = result["interval_worst"] is not None
    if varies:
        _show_varying(result)
    for what in () if varies else ("interval", "latency"):
        found, predicted = result[what], result[f"{what}_predicted"]
        if found is not None:
            agreed = "as predicted" if found == predicted else f"[red]predicted {predicted}[/]"
            out.print(f"{what:13}{found} cycles, {agreed}")
    if result["cycles"]:
        cycles = cells(result["cycles"])[0]
        out.print(f"{'simulated':13}{cycles} cycles in {result['seconds_sim']} s")
    if result["gates"] is not None:
        _show_gates(result["gates"])
    if result["hls"] is not None:
        _show_hls(result["hls"])
    stalls = result["stalls"]
    if stalls:
        words = "right" if stalls["equal"] else "[red]wrong[/]"
        frames, resets = stalls["frames"], stalls["resets"]
        out.print(f"{'with stalls':13}{frames} frames and {resets} resets: {words}")
    if result["early"] is not None:
        out.print(f"{'left early':13}{100 * result['early']:.2f} % of the frames")
    if result["top1"] is not None:
        out.print(f"{'top-1':13}{100 * result['top1']:.2f} %")
    if result["original"] is not None:
        _show_original(result["original"])
    for key, value in (result["mismatch"] or {}).items():
        out.print(f"[red]{key:13}[/]{cells(value)[0]}", soft_wrap=True)
    if result["on_time"] is False:
        out.print(f"[red]{'late':13}[/]frames come later than the build says")
    equal, frames = result["equal"], result["frames"]
    if len(result["outputs"]) > 1:
        for output in result["outputs"]:
            name, right = cells(output["name"], output["equal"])
            out.print(f"{'output':13}{name}: {right} equal")
    colour = "green" if result["all_equal"] else "bold red"
    out.print(f"[{colour}]{equal} of {frames} frames equal[/]")


def _show_gates(gates: Mapping[str, Any]) -> None:
    """The netlist that ran in the place of the RTL."""
    number = cells(sum(gates["cells"].values()))[0]
    how = "placed and routed" if gates["routed"] else "synthesised"
    tools = ", ".join(gates["tools"])
    console().print(f"{'netlist':13}{number} cells, {how} for {gates['device']} ({tools})")


def _show_hls(hls: Mapping[str, Any]) -> None:
    """C simulation of the HLS project."""
    out = console()
    equal, frames = cells(hls["equal"], hls["frames"])
    seconds = f"{hls['seconds_sim']} s, compiled in {hls['seconds_compile']} s"
    out.print(f"{'HLS':13}{equal} of {frames} frames equal in C simulation, {seconds}")
    if hls["warning"]:
        out.print(f"[red]{'HLS':13}[/]{cells(hls['warning'])[0]}", soft_wrap=True)


def _show_varying(result: Mapping[str, Any]) -> None:
    """Interval and latency of a core whose cycles hang on the data: never beyond the worst case."""
    out = console()
    if result["interval"] is not None:
        shortest, longest, worst = (result[f"interval{key}"] for key in ("_min", "", "_worst"))
        out.print(
            f"{'interval':13}{result['interval_mean']:.1f} cycles on average"
            f" ({shortest} to {longest}); worst case {worst}"
        )
    if result["latency"] is not None:
        out.print(
            f"{'latency':13}{result['latency']} cycles; worst case {result['latency_predicted']}"
        )
    if result["late"] is not None:
        late = result["late"]
        told = f"[red]by {late} cycles[/]" if late > 0 else "never"
        out.print(f"{'late':13}behind the schedule of the worst case: {told}")


def _show_original(original: Mapping[str, Any]) -> None:
    """How the float32 original differs, and whether its rounding accounts for it."""
    out = console()
    if original["top1"] is not None:
        out.print(f"{'original':13}{100 * original['top1']:.2f} % top-1 in {original['engine']}")
    compared, explained = (cells(original[key])[0] for key in ("compared", "explained"))
    differ = f"of {compared} codes, {explained} differ by float32 rounding"
    colour = "red" if original["unexplained"] else "default"
    out.print(f"{'unexplained':13}[{colour}]{original['unexplained']}[/] {differ}")
