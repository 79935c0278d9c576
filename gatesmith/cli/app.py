"""The subcommands, in the order in which a user meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from gatesmith import __version__
from gatesmith.cli.bench import bench
from gatesmith.cli.build import build
from gatesmith.cli.compress import compress
from gatesmith.cli.doctor import doctor
from gatesmith.cli.explore import explore
from gatesmith.cli.hls4ml import hls4ml
from gatesmith.cli.inspect import inspect
from gatesmith.cli.mutate import mutate
from gatesmith.cli.prove import prove
from gatesmith.cli.prune import prune
from gatesmith.cli.quantize import quantize
from gatesmith.cli.regress import regress
from gatesmith.cli.reload import reload
from gatesmith.cli.synth import synth
from gatesmith.cli.verify import verify

app = typer.Typer(
    name="gatesmith",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # main() turns every exception into a message of its own
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
BEFORE = (doctor, inspect, prune, quantize, compress, explore)
AFTER = (build, reload, verify, mutate, prove, regress, synth, hls4ml, bench)
for command in (*BEFORE, *AFTER):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"gatesmith {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print and leave.")
    ] = False,
) -> None:
    """Trained networks to streaming FPGA cores, every bit proven equal."""
