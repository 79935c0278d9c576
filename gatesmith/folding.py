"""From the integer graph and a target to the design: folds, plan, FIFO depths, and limits kept.

    cycles, fps         the cheapest folds at that interval (codegen/fold.py)
    limits alone        the fastest design within them (codegen/fold_search.py)
    cycles and limits   the cheapest design at that interval within them
    latency             the cheapest design found for it (codegen/fold_latency.py)

FIFOs get their depths when the folds are chosen, so limits are first searched without them. What
the FIFOs take is then taken off the limits, and the search goes on from the interval it had found,
until all of the design fits; their widths and converters were part of the choice from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gatesmith.codegen.design import Design
from gatesmith.codegen.fold import Target, budget, cheapest_of, memory_of, out_of_reach
from gatesmith.codegen.fold_latency import Latencies
from gatesmith.codegen.fold_model import Choice, Memory
from gatesmith.codegen.fold_search import Fit, Search, intervals, within
from gatesmith.codegen.lane_costs import block_rams
from gatesmith.codegen.latency import latency
from gatesmith.codegen.plan import check_target, plan
from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Graph

ROUNDS = 6
"""Times that limits are made tighter by what FIFOs take."""

WORDS = {
    "lut": "LUTs",
    "ff": "flip-flops",
    "dsp": "DSP blocks",
    "bram": "block RAMs of 18 kbit",
    "ram_bits": "bits of block RAM",
}
"""What can be limited, and what it is called."""


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """A design and how it was chosen.

    Attributes:
        target: What was asked for.
        memory: Of the search, for more questions.
        choice: The folds.
        design: With its FIFOs.
        proven: Whether the choice is the best there is, FIFOs aside; None where that is not known
            (latency).
        gap: Of a choice within limits, what a cheaper one could save at most, of the price.
    """

    target: Target
    memory: Memory
    choice: Choice
    design: Design
    proven: bool | None
    gap: float = 0.0


def used(design: Design) -> dict[str, int]:
    """What a design takes, by names of WORDS."""
    cost = design.cost
    blocks = sum(block_rams(stage.cost()) for stage in design)
    return {
        "lut": cost.lut,
        "ff": cost.ff,
        "dsp": cost.dsp,
        "bram": blocks,
        "ram_bits": cost.ram_bits,
    }


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """Folds one graph for one target.

    Attributes:
        graph: The integer graph.
        target: What is asked for.
        name: Of the design.
        sized: Gives a design the depths of its FIFOs.
        memory: Of the search.
    """

    graph: Graph
    target: Target
    name: str
    sized: Callable[[Design], Design]
    memory: Memory

    def fold(self) -> Folded:
        """The design. Errors: ``codegen.*``."""
        target = self.target
        if target.latency is not None:
            return self._latency(target.latency)
        if target.limits is None:
            cycles = budget(self.graph, target)
            raise_all(out_of_reach(self.memory, cycles, target))
            choice = cheapest_of(self.memory, cycles)
            return Folded(target, self.memory, choice, self.designed(choice), choice.exact)
        return self._limited(target.limits)

    def designed(self, choice: Choice) -> Design:
        """The design of a choice, with its FIFOs."""
        design = self.planned(choice)
        check_target(design, self.target)
        return self.sized(design)

    def planned(self, choice: Choice) -> Design:
        """The same before FIFOs have their depths."""
        folds = {node: taken.fold for node, taken in choice.taken.items()}
        return plan(self.graph, folds, self.name, choice.cycles, self.target.input_lanes)

    # ---- limits ---------------------------------------------------------------------------------

    def _limited(self, limits: Mapping[str, int]) -> Folded:
        """Within limits, FIFOs included."""
        tight = dict(limits)
        candidates = intervals(self.memory) if self.target.fastest else ()
        for _ in range(ROUNDS):
            fit = self._fit(tight, candidates)
            if fit.choice is None:
                raise self._too_small(fit, limits, tight)
            design = self.designed(fit.choice)
            takes = used(design)
            over = {name: takes[name] - most for name, most in limits.items() if takes[name] > most}
            if not over:
                return Folded(self.target, self.memory, fit.choice, design, fit.proven, fit.gap)
            for name in over:
                tight[name] = min(tight[name], limits[name] - (takes[name] - fit.choice.of(name)))
            candidates = tuple(c for c in candidates if c >= fit.choice.interval)
        raise self._too_small(fit, limits, tight)

    def _fit(self, limits: Mapping[str, int], candidates: tuple[int, ...]) -> Fit:
        if self.target.fastest:
            return Search(self.memory, limits, candidates).fastest()
        cycles = budget(self.graph, self.target)
        raise_all(out_of_reach(self.memory, cycles, self.target))
        fit = within(self.memory, cycles, limits, by_hand=True)
        assert fit is not None, "every layer has a fold at these cycles"
        return fit

    def _too_small(
        self, fit: Fit, limits: Mapping[str, int], tight: Mapping[str, int]
    ) -> UserError:
        """Limits that cannot be kept: the nearest, and why."""
        nearest = fit.nearest
        fifos = {name: limits[name] - tight[name] for name in limits if tight[name] < limits[name]}
        has = {name: nearest.of(name) + fifos.get(name, 0) for name in limits}
        over = [
            f"{has[name]:,} {WORDS[name]} of {most:,}"
            for name, most in limits.items()
            if has[name] > most
        ]
        how = "no design" if fit.proven else "none of the designs tried, which is no proof,"
        if self.target.fastest:
            at, slower = f"even at {nearest.interval:,} cycles a frame", []
        else:
            at, slower = f"at {nearest.cycles:,} cycles a frame", ["allow more cycles a frame"]
        enough = ",".join(f"{name}={max(has[name], most)}" for name, most in limits.items())
        return UserError(
            "codegen.does-not-fit",
            "the design does not fit",
            where=self.target.said,
            why=f"{how} keeps the limits {at}; the nearest needs {', '.join(over)} (estimated)",
            fix=(
                *slower,
                f"allow more: --budget {enough}",
                "a smaller network: fewer bits, pruning",
            ),
        )

    # ---- latency --------------------------------------------------------------------------------

    def _latency(self, most: int) -> Folded:
        """Within a latency; what FIFOs add to it, they often take away elsewhere."""
        limits = dict(self.target.limits or {})
        candidates, tight = intervals(self.memory), most
        for _ in range(ROUNDS):
            search = Latencies(self.memory, self._measured, candidates, tight, limits)
            choice = search.run()
            if choice is None:
                break
            design = self.designed(choice)
            takes = used(design)
            late = max(0, latency(design) - most)
            over = {name for name in limits if takes[name] > (self.target.limits or {})[name]}
            if not late and not over:
                return Folded(self.target, self.memory, choice, design, None)
            tight -= late
            for name in over:
                limits[name] -= takes[name] - (self.target.limits or {})[name]
        return self._quickest(search, most)

    def _measured(self, choice: Choice) -> tuple[int, int]:
        design = self.planned(choice)
        return design.least_latency, sum(stage.sink.beats for stage in design)

    def _quickest(self, search: Latencies, most: int) -> Folded:
        """The quickest design that was tried, which may do although all others come too late.

        Errors: ``codegen.latency``.
        """
        if search.least is None:  # no stage takes a frame in so few cycles: how many would it be?
            search.quick(len(search.candidates) - 1, 0.0)
        assert search.least is not None, "the slowest design is always one"
        choice = search.least[1]
        design = self.designed(choice)
        fewest, takes = latency(design), used(design)
        limits = dict(self.target.limits or {})
        if fewest <= most and all(takes[name] <= limit for name, limit in limits.items()):
            return Folded(self.target, self.memory, choice, design, None)
        why = (
            f"the quickest of the designs tried takes {fewest:,} cycles, with about "
            f"{choice.of('lut'):,} LUTs and {choice.of('dsp'):,} DSP blocks"
        )
        if fewest <= most:
            why = f"designs quick enough do not keep the limits {limits}"
        raise UserError(
            "codegen.latency",
            f"a latency of {most:,} cycles is out of reach",
            where=self.target.said,
            why=why,
            fix=(f"allow {max(fewest, most):,} cycles or more", "raise --clock-mhz"),
        )


def fold_design(
    graph: Graph, target: Target, name: str, sized: Callable[[Design], Design]
) -> Folded:
    """The design of an integer graph for a target.

    Args:
        graph: The integer graph.
        target: What is asked for.
        name: Of the top module.
        sized: Gives a design the depths of its FIFOs.

    Errors: ``codegen.*``.
    """
    errors: list[UserError] = []
    memory = memory_of(graph, target, budget(graph, target), errors)
    if target.cycles is not None and not target.latency:
        errors += out_of_reach(memory, target.cycles, target)
    raise_all(errors)
    return Folder(graph, target, name, sized, memory).fold()
