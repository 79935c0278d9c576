"""What the terminal sees: results on stdout, progress and errors on stderr.

With ``--json`` exactly one JSON object goes to stdout; for an error it is
``{"errors": [{"code", "what", "where", "why", "fix"}]}``. Without a terminal there are no colours,
no progress bars, and lines are not cut to a width.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from fractions import Fraction
from typing import IO, Annotated, Any, TypeAlias

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gatesmith.errors import UserError, UserErrors
from gatesmith.plain_text import told_lines

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts.")]
InputSpec = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="TYPE:SCALE[:ZERO]",
        help="Integer codes on the input stream and what one stands for: u8:1/255 is raw pixels.",
    ),
]

MOST_ROWS = 500  # of a table of layers: nobody reads more, and laying them out takes minutes
LONGEST_FRACTION = 12  # characters
WIDE = 200  # columns when the output is a file: nothing may be cut


def console(file: IO[str] | None = None) -> Console:
    """A console on ``file`` (stdout), plain and wide when that is not a terminal."""
    target = sys.stdout if file is None else file
    return Console(file=target, width=None if target.isatty() else WIDE, highlight=False)


def print_json(content: Mapping[str, Any]) -> None:
    """The one JSON object of this run."""
    print(json.dumps(content, indent=2))


def print_errors(error: UserError | UserErrors, as_json: bool) -> int:
    """Every problem to stderr, and to stdout as JSON where that is wanted; returns exit code 2."""
    errors = error.errors if isinstance(error, UserErrors) else (error,)
    err = console(sys.stderr)
    for number, problem in enumerate(errors):
        first, *rest = str(problem).split("\n")
        err.print(("\n" if number else "") + f"[bold red]{escape(first)}[/]", soft_wrap=True)
        err.print(escape("\n".join(rest)), soft_wrap=True)
    if as_json:
        keys = ("code", "what", "where", "why", "fix")
        print_json({"errors": [{key: getattr(entry, key) for key in keys} for entry in errors]})
    return 2


@contextmanager
def only_json(wanted: bool) -> Iterator[None]:
    """What anything prints meanwhile goes to stderr, so that stdout stays one JSON object."""
    with redirect_stdout(sys.stderr) if wanted else nullcontext():
        yield


def table(title: str, left: Sequence[str], right: Sequence[str] = ()) -> Table:
    """An empty table: columns of text, then columns of numbers."""
    made = Table(title=_cell(title), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in left:
        made.add_column(name, overflow="fold")
    for name in right:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def cells(*values: object) -> tuple[str, ...]:
    """Cells of a row: numbers in groups of three, nothing for None, names joined.

    >>> cells("fc1", 16384, None, ["a", "b"])
    ('fc1', '16,384', '', 'a, b')
    """
    return tuple(map(_cell, values))


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.6g}"
        case str():
            return escape(told_lines(value))
        case list() | tuple():
            return ", ".join(map(_cell, value))
        case dict():
            return ", ".join(f"{_cell(str(key))} {_cell(entry)}" for key, entry in value.items())
        case _:
            return escape(told_lines(str(value)))


def readable(text: str | None) -> str | None:
    """Long fractions as rounded decimals; --json and build.json keep the exact ones.

    >>> readable("real = 597440022665647008627/2361183241434822606848 * n + 1/255")
    'real = 0.253026 * n + 1/255'
    """

    def decimal(found: re.Match[str]) -> str:
        fraction = found[0]
        long = len(fraction) > LONGEST_FRACTION
        return f"{float(Fraction(fraction)):.6g}" if long else fraction

    return None if text is None else re.sub(r"-?\d+/\d+", decimal, text)


@contextmanager
def progress(hidden: bool) -> Iterator[Progress]:
    """A progress bar on stderr for each thing that is being done; nothing without a terminal."""
    if hidden or not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console(sys.stderr), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(escape(what), total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report
