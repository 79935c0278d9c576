"""``gatesmith prove``: properties of the blocks that streams run through, by SymbiYosys."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.output import AsJson, cells, console, only_json, print_json, progress, table

COLOURS = {"proven": "green", "bounded": "yellow", "failed": "red", "undecided": "red"}


def prove(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]", help="What gatesmith build wrote; else the shipped blocks."
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Instances whose name has this in it.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", help="Longest time of one solver, seconds.")
    ] = 120.0,
    traces: Annotated[
        Path, typer.Option(metavar="DIR", help="Where counterexamples go, if there are any.")
    ] = Path("prove"),
    as_json: AsJson = False,
) -> None:
    """Prove that no block of a stream loses, doubles or swaps a beat, under any stalls.

    Exit code 1 where a property fails or cannot be decided.
    """
    from gatesmith.checks import prove as run

    with only_json(as_json), progress(hidden=as_json) as show:
        found = run(folder, only=only, timeout=timeout, traces=traces, progress=show)
    result = found.as_json()
    if as_json:
        print_json(result)
    else:
        _show(result)
    if not found.ok:
        raise typer.Exit(1)


def _show(result: Mapping[str, Any]) -> None:
    out = console()
    rows = table("", ("block", "instance", "property", "verdict", "depth"))
    for _, group in groupby(result["properties"], key=lambda v: (v["block"], v["instance"])):
        same: dict[tuple[str, str], list[str]] = {}
        entries = list(group)
        for entry in entries:
            same.setdefault((entry["verdict"], _depth(entry)), []).append(entry["property"])
        for (verdict, depth), names in same.items():
            block, instance, properties = cells(
                entries[0]["block"], entries[0]["instance"], ", ".join(names)
            )
            rows.add_row(block, instance, properties, f"[{COLOURS[verdict]}]{verdict}[/]", depth)
    out.print(rows)
    for entry in result["properties"]:
        if entry["trace"] is not None:
            told = cells(f"{entry['block']} {entry['instance']}: {entry['told']}; {entry['trace']}")
            out.print(f"[red]{'failed':10}[/]{told[0]}", soft_wrap=True)
    for entry in result["skipped"]:
        out.print(f"{'skipped':10}{cells(entry['stage'])[0]}: {entry['why']}", soft_wrap=True)
    counts = ", ".join(f"{n:,} {verdict}" for verdict, n in result["counts"].items())
    out.print(f"{'properties':12}{counts or 'none'}")
    out.print(f"{'tools':12}{', '.join(result['tools'])}; {result['seconds']:g} s")


def _depth(entry: Mapping[str, Any]) -> str:
    if entry["verdict"] == "proven":
        return "unbounded"
    return "" if entry["depth"] is None else f"{entry['depth']} cycles"
