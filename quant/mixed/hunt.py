"""Choices of widths measured, until the best or the cheapest is found.

A choice comes from the integer program on the table of costs; its real design may be larger. Then
the program is solved again with limits as much smaller, a few times. For a least accuracy the price
is bisected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import sqrt
from typing import TypeAlias

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.quant.mixed.budget import Budget
from gatesmith.quant.mixed.cost import Cost, Table, Unit, predicted
from gatesmith.quant.mixed.optimise import (
    PRICE,
    Errors,
    NoChoiceError,
    choose_bits,
    exceeded,
    out_of_budget,
)
from gatesmith.quant.mixed.refine import refined, within
from gatesmith.quant.mixed.trial import Progress, Trials
from gatesmith.quant.mixed.units import ties_of
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import WEIGHT, Site

_ROUNDS = 5  # of correcting limits
_CORRECTED = 1  # so often even where the design fits
_NEAR = 1.15  # the table may be so much too high for a uniform choice to be looked at
_STEPS = 7  # of the bisection
_MARGIN = 0.999  # a limit is made so much smaller than the ratio says

Bits: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tried:
    """A choice of widths that was measured.

    Attributes:
        bits: Of each site.
        said: By which measure it was chosen; ``uniform``.
        error: Sum of the sensitivities by that measure.
        predicted: Cost by the table.
        measured: Cost of the design.
        accuracy: 0 to 1; None without labels.
        divergence: From the float network; 0 where it was not measured.
    """

    bits: Bits
    said: str
    error: float
    predicted: Cost
    measured: Cost
    accuracy: float | None
    divergence: float = 0.0


def key_of(bits: Bits) -> tuple[tuple[str, int], ...]:
    """The choice as something that can be looked up."""
    return tuple(sorted(bits.items()))


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Everything that is known before a choice is measured."""

    units: Sequence[Unit]
    sites: Sequence[Site]
    schemes: Mapping[str, Scheme]
    widths: Mapping[str, Sequence[int]]
    table: Table
    errors: Mapping[str, Errors]
    budget: Budget
    quick: Trials

    def recipe(self, bits: Bits) -> dict[str, Scheme]:
        """Scheme of each site."""
        return {
            name: self.schemes[name]
            if self.schemes[name].bits == width
            else self.schemes[name].at(width)
            for name, width in bits.items()
        }

    def choose(self, measure: str, limits: Mapping[str, float]) -> dict[str, int]:
        """The least error by a measure; NoChoiceError."""
        return choose_bits(
            self.units, self.errors[measure], self.table, limits, ties_of(self.sites)
        )

    def error(self, measure: str, bits: Bits) -> float:
        """Sum over the sites."""
        return sum(self.errors[measure][name][width] for name, width in bits.items())

    def uniform(self) -> Iterator[dict[str, int]]:
        """Choices with one width for the weights and one for the activations."""
        free = {s.name: s.role == WEIGHT for s in self.sites if len(self.widths[s.name]) > 1}
        choices = sorted({width for name in free for width in self.widths[name]})
        for weights, reads in product(choices, repeat=2):
            yield {
                s.name: (weights if free[s.name] else reads)
                if s.name in free
                else self.widths[s.name][0]
                for s in self.sites
            }


