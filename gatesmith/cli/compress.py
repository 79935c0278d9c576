"""``gatesmith compress``: prune, quantize, code and build a network by a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.output import AsJson, cells, console, only_json, print_json, progress, table


def compress(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="What to do, in order.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Folder to write, not the recipe's."),
    ] = None,
    axis: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Cost of a Pareto run: weight_bits, parameters, macs, lut, ff, dsp, block_rams, "
            "cycles, energy_nj.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a network smaller by a recipe; a run that was interrupted goes on."""
    from gatesmith.api import compress as run

    with only_json(as_json), progress(hidden=as_json) as show:
        done = run(recipe, out=out, axis=axis, progress=show)
    result = done.as_json()
    if as_json:
        print_json(result)
    else:
        _show(result)


def _show(result: Mapping[str, Any]) -> None:
    out = console()
    _show_stages(result)
    if any(stage["hardware"] is not None for stage in result["stages"]):
        _show_hardware(result)
    if result["layers"]:
        _show_layers(result)
    if result["points"]:
        _show_points(result)
    for note in result["notes"]:
        out.print(f"note      {cells(note)[0]}", soft_wrap=True)
    folder = Path(result["out"])
    kept = sum(stage["resumed"] for stage in result["stages"])
    if kept:
        out.print(f"kept      {kept} of {len(result['stages'])} stages, finished by an earlier run")
    for key in ("result", "report", "build"):
        if result[key] is not None:
            out.print(f"wrote     {cells(str(folder / result[key]))[0]}", soft_wrap=True)
    out.print(f"weights   {result['compression_ratio']:.1f} times fewer bits than float32")


def _show_stages(result: Mapping[str, Any]) -> None:
    numbers = ("accuracy", "parameters", "multiplications", "weight bits", "ratio", "s")
    rows = table("", ("stage",), numbers)
    for stage in result["stages"]:
        rows.add_row(
            *cells(
                stage["name"],
                _percent(stage["accuracy"]),
                stage["parameters"],
                stage["macs"],
                stage["weight_bits"],
                f"{stage['compression_ratio']:.1f}",
                "kept" if stage["resumed"] else f"{stage['seconds']:.1f}",
            )
        )
    console().print(rows)


def _show_hardware(result: Mapping[str, Any]) -> None:
    names = {
        "lut": "LUT",
        "ff": "FF",
        "dsp": "DSP",
        "block_rams": "block RAMs",
        "weight_bits": "ROM bits",
        "cycles": "cycles",
        "energy_nj": "nJ (estimate)",
    }
    rows = table("", ("hardware",), tuple(names.values()))
    for stage in result["stages"]:
        found = stage["hardware"] or {}
        rows.add_row(*cells(stage["name"], *(found.get(key) for key in names)))
    console().print(rows)


def _show_layers(result: Mapping[str, Any]) -> None:
    rows = table("", ("weights of", "stored as"), ("weights", "zeros", "bits of one", "bits"))
    for row in result["layers"]:
        keys = ("name", "rom", "weights", "zeros", "width", "bits")
        rows.add_row(*cells(*(row[key] for key in keys)))
    console().print(rows)


def _show_points(result: Mapping[str, Any]) -> None:
    rows = table("", ("network", "front"), ("accuracy", result["axis"], "ratio"))
    for point in result["points"]:
        if point["why"] is not None:
            rows.add_row(*cells(point["name"], point["why"], None, None, None))
            continue
        front = "yes" if point["front"] else ""
        ratio = f"{point['compression_ratio']:.1f}"
        cost = point["cost"]
        whole = int(cost) if cost is not None and cost == int(cost) else cost
        rows.add_row(*cells(point["name"], front, _percent(point["accuracy"]), whole, ratio))
    console().print(rows)


def _percent(value: float | None) -> str:
    return "no labels" if value is None else f"{100 * value:.2f} %"
