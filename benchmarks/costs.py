"""The cost model against Yosys: synthesise, fit, predict, and write docs/costs.md.

    python benchmarks/costs.py            everything that is missing, then --fit and --page
    python benchmarks/costs.py --fit      coefficients from what was synthesised, and the page
    python benchmarks/costs.py --page     predictions and the page only
    python benchmarks/costs.py --again    synthesise all again (what is in the cache takes no time)
    ... --only NAME                       only this design, or this group of blocks
    ... --refold                          let the search choose the folds anew

Figures go to benchmarks/results/costs.json after every run, so that it can be stopped and started
again; coefficients to codegen/coefficients.py. Folds stay those of the first run, so that a change
of the model does not change what it is judged by. The held-out designs are never fitted to.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import cost_blocks
import cost_fit
import cost_measure
import cost_page
from cost_designs import CALIBRATION, HELD_OUT, ROOT, Made

from gatesmith.codegen.design import Design
from gatesmith.codegen.stream import Stage
from gatesmith.errors import UserError, UserErrors
from gatesmith.synthesis.yosys import find_yosys

RESULTS = ROOT / "benchmarks/results/costs.json"
DESIGNS: dict[str, Made] = {**CALIBRATION, **HELD_OUT}


def main() -> None:
    """As told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=[*cost_blocks.BLOCKS, *DESIGNS])
    parser.add_argument("--fit", action="store_true", help="only fit, and predict anew")
    parser.add_argument("--page", action="store_true", help="only predict anew, and write the page")
    parser.add_argument("--again", action="store_true", help="synthesise what is there, too")
    parser.add_argument("--refold", action="store_true", help="choose the folds anew")
    asked = parser.parse_args()
    found = read()
    if not (asked.fit or asked.page):
        measure(found, asked.only, again=asked.again or asked.refold, refold=asked.refold)
    planned = plan_all(found)
    if not asked.page:
        cost_fit.fit(stages_to_fit(found, planned))
        # The coefficients are constants of the running program: predictions need a new one.
        subprocess.run([sys.executable, __file__, "--page"], check=True)
        return
    predict(found, planned)
    write(found)
    cost_page.page(found)


def read() -> dict[str, Any]:
    """What was found so far."""
    if RESULTS.is_file():
        content: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
        return content
    return {"designs": {}, "blocks": {}}


def write(found: dict[str, Any]) -> None:
    """Keep it."""
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")


# ---- synthesis ----------------------------------------------------------------------------------


def measure(found: dict[str, Any], only: list[str] | None, *, again: bool, refold: bool) -> None:
    """Synthesise blocks, stages of designs, and held-out designs whole."""
    found["yosys"] = str(find_yosys())
    for group, make in cost_blocks.BLOCKS.items():
        if (only is None or group in only) and (again or group not in found["blocks"]):
            stages = make()
            found["blocks"][group] = _rows(stages, cost_measure.stages(stages))
            write(found)
    for name, made in DESIGNS.items():
        if only is not None and name not in only:
            continue
        row = found["designs"].setdefault(name, {})
        wanted = {"stages"} | ({"whole"} if name in HELD_OUT else set())
        if not again and wanted <= set(row):
            continue
        try:
            planned = made.design(name, None if refold else row.get("folds"))
        except (UserError, UserErrors) as error:
            print(f"{name}: {error}")
            continue
        design = planned.design
        row |= {"folds": planned.folds, "interval": design.interval}
        row["stages"] = _rows(design.stages, cost_measure.stages(design.stages))
        write(found)
        if "whole" in wanted:
            row["whole"] = {"found": cost_measure.whole(design)}
            write(found)
        print(f"{name}: {len(design.stages)} stages", flush=True)


def _rows(stages: Iterable[Stage], figures: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    return [
        {"name": stage.name, "kind": kind(stage), "found": figures[stage.name]} for stage in stages
    ]


def kind(stage: Stage) -> str:
    """As gatesmith synth names it."""
    return type(stage).__name__.removesuffix("Stage")


# ---- prediction ---------------------------------------------------------------------------------


def plan_all(found: dict[str, Any]) -> dict[str, Design]:
    """Designs that were synthesised, with the folds that they had then."""
    return {
        name: DESIGNS[name].design(name, row["folds"]).design
        for name, row in found["designs"].items()
        if "stages" in row or "whole" in row
    }


def stages_to_fit(
    found: dict[str, Any], planned: dict[str, Design]
) -> list[tuple[Stage, dict[str, int]]]:
    """Stages of the calibration set and what was found of them."""
    pairs: list[tuple[Stage, dict[str, int]]] = []
    for group, rows in found["blocks"].items():
        of = {row["name"]: row["found"] for row in rows}
        pairs += [(stage, of[stage.name]) for stage in cost_blocks.BLOCKS[group]()]
    for name in CALIBRATION:
        if name in planned:
            of = {row["name"]: row["found"] for row in found["designs"][name]["stages"]}
            pairs += [(stage, of[stage.name]) for stage in planned[name].stages]
    return pairs


def predict(found: dict[str, Any], planned: dict[str, Design]) -> None:
    """Put what the formulas say beside what was found."""
    for group, rows in found["blocks"].items():
        of = {stage.name: stage for stage in cost_blocks.BLOCKS[group]()}
        for row in rows:
            row["predicted"] = of[row["name"]].cost().as_json()
    for name, design in planned.items():
        of = {stage.name: stage for stage in design.stages}
        for row in found["designs"][name].get("stages", ()):
            row["predicted"] = of[row["name"]].cost().as_json()
        if "whole" in found["designs"][name]:
            found["designs"][name]["whole"]["predicted"] = design.cost.as_json()


if __name__ == "__main__":
    main()
