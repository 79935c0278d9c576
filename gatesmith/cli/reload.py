"""``gatesmith reload``: another network for the memories of a core."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatesmith.cli.output import AsJson, cells, console, only_json, print_json, progress, table


def reload(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What gatesmith build wrote.")],
    model: Annotated[Path, typer.Argument(metavar="OTHER.onnx", help="The other network.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Image to write.")],
    as_json: AsJson = False,
) -> None:
    """Make the image that drivers write to a core built with --reloadable."""
    from gatesmith.api import reload as make

    with only_json(as_json), progress(hidden=as_json) as show:
        made = make(folder, model, out, progress=show)
    if as_json:
        print_json(made.summary())
        return
    screen = console()
    shown = table("", ("memory", "of", "holds", "content"), ("words", "bits", "CRC-32"))
    for number, memory in enumerate(made.memories):
        shown.add_row(
            *cells(str(number), memory["stage"], memory["what"]),
            "new" if memory["changed"] else "as built",
            *cells(memory["depth"], memory["bits"], f"{memory['crc']:08x}"),
        )
    screen.print(shown)
    screen.print(f"wrote     {cells(str(out))[0]}, {made.size:,} bytes")
