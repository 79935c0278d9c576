"""``gatesmith mutate``: break the generated RTL on purpose, and count what its bench notices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.output import AsJson, cells, console, only_json, print_json, progress, table
from gatesmith.errors import UserError

BELOW = 1  # exit code
LONGEST = 48  # characters of a text in the table


def mutate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What gatesmith build wrote.")],
    mutants: Annotated[int, typer.Option(min=1, metavar="N", help="How many are made.")] = 200,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of their choice.")] = 1,
    least: Annotated[
        float, typer.Option(metavar="PERCENT", help="Exit code 1 where the bench kills less.")
    ] = 98.0,
    frames: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N of DIR/vectors.")
    ] = None,
    proofs: Annotated[
        bool, typer.Option("--prove/--no-prove", help="Try to prove survivors equivalent.")
    ] = True,
    timeout: Annotated[
        float, typer.Option(min=1, metavar="S", help="Longest time of one solver, seconds.")
    ] = 30.0,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At a time; one a core by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the RTL of a build in many small ways, and count those that its bench notices.

    The build itself stays as it is. Exit code 1 where the share is below --least.
    """
    from gatesmith.checks import mutate as run

    if not 0 <= least <= 100:
        raise UserError(
            "cli.bad-value",
            "a share lies between 0 and 100 percent",
            where=f"--least {least:g}",
            why="it is the share of mutants that the bench has to kill",
            fix=("--least 98",),
        )
    with only_json(as_json), progress(hidden=as_json) as show:
        found = run(
            folder,
            mutants=mutants,
            seed=seed,
            frames=frames,
            prove=proofs,
            timeout=timeout,
            jobs=jobs,
            progress=show,
        )
    result = found.as_json()
    if as_json:
        print_json(result)
    else:
        _show(result)
    if 100 * found.rate < least:
        raise typer.Exit(BELOW)


def _show(result: Mapping[str, Any]) -> None:
    out = console()
    rows = table(f"{result['design']}, seed {result['seed']}", ("kind",), NUMBERS)
    for kind, row in result["kinds"].items():
        left = row["mutants"] - row["killed"] - row["equivalent"]
        rows.add_row(*cells(kind, row["mutants"], row["killed"], row["equivalent"], left or None))
    rows.add_section()
    totals = (result[key] for key in ("mutants", "killed", "equivalent", "survivors"))
    rows.add_row(*cells("in all", *totals))
    out.print(rows)
    for row in result["surviving"]:
        where = f"{row['file']}:{row['line']}"
        told = f"{_short(row['before'])} -> {_short(row['after'])}"
        line = cells(f"{where} {row['kind']}: {told} ({row['verdict']}, {row['level']})")
        out.print(f"[red]{'survives':12}[/]{line[0]}", soft_wrap=True)
    out.print(f"{'stillborn':12}{cells(result['stillborn'])[0]}: no tool accepts them")
    runs = ", ".join(f"{name} {number:,}" for name, number in result["killed_in"].items())
    out.print(f"{'killed in':12}{cells(runs)[0]}", soft_wrap=True)
    seconds = ", ".join(f"{step} {value:g} s" for step, value in result["seconds"].items())
    out.print(f"{'time':12}{seconds}")
    colour = "red" if result["survivors"] else "green"
    able = result["mutants"] - result["equivalent"]
    out.print(
        f"[{colour}]{100 * result['kill_rate']:.2f} %[/]"
        f" of {able:,} mutants that are not equivalent are killed"
    )


NUMBERS = ("mutants", "killed", "equivalent", "survive")


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
