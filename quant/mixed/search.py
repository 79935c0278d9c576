"""Bits for each site of a network, so that it keeps a budget.

1. trials: grids of every site at every width, and weights tuned for it   trial.py
2. sensitivities: what error each makes at the outputs   sensitivity.py, fisher.py
3. table: what each layer costs at each pair of widths   gatesmith/hardware_cost.py, from outside
4. choose: the integer program                           optimise.py
5. measure: the real cost and, with labels, the accuracy of what was chosen. Where a design is
   larger than the table said, the program is solved again with limits as much smaller.
6. with a least accuracy: the same within ever smaller prices, by bisection, for the cheapest
   network that is as good.

With labels several measures of sensitivity, the best uniform choice of widths, and the neighbours
of the best of these (refine.py), compete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.calibrate.runner import Frames, Runner, count
from gatesmith.quant.mixed.budget import Budget
from gatesmith.quant.mixed.cost import Cost, Table, Unit
from gatesmith.quant.mixed.hunt import Bits, Hunt, Problem, Tried, key_of
from gatesmith.quant.mixed.optimise import Errors
from gatesmith.quant.mixed.sensitivity import divergence, joint_error, output_errors
from gatesmith.quant.mixed.trial import Progress, Trials, quiet, trials
from gatesmith.quant.mixed.units import units_of, widths_of
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import WEIGHT, Site

CHOICES = (2, 3, 4, 6, 8)
"""Widths to choose from."""

MEASURES = ("kl", "mse")
"""Measures of sensitivity that compete; ``fisher`` is the third, and needs torch."""

_FINE = 8  # from so many bits on rounding to the nearest loses too little to be tuned


MakeTable: TypeAlias = Callable[
    [Sequence[Unit], Sequence[Site], Mapping[str, Sequence[int]], Callable[[Bits], Graph]], Table
]
"""hardware_cost.cost_table for a target."""


@dataclass(frozen=True, slots=True, eq=False)
class MixedResult:
    """What was chosen.

    Attributes:
        recipe: Scheme of each site.
        graph: The network on its grids.
        chosen: The choice and its measures.
        sensitivities: Error of each site at each width, by measure.
        tried: Everything that was measured, in that order.
    """

    recipe: Mapping[str, Scheme]
    graph: Graph
    chosen: Tried
    sensitivities: Mapping[str, Errors]
    tried: tuple[Tried, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What is known of a network before a budget is given; serves any number of budgets.

    Attributes:
        trials: The network and quick grids.
        units: Its parts.
        widths: That each site may have.
        sensitivities: Error of each site at each width, by measure.
        table: Cost of each unit at each pair of widths.
        joint: Error of a choice of widths for all sites.
        divergence: Error of a network on the frames by which choices are compared; or None.
        compared: Number of those.
    """

    trials: Trials
    units: Sequence[Unit]
    widths: Mapping[str, Sequence[int]]
    sensitivities: Mapping[str, Errors]
    table: Table
    joint: Callable[[Bits], float]
    divergence: Callable[[Graph], float] | None
    compared: int


