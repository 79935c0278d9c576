"""Mixed precision: the way to quant/mixed and back."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from gatesmith.codegen.fold import Target
from gatesmith.data.split import calibration
from gatesmith.errors import UserError
from gatesmith.hardware_cost import cost_table, hardware_cost
from gatesmith.ir import Graph
from gatesmith.quant.calibrate.runner import Frames
from gatesmith.quant.mixed.budget import Budget
from gatesmith.quant.mixed.cost import RESOURCES
from gatesmith.quant.mixed.search import MEASURES, MixedResult, mixed_recipe, survey
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quantizing.learned_bits import learned, resource_of
from gatesmith.task import classifies

if TYPE_CHECKING:
    from gatesmith.quantizing.run import Run

COMPARED = 2000
"""Labelled frames by which choices are compared."""


def choose(
    run: Run, quantized: Callable[[Mapping[str, Scheme]], Graph], sample: Frames
) -> tuple[dict[str, Scheme], dict[str, Any]]:
    """A scheme for each site within the budget, and what led to it as JSON.

    Args:
        run: With its recipe: sites of kind ``int`` get other widths, the others stay.
        quantized: The network for a recipe, done well.
        sample: Calibration frames.

    Errors: ``cli.budget``, ``quantize.budget``, ``quantize.budget-labels``, ``quantize.no-scipy``.
    """
    settings = run.settings
    budget = Budget.parse(settings.budget or "")
    _scipy(settings.budget or "")
    if settings.learn_bits:
        resource_of(budget)
    cycles = settings.cycles or budget.limits.get("cycles")
    target = Target(cycles, {}, "the default target" if cycles is None else f"--cycles {cycles}")
    # An accuracy that is asked for is that of the test data; else those stay unseen.
    labelled = run.test if budget.needs_labels else run.data
    if budget.needs_labels and run.test is not run.data:
        run.notes.append("bits were chosen on the test data: its accuracy is a little optimistic")
    labelled = calibration(labelled, COMPARED, settings.seed + 1)

    def evaluate(graph: Graph) -> float:
        found = run.measure(graph, labelled)
        assert found is not None
        return found

    known = run.measure(run.clean, labelled)
    part = survey(
        run.clean,
        run.sites,
        run.recipe,
        runner=run.runner,
        data=sample,
        make_table=partial(cost_table, target=target, progress=partial(run.progress, "cost")),
        tune=quantized,
        choices=settings.choices,
        fixed=run.fixed,
        measures=MEASURES if classifies(run.clean) else ("mse",),
        compare=labelled.real(),
        progress=run.progress,
    )
    cost = partial(hardware_cost, target=target)
    if settings.learn_bits:
        recipe, told = learned(run, part, budget, quantized, cost)
        return recipe, {**told, "floor": None}
    result = mixed_recipe(
        part,
        budget,
        quantize=quantized,
        cost=cost,
        evaluate=None if known is None else evaluate,
        float_accuracy=known,
        confirm=partial(hardware_cost, target=target, fifos=True),
        progress=run.progress,
    )
    return dict(result.recipe), {
        **_told(result, budget),
        "floor": None if known is None else budget.floor(known),
    }


def _scipy(text: str) -> None:
    if importlib.util.find_spec("scipy") is None:
        raise UserError(
            "quantize.no-scipy",
            "choosing bits needs SciPy",
            where=f"--budget {text}",
            why="the package is not installed",
            fix=('pip install "gatesmith[quantize]"',),
        )


def _told(result: MixedResult, budget: Budget) -> dict[str, Any]:
    """What was chosen, what it costs, what was tried."""

    def cost(found: Any) -> dict[str, int]:
        return {name: found.of(name) for name in RESOURCES}

    chosen = result.chosen
    return {
        "budget": budget.text,
        "bits": dict(chosen.bits),
        "chosen_by": chosen.said,
        "cost": cost(chosen.measured),
        "predicted": cost(chosen.predicted),
        "accuracy_compared": chosen.accuracy,
        "tried": [
            {"by": t.said, "cost": cost(t.measured), "accuracy": t.accuracy} for t in result.tried
        ],
        "sensitivities": {
            measure: {site: {str(b): e for b, e in row.items()} for site, row in errors.items()}
            for measure, errors in result.sensitivities.items()
        },
    }