@dataclass(slots=True, eq=False)
class Hunt:
    """Choices being measured."""

    problem: Problem
    quantize: Callable[[Mapping[str, Scheme]], Graph]
    cost: Callable[[Graph], Cost]
    evaluate: Callable[[Graph], float] | None
    progress: Progress
    joint: Callable[[Bits], float] | None = None
    divergence: Callable[[Graph], float] | None = None
    compared: int = 0
    tried: list[Tried] = field(default_factory=list)
    graphs: dict[tuple[tuple[str, int], ...], Graph] = field(default_factory=dict)

    def confirmed(self, floor: float | None, confirm: Callable[[Graph], Cost] | None) -> Tried:
        """The best, or the cheapest of a least accuracy, whose exact cost keeps the limits.

        Where it does not, limits are made smaller by the ratio and the hunt goes on.
        """
        asked = self.problem.budget
        exact: Tried | None = None
        for _ in range(_ROUNDS):
            try:
                chosen = self.best() if floor is None else self.cheapest(floor)
            except UserError as error:
                if exact is None:
                    raise
                raise self._exactly(asked, exact) from error
            if confirm is None:
                return chosen
            self.progress("confirm", 0, 1)
            exact = replace(chosen, measured=confirm(self.graphs[key_of(chosen.bits)]))
            over = asked.exceeded(exact.measured)
            if not over:
                return exact
            inner = dict(self.problem.budget.limits)
            for name in over:
                ratio = asked.limits[name] / exact.measured.of(name)
                inner[name] = min(
                    int(ratio * chosen.measured.of(name)), chosen.measured.of(name) - 1
                )
            self.problem = replace(self.problem, budget=replace(asked, limits=inner))
        assert exact is not None
        raise self._exactly(asked, exact)

    @staticmethod
    def _exactly(asked: Budget, last: Tried) -> UserError:
        why = "of the designs tried the last, FIFOs and all, is this"
        return out_of_budget(asked.text, asked.limits, last.measured, why)

    def best(self) -> Tried:
        """The best that keeps the limits; UserError quantize.budget."""
        return self._best_of(self._competitors(dict(self.problem.budget.limits)))

    def cheapest(self, floor: float) -> Tried:
        """The cheapest within the limits that is as accurate; UserError quantize.budget."""
        limits = dict(self.problem.budget.limits)
        fitting = self._competitors(limits)
        good = [one for one in fitting if _reaches(one, floor)]
        if not good:
            raise self._not_reached(min(fitting, key=_rank), floor)
        best = min(good, key=_rank).said
        measure = best if best in self.problem.errors else next(iter(self.problem.errors))
        low, high = self._least_price(), min(one.predicted.price for one in good)
        for _ in range(_STEPS):
            if high - low < 0.01 * high:
                break
            middle = (low + high) / 2
            try:
                bits = self.problem.choose(measure, {**limits, PRICE: middle})
            except NoChoiceError:
                low = middle
                continue
            one = self._measure(bits, measure)
            if _reaches(one, floor) and not self._over(one):
                good.append(one)
                high = one.predicted.price
            else:
                low = middle
        return min(good, key=lambda one: one.measured.price)

    def _least_price(self) -> float:
        try:
            self.problem.choose(next(iter(self.problem.errors)), {PRICE: 0})
        except NoChoiceError as error:
            return error.cost.price
        return 0.0

    def _competitors(self, limits: Mapping[str, float]) -> list[Tried]:
        """Choices of each measure, the best uniform one, and what refining makes of the best.

        Only those that keep the limits; UserError quantize.budget where there is none.
        """
        for measure in self.problem.errors:
            self._within(measure, limits)
        if self.evaluate is not None:
            self._uniform(limits)
        if self._fitting() and self.joint is not None:
            self._refine(self._best_of(self._fitting()), limits)
        if not self._fitting():
            raise out_of_budget(
                self.problem.budget.text,
                self.problem.budget.limits,
                min(self.tried, key=self._excess).measured,
                "of the designs tried the nearest is this",
            )
        return self._fitting()

    def _best_of(self, fitting: Sequence[Tried]) -> Tried:
        """The most accurate; of those that are so but for chance, the nearest to float."""
        best = min(fitting, key=_rank)
        if best.accuracy is None or self.divergence is None:
            return best
        chance = sqrt(best.accuracy * (1 - best.accuracy) / max(self.compared, 1))
        equal = [one for one in fitting if _reaches(one, best.accuracy - chance)]
        return min(equal, key=lambda one: (one.divergence, one.measured.price))

    def _fitting(self) -> list[Tried]:
        return [one for one in self.tried if not self._over(one)]

    def _within(self, measure: str, limits: Mapping[str, float]) -> None:
        """Measure choices by a measure, each with limits corrected by the design before.

        Ends with one that fits, twice corrected, so that what the table counts too much is used.
        """
        inner = dict(limits)
        for done in range(_ROUNDS):
            try:
                bits = self.problem.choose(measure, inner)
            except NoChoiceError as error:
                if done:
                    return
                text, whole = self.problem.budget.text, self.problem.budget.limits
                raise out_of_budget(text, whole, error.cost, _nearest(error.bits)) from error
            known = len(self.tried)
            one = self._measure(bits, measure)
            fits = not self._over(one)
            if fits and (done >= _CORRECTED or len(self.tried) == known):
                return
            inner = _corrected(inner, limits, one)

    def _uniform(self, limits: Mapping[str, float]) -> None:
        """Measure the uniform choices of the least error that keep the limits."""
        problem = self.problem
        measure = next(iter(problem.errors))
        near = {name: _NEAR * most for name, most in limits.items()}
        fits = within(problem.units, problem.table, near)
        fitting = sorted(filter(fits, problem.uniform()), key=lambda b: problem.error(measure, b))
        found = 0
        for bits in fitting:
            same = len({bits[name] for name, own in problem.widths.items() if len(own) > 1}) == 1
            if found and not same:  # the best of all, and the best with one width for everything
                continue
            if not exceeded(self.cost(problem.quick.quantized(bits)), limits):
                self._measure(bits, "uniform")
                found += 1
                if same:
                    return

    def _refine(self, start: Tried, limits: Mapping[str, float]) -> None:
        """Measure the best near a choice, by the error of the whole network."""
        assert self.joint is not None
        problem = self.problem
        errors = problem.errors[
            start.said if start.said in problem.errors else next(iter(problem.errors))
        ]
        fits = within(problem.units, problem.table, _corrected(dict(limits), limits, start))
        self.progress("refine", 0, 1)
        bits = refined(start.bits, self.joint, errors, fits, tied=ties_of(problem.sites))
        self._measure(bits, "joint")

    def _measure(self, bits: Bits, said: str) -> Tried:
        """Quantize well and measure; at once for what was measured before."""
        problem = self.problem
        for old in self.tried:
            if old.bits == bits:
                return old
        self.progress("mixed", len(self.tried), len(self.tried) + 1)
        graph = self.quantize(problem.recipe(bits))
        self.graphs[key_of(bits)] = graph
        measure = said if said in problem.errors else next(iter(problem.errors))
        one = Tried(
            dict(bits),
            said,
            problem.error(measure, bits),
            predicted(problem.units, problem.table, bits),
            self.cost(graph),
            None if self.evaluate is None else self.evaluate(graph),
            0.0 if self.divergence is None else self.divergence(graph),
        )
        self.tried.append(one)
        return one

    def _over(self, one: Tried) -> bool:
        return bool(self.problem.budget.exceeded(one.measured))

    def _excess(self, one: Tried) -> float:
        limits = self.problem.budget.limits
        return max(one.measured.of(name) / max(most, 1) for name, most in limits.items())

    def _not_reached(self, best: Tried, floor: float) -> UserError:
        accuracy = best.accuracy or 0.0
        limits = self.problem.budget.limits
        within = " within the limits" if limits else ""
        return UserError(
            "quantize.budget",
            f"no choice of bits is {100 * floor:.2f} percent accurate{within}",
            where=f"--budget {self.problem.budget.text}",
            why=f"the best of {len(self.tried)} reaches {100 * accuracy:.2f} percent; it takes "
            f"{best.measured}",
            fix=(
                *([f"allow more of {', '.join(limits)}"] if limits else []),
                f"ask for accuracy>={100 * accuracy:.2f} or less",
                "train the quantized network: --train EPOCHS",
            ),
        )


def _rank(one: Tried) -> tuple[float, float]:
    """The most accurate first, then the cheapest; without labels the least error."""
    if one.accuracy is None:
        return (one.error, one.measured.price)
    return (-one.accuracy, one.measured.price)


def _reaches(one: Tried, floor: float) -> bool:
    return one.accuracy is not None and one.accuracy >= floor


def _corrected(
    inner: Mapping[str, float], limits: Mapping[str, float], one: Tried
) -> dict[str, float]:
    """Limits for the table, as its number for a choice stands to the design's."""
    new = dict(inner)
    for name, most in limits.items():
        said, has = one.predicted.of(name), one.measured.of(name)
        if has > 0 and said > 0:
            new[name] = most * said / has
        if has > most:  # further down whatever the ratio says
            new[name] = min(_MARGIN * new[name], new[name], inner[name], said - 1)
    return new


def _nearest(bits: Bits) -> str:
    widths = sorted(set(bits.values()))
    return f"the choice that comes nearest has {', '.join(map(str, widths))} bits"