def survey(
    graph: Graph,
    sites: Sequence[Site],
    schemes: Mapping[str, Scheme],
    *,
    runner: Runner,
    data: Frames,
    make_table: MakeTable,
    tune: Callable[[Mapping[str, Scheme]], Graph] | None = None,
    choices: Sequence[int] = CHOICES,
    measures: Sequence[str] = MEASURES,
    fixed: Mapping[str, Grid] | None = None,
    compare: Frames | None = None,
    progress: Progress = quiet,
) -> Survey:
    """Steps 1 to 3.

    Args:
        graph: Real, tidied, without quantizers.
        sites: Of the graph.
        schemes: Of each site; those of weights and activations that are ``int`` get other widths.
        runner: Runs real graphs.
        data: A few hundred frames.
        make_table: Cost of every unit; gatesmith/hardware_cost.py.
        tune: The network with the sites of a recipe on grids, and all others real, done well
            (calibrate/post_training.py, without equalization). Called with the weights alone, once
            for each width below 8, so that sensitivities are those of weights rounded to fit.
        choices: Widths to choose from.
        measures: Of sensitivity: ``kl`` (outputs are scores of classes), ``mse``, ``fisher``. The
            first counts where there are no labels.
        fixed: Grids that are given.
        compare: The frames whose labels ``evaluate`` of :func:`mixed_recipe` has. Of networks whose
            accuracy on so many frames is the same but for chance, then the one nearest to float is
            taken.
        progress: Told what is being done.
    """
    widths = widths_of(sites, schemes, choices)
    quick = trials(graph, sites, schemes, runner, data, fixed=fixed)
    weights = [s.name for s in sites if s.role == WEIGHT and len(widths[s.name]) > 1]
    tuned = [bits for bits in sorted(choices) if bits < _FINE] if tune and weights else []
    for done, bits in enumerate(tuned):
        assert tune is not None
        progress("weights", done, len(tuned))
        quick.learn(bits, tune({name: schemes[name].at(bits) for name in weights}))
    measured: dict[str, Errors] = {}
    if set(measures) - {"fisher"}:
        measured |= output_errors(quick, widths, runner, data, progress=progress)
    if "fisher" in measures:
        measured["fisher"] = _fisher(quick, widths, data, progress)
    errors = {measure: measured[measure] for measure in measures}
    units = units_of(graph, sites)
    progress("cost", 0, 1)
    table = make_table(units, sites, widths, quick.quantized)
    measure = "mse" if measures[0] == "mse" else "kl"
    joint = joint_error(quick, runner, data, measure)
    distance = None if compare is None else divergence(graph, runner, compare, measure)
    compared = 0 if compare is None else count(compare)
    return Survey(quick, units, widths, errors, table, joint, distance, compared)


def mixed_recipe(
    known: Survey,
    budget: Budget,
    *,
    quantize: Callable[[Mapping[str, Scheme]], Graph],
    cost: Callable[[Graph], Cost],
    evaluate: Callable[[Graph], float] | None = None,
    float_accuracy: float | None = None,
    confirm: Callable[[Graph], Cost] | None = None,
    progress: Progress = quiet,
) -> MixedResult:
    """Choose a scheme for each site within a budget: steps 4 to 6.

    Args:
        known: Of the network.
        budget: Limits, and a least accuracy.
        quantize: The network on grids for a scheme of each site, done well.
        cost: Of a network on grids.
        evaluate: Accuracy of a network on grids, 0 to 1; a least accuracy needs it.
        float_accuracy: That of the float network, for a least accuracy relative to it.
        confirm: Cost as ``cost``, exact and slow (with the depths of FIFOs): the chosen network has
            to keep the limits by it as well.
        progress: Told what is being done.

    Raises:
        UserError: ``quantize.budget``: no choice keeps the budget; ``quantize.budget-labels``: an
            accuracy was asked for, and there are no labels.
    """
    if budget.needs_labels and evaluate is None:
        raise _no_labels(budget)
    if budget.drop is not None and float_accuracy is None:
        raise ValueError("an accuracy below the float network's needs float_accuracy")
    used = list(known.sensitivities) if evaluate is not None else list(known.sensitivities)[:1]
    errors = {measure: known.sensitivities[measure] for measure in used}
    sites, schemes = tuple(known.trials.sites.values()), known.trials.schemes
    problem = Problem(
        known.units, sites, schemes, known.widths, known.table, errors, budget, known.trials
    )
    hunt = Hunt(problem, quantize, cost, evaluate, progress, known.joint)
    hunt.divergence, hunt.compared = known.divergence, known.compared
    floor = budget.floor(0.0 if float_accuracy is None else float_accuracy)
    chosen = hunt.confirmed(floor, confirm)
    return MixedResult(
        problem.recipe(chosen.bits),
        hunt.graphs[key_of(chosen.bits)],
        chosen,
        errors,
        tuple(hunt.tried),
    )


def _fisher(
    quick: Trials, widths: Mapping[str, Sequence[int]], data: Frames, progress: Progress
) -> Errors:
    from gatesmith.quant.mixed.fisher import fisher_errors  # torch

    return fisher_errors(quick, widths, data, progress=progress)


def _no_labels(budget: Budget) -> UserError:
    return UserError(
        "quantize.budget-labels",
        "an accuracy cannot be kept that cannot be measured",
        where=f"--budget {budget.text}",
        why="the data has no labels",
        fix=("give labels with the data", "leave the accuracy out of the budget"),
    )
