"""The report of a run (gatesmith/report)."""

from __future__ import annotations

from pathlib import Path

from gatesmith.pruning.counts import counts, totals
from gatesmith.pruning.hardware import Hardware
from gatesmith.pruning.result import Pruned, rows
from gatesmith.report.content import PrunedRow, PruneReport
from gatesmith.report.words import RESOURCES
from gatesmith.report.write import write_report

FASTEST = "cycles at the price of before"


def write_pictures(result: Pruned, model_name: str, out: Path) -> tuple[Path, ...]:
    """Write the page and its figures. Errors: ``report.*``."""
    before, after = totals(result.before), totals(result.graph)
    report = PruneReport(
        model=model_name,
        accuracy_before=result.accuracy_before,
        accuracy_after=result.accuracy_after,
        frames=result.frames,
        steps=result.steps,
        parameters=(before["parameters"], after["parameters"]),
        macs=(before["macs"], after["macs"]),
        layers=[PrunedRow(**row) for row in rows(counts(result.before), counts(result.graph))],
        removed=result.removed,
        hardware=_hardware(*result.hardware),
        history=result.history,
        sensitivity=result.sensitivity,
        settings=result.settings,
        notes=result.notes,
    )
    return write_report(report, out)


def _hardware(
    before: Hardware | None, after: Hardware | None
) -> list[tuple[str, float, float | None]]:
    """Each resource before and after; nothing where the network cannot be built."""
    if before is None or after is None:
        return []
    found: list[tuple[str, float, float | None]] = [
        (name, getattr(before, key), getattr(after, key)) for key, name in RESOURCES.items()
    ]
    return [*found, (FASTEST, before.cycles, after.fastest)]
