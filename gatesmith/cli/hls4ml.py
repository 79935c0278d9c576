"""``gatesmith hls4ml``: the quantized network through hls4ml, compared layer by layer."""

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

DIFFERENT = 1  # exit code


def hls4ml(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A quantized network.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of hls4ml's project.")
    ] = Path("hls4ml_project"),
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=".npz (x, labels y), .npy, or IDX, .gz too."),
    ] = None,
    input_spec: InputSpec = None,
    backend: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Vitis, Vivado, VivadoAccelerator, Quartus, Catapult, oneAPI, Libero.",
        ),
    ] = "Vitis",
    io: Annotated[str, typer.Option("--io", metavar="parallel|stream")] = "parallel",
    form: Annotated[
        str,
        typer.Option(
            metavar="codes|real",
            help="Hand over our integers (bit-exact), or the file with its scales as it is.",
        ),
    ] = "codes",
    frames: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N frames.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels for top-1: .npy, or IDX, .gz too.")
    ] = None,
    fraction: Annotated[
        int,
        typer.Option(
            "--fraction-bits",
            metavar="N",
            help="Fractional bits of numbers that fixed-point does not hold.",
        ),
    ] = 24,
    reuse: Annotated[int, typer.Option(min=1, metavar="N", help="hls4ml's reuse factor.")] = 1,
    strategy: Annotated[str, typer.Option(metavar="latency|resource")] = "latency",
    part: Annotated[str | None, typer.Option(metavar="NAME", help="Device.")] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", help="Seconds for hls4ml and g++ together.")
    ] = 1800.0,
    project_only: Annotated[
        bool, typer.Option("--project-only", help="Write the project; simulate nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write hls4ml's project of a network, run its C simulation, and compare it with ours.

    The types of every layer follow from exact ranges. Exit code 1 if a difference has no proven
    cause.
    """
    from gatesmith.api import hls4ml as run

    with only_json(as_json), progress(hidden=as_json) as show:
        done = run(
            model,
            out,
            data=None if data is None else str(data),
            labels=labels,
            input_spec=input_spec,
            backend=backend,
            io=io,
            form=form,
            frames=frames,
            fraction=fraction,
            reuse=reuse,
            strategy=strategy,
            part=part,
            timeout=timeout,
            project_only=project_only,
            progress=show,
        )
    result = done.as_json()
    if as_json:
        print_json(result)
    else:
        _show(result)
    if result["unexplained"]:
        raise typer.Exit(DIFFERENT)


def _largest(layer: Mapping[str, Any]) -> str:
    if not layer["difference"]:
        return ""
    steps = layer["codes"]
    return f"{layer['difference']:.3g}" if steps is None else f"{steps:g} codes"


def _show(result: Mapping[str, Any]) -> None:
    out = console()
    title = f"{result['model']}, hls4ml {result['hls4ml']}, {result['backend']} io_{result['io']}"
    numbers = ("values", "equal", "largest difference") if result["simulated"] else ()
    text = (
        ("layer", "class", "ours", "result type", "cause")
        if numbers
        else ("layer", "class", "result type")
    )
    rows = table(title, text, numbers)
    for layer in result["layers"]:
        kind = layer["types"].get("result_t")
        if numbers:
            rows.add_row(
                *cells(layer["name"], layer["kind"], layer["node"], kind, layer["cause"]),
                *cells(layer["compared"], layer["equal"]),
                _largest(layer),
            )
        else:
            rows.add_row(*cells(layer["name"], layer["kind"], kind))
    out.print(rows)
    for note in result["notes"]:
        out.print(f"note      {cells(note)[0]}", soft_wrap=True)
    out.print(f"wrote     {cells(result['out'])[0]}", soft_wrap=True)
    if not result["simulated"]:
        out.print(f"simulated no: {cells(result['not_simulated'])[0]}", soft_wrap=True)
        return
    if result["top1"] is not None:
        top1, ours = (f"{100 * result[key]:.2f} %" for key in ("top1", "top1_ours"))
        out.print(f"top-1     {top1}, ours {ours}")
    if result["same_class"] is not None:
        out.print(f"classes   {result['same_class']} of {result['frames']} the same")
    if result["unexplained"]:
        out.print(f"[bold red]unexplained {result['unexplained']} layers[/]")
    colour = "green" if result["equal"] == result["frames"] else "yellow"
    out.print(f"[{colour}]{result['equal']} of {result['frames']} frames equal[/]")
