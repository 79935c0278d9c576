"""Widths by training (FracBits), with the hardware's cost in the loss: the way to quant/train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.quant.mixed.budget import Budget
from gatesmith.quant.mixed.cost import RESOURCES, Cost, predicted
from gatesmith.quant.mixed.search import Survey
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import grids_of, insert
from gatesmith.quantizing.recipe import widths

if TYPE_CHECKING:
    from gatesmith.quantizing.run import Run

ROUNDS = 3
"""Trainings, each with the budget as much smaller as the design was larger than predicted."""

_ADD_UP = tuple(name for name in RESOURCES if name != "cycles")


def resource_of(budget: Budget) -> str:
    """The one resource that is limited. Errors: ``quantize.learn-bits``."""
    limited = [name for name in budget.limits if name in _ADD_UP]
    if len(limited) == 1 and not budget.needs_labels:
        return limited[0]
    raise UserError(
        "quantize.learn-bits",
        "widths are trained under a limit on one resource",
        where=f"--learn-bits --budget {budget.text}",
        why="the cost in the loss is that of one resource that adds up over the layers",
        fix=(f"limit one of {', '.join(_ADD_UP)}", "leave out --learn-bits"),
    )


def _table(run: Run, known: Survey, resource: str) -> dict[str, dict[tuple[int, int], float]]:
    """Cost of each layer; where its input's grid was given, at the width of that."""
    table = {}
    for unit in known.units:
        if unit.weight is None or unit.activation is None:
            continue
        given = run.fixed.get(unit.activation)
        table[unit.name] = {
            (weight, reads if given is None else given.bits): float(found.of(resource))
            for (weight, reads), found in known.table[unit.name].items()
        }
    return table


def learned(
    run: Run,
    known: Survey,
    budget: Budget,
    quantized: Callable[[Mapping[str, Scheme]], Graph],
    cost: Callable[[Graph], Cost],
) -> tuple[dict[str, Scheme], dict[str, Any]]:
    """A scheme for each site, and what led to it as JSON. Errors: ``quantize.budget``."""
    from gatesmith.quant.train.bits import BitSearch, search_bits
    from gatesmith.quantizing.training import fit_options

    resource = resource_of(budget)
    limit = float(budget.limits[resource])
    table = _table(run, known, resource)
    most = {name: max(free) for name, free in known.widths.items()}
    rest = [unit for unit in known.units if unit.name not in table]
    aim = limit - predicted(rest, known.table, most).of(resource)
    start = insert(run.clean, grids_of(quantized(widths(run.recipe, most))))
    options = BitSearch(
        fit_options(run, start), min(run.settings.choices), max(run.settings.choices)
    )
    tried = []
    for _ in range(ROUNDS):
        found = search_bits(
            start,
            run.data.x,
            run.data.y,
            options,
            cost_table=table,
            budget=aim,
            affine=(float(run.data.scale), float(run.data.zero)),
            teacher=run.clean,
            progress=run.progress,
        )
        recipe = widths(run.recipe, found)
        measured = cost(quantized(recipe))
        tried.append({"bits": found, "cost": {name: measured.of(name) for name in RESOURCES}})
        if measured.of(resource) <= limit:
            return recipe, {
                "budget": budget.text,
                "bits": found,
                "chosen_by": "training",
                "cost": tried[-1]["cost"],
                "tried": [],
                "rounds": tried,
            }
        aim *= 0.99 * limit / measured.of(resource)
    nearest = min(int(t["cost"][resource]) for t in tried)
    raise UserError(
        "quantize.budget",
        f"trained widths did not come within {resource}={limit:g}",
        where=f"--budget {budget.text}",
        why=f"the nearest of {ROUNDS} trainings needs {nearest:,}",
        fix=(f"allow {resource}={nearest}", "leave out --learn-bits"),
    )
