"""``gatesmith inspect``: what a model means, layer by layer, before any hardware is chosen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.output import (
    MOST_ROWS,
    AsJson,
    InputSpec,
    cells,
    console,
    only_json,
    print_json,
    readable,
    table,
)

NO_INTEGER_FORM = 2  # exit code


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="ONNX or QONNX file.")],
    input_spec: InputSpec = None,
    as_json: AsJson = False,
) -> None:
    """Show the layers of a model, and build nothing.

    Types, exact ranges, parameters and operations of each layer, in integers. A model that has no
    integer form is shown in reals, with everything that is in the way, and the exit code is 2.
    """
    from gatesmith.api import inspect as inspect_model

    with only_json(as_json):
        found = inspect_model(model, input_spec)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if found["problems"]:
        raise typer.Exit(NO_INTEGER_FORM)


def _show(found: Mapping[str, Any]) -> None:
    out = console()
    reads = () if found["chain"] else ("reads",)
    text = ("layer", "operator", *reads, "type", "range", "stands for", "from")
    layers = table(f"{found['model']}, {found['form']} form", text, ("parameters", "operations"))
    for layer in found["layers"][:MOST_ROWS]:
        names = ("name", "op", *(() if found["chain"] else ("args",)), "type")
        low_high = layer["range"]
        layers.add_row(
            *cells(*(layer[key] for key in names)),
            *cells(low_high and f"{low_high[0]} .. {low_high[1]}", readable(layer["meaning"])),
            *cells(layer["origin"], layer["parameters"] or None, layer["operations"] or None),
        )
    if len(found["layers"]) > MOST_ROWS:
        layers.add_row(f"and {len(found['layers']) - MOST_ROWS} more, see --json")
    layers.add_section()
    blank = [None] * (len(text) - 1)
    layers.add_row(*cells("in all", *blank, found["parameters"], found["operations"]))
    out.print(layers)
    for side in ("inputs", "outputs"):
        for end in found[side]:
            out.print(f"{side[:-1]:8}{cells(end)[0]}")
    for note in found["notes"]:
        out.print(f"note    {cells(note)[0]}")
    for problem in found["problems"]:
        console(sys.stderr).print("\n" + cells(problem)[0], soft_wrap=True)
