"""``gatesmith explore``: the trade-off curve of a network, without building it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatesmith.codegen.fold import budget, memory_of
from gatesmith.codegen.fold_search import intervals
from gatesmith.errors import UserError, raise_all
from gatesmith.explain import curve_json
from gatesmith.fold_target import Wanted
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.pipeline import Progress, to_integers
from gatesmith.report.folds import FoldReport
from gatesmith.report.write import check_report, write_report


def explore(
    model: Path,
    wanted: Wanted,
    input_spec: str | None,
    report: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """The cheapest design at each interval that matters, FIFOs left out.

    Args:
        model: The .onnx file.
        wanted: Of it ``unroll`` and ``fold``, without PE and SIMD.
        input_spec: What the codes of the input stand for.
        report: Page to write.
        progress: Told what is being done.

    Errors: as of :func:`gatesmith.explore`.
    """
    target = wanted.target()
    if target.folded:
        raise UserError(
            "cli.contradicting-options",
            "PE and SIMD by hand leave no curve to explore",
            where="gatesmith explore --fold",
            why="the curve is over all PE and SIMD; of a layer only unit and ROM can be said",
            fix=("name units only: --fold LAYER=folded", "gatesmith build --fold LAYER=PE,SIMD"),
        )
    if report is not None:
        check_report(report)
    progress("read", 0, 2)
    spec = None if input_spec is None else InputSpec.parse(input_spec)
    _, integer = to_integers(import_model(model, spec), model)
    progress("explore", 1, 2)
    errors: list[UserError] = []
    memory = memory_of(integer, target, budget(integer, target), errors)
    raise_all(errors)
    curve = curve_json(memory, intervals(memory))
    if report is not None:
        write_report(FoldReport(model.stem, curve), report)
    progress("explore", 2, 2)
    return {"model": model.name, "curve": curve}
