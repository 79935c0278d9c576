"""``gatesmith regress``: random networks through everything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gatesmith.cli.output import AsJson, cells, console, only_json, print_json, progress, table


def regress(
    minutes: Annotated[
        float | None, typer.Option(metavar="M", help="As many networks as fit in M minutes.")
    ] = None,
    networks: Annotated[int | None, typer.Option(metavar="N", help="N networks.")] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Same seed, same networks.")] = 1,
    jobs: Annotated[
        int | None, typer.Option(metavar="J", help="Processes; by default one a processor.")
    ] = None,
    no_hls: Annotated[bool, typer.Option("--no-hls", help="RTL only.")] = False,
    strict_timing: Annotated[
        bool,
        typer.Option(
            "--strict-timing", help="Cycles that are not the predicted ones fail like wrong bits."
        ),
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE.xml", help="Results as JUnit XML.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.md|.html", help="Results and coverage as a page.")
    ] = None,
    failures: Annotated[
        Path, typer.Option(metavar="DIR", help="Where failures go, if there are any.")
    ] = Path("regress"),
    replay: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="Run one saved failure again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run random networks: reference, RTL under stalls and resets, HLS, all equal in every bit.

    Exit code 1 where a network fails; it is made smaller and saved.
    """
    if replay is not None:
        _replay(replay, as_json, not no_hls, strict_timing)
        return
    from gatesmith.checks import regress as run

    with only_json(as_json), progress(hidden=as_json) as show:
        found = run(
            networks=networks,
            minutes=minutes,
            seed=seed,
            jobs=jobs,
            hls=not no_hls,
            strict=strict_timing,
            failures=failures,
            junit=junit,
            report=report,
            progress=show,
        )
    told = found.as_json()
    if as_json:
        print_json(told)
    else:
        _show(told)
    if not found.ok:
        raise typer.Exit(1)


def _replay(place: Path, as_json: bool, hls: bool, strict: bool) -> None:
    from gatesmith.checks import replay as run

    with only_json(as_json):
        outcome = run(place, hls=hls, strict=strict)
    if as_json:
        told = {"state": outcome.state, "failure": outcome.failure, "options": outcome.options}
        print_json({"ok": outcome.state == "equal", **told})
    else:
        console().print(f"{'state':10}{outcome.state}")
        for key, value in (outcome.failure or {}).items():
            console().print(f"{key:10}{cells(value)[0]}", soft_wrap=True)
    if outcome.state != "equal":
        raise typer.Exit(1)


def _show(told: Mapping[str, Any]) -> None:
    out = console()
    groups = told["coverage"]["columns"]
    for names in (("kind", "bits", "lanes", "frame"), ("network", "asked")):
        columns = [column for name in names for column in groups[name]]
        counts = table("networks with" if "kind" in names else "", ("",), columns)
        for row, own in told["coverage"]["cells"].items():
            counts.add_row(row, *(f"{own[c]:,}" if own[c] else "[dim]-[/]" for c in columns))
        out.print(counts)
    never = told["coverage"]["never"]
    out.print(
        f"{'never':12}{', '.join((*never['rows'], *never['onnx'])) or 'nothing'}", soft_wrap=True
    )
    for failure in told["failures"]:
        engine, kind = failure["failure"]["engine"], failure["failure"]["kind"]
        line = cells(f"network {failure['number']}: {engine}, {kind}")[0]
        out.print(f"[red]{'failed':12}[/]{line}", soft_wrap=True)
        out.print(
            f"{'':12}gatesmith regress --replay {cells(failure['bundle'])[0]}", soft_wrap=True
        )
    refused = ", ".join(f"{code} {n}" for code, n in told["refused"].items())
    out.print(
        f"{'refused':12}{100 * told['refused_share']:.1f} % of the draws: {refused or 'none'}"
    )
    original = told["original"]
    out.print(
        f"{'original':12}{original.get('compared', 0):,} codes compared with the float models,"
        f" {original.get('unexplained', 0):,} unexplained"
    )
    counts = told["off_schedule"]["counts"]
    shown = ", ".join(f"{kind} {n}" for kind, n in counts.items() if n)
    out.print(f"{'cycles':12}{shown or 'all'} {'not ' if shown else ''}as predicted")
    colour = "green" if told["ok"] else "red"
    out.print(
        f"{'networks':12}[{colour}]{told['networks']:,}, {told['mismatches']:,} mismatches,"
        f" {len(told['failures']):,} failures[/]; {told['frames']:,} frames,"
        f" {told['cycles']:,} cycles; seed {told['seed']}, {told['seconds']:g} s"
    )
