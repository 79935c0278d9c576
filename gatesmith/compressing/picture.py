"""The report of a run (gatesmith/report)."""

from __future__ import annotations

from pathlib import Path

from gatesmith.compressing.result import Compressed
from gatesmith.compressing.stages import histories
from gatesmith.compressing.store import Stage
from gatesmith.report.content import CodedRow, CompressReport, PointRow, StageRow
from gatesmith.report.words import RESOURCES
from gatesmith.report.write import write_report


def write_pictures(result: Compressed, out: Path) -> tuple[Path, ...]:
    """Write the page and its figures. Errors: ``report.*``."""
    recipe, stages = result.recipe, result.stages
    points = zip(result.networks, result.front, strict=True)
    report = CompressReport(
        model=recipe.model.name,
        frames=stages[0].content["frames"],
        stages=[_row(result, stage) for stage in stages],
        coding=[
            CodedRow(row["name"], row["weights"], row["width"], row["rom"], row["sizes"])
            for row in stages[-1].content.get("layers", ())
        ],
        histories=histories(stages),
        points=[
            PointRow(
                made.point.name,
                None if made.last is None else made.last.content["accuracy"],
                made.cost(recipe.axis),
                best,
                None if made.last is None else _row(result, made.last),
                made.why,
            )
            for made, best in points
            if len(result.networks) > 1
        ],
        axis=_axis(recipe.axis),
        settings=recipe.text,
        notes=result.notes,
    )
    return write_report(report, out)


def _row(result: Compressed, stage: Stage) -> StageRow:
    content = stage.content
    return StageRow(
        stage.name,
        content["accuracy"],
        content["parameters"],
        content["macs"],
        content["weight_bits"],
        result.ratio(content),
        {} if content["hardware"] is None else {key: content["hardware"][key] for key in RESOURCES},
    )


def _axis(axis: str) -> str:
    named = {"macs": "multiplications a frame", "weight_bits": "bits of weights"}
    return named.get(axis) or RESOURCES.get(axis, axis)
