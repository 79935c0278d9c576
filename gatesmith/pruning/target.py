"""``--budget``: what the pruned network may cost, in hardware or in work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gatesmith.errors import UserError
from gatesmith.ir import Graph
from gatesmith.pruning.counts import totals
from gatesmith.pruning.session import Session
from gatesmith.quant.mixed.budget import Budget
from gatesmith.quant.mixed.cost import RESOURCES

WORK = ("macs", "parameters")


def limits(text: str) -> dict[str, float]:
    """Most of each, by name. Errors: ``cli.budget``."""
    found = Budget.parse(text, known=(*WORK, *RESOURCES))
    if found.needs_labels or not found.limits:
        raise UserError(
            "cli.budget",
            "an accuracy is no limit that channels can be cut to",
            where=f"--budget {text}",
            why="what is cut follows from costs; accuracy is measured after it",
            fix=(
                'limit a cost: --budget "lut=20000"',
                f"there are {', '.join((*WORK, *RESOURCES))}",
            ),
        )
    return {name: float(most) for name, most in found.limits.items()}


def coster(session: Session, wanted: Mapping[str, float]) -> Callable[[Graph], Mapping[str, float]]:
    """Costs of a graph: hardware is planned only where a limit asks for it.

    Cycles are those of the pruned network for the price of the whole one.
    """

    def costs(graph: Graph) -> dict[str, float]:
        found: dict[str, float] = {name: float(n) for name, n in totals(graph).items()}
        if set(wanted) - set(WORK):
            integer = session.coster.integer(graph)
            cost = session.coster.planned(integer).cost
            found |= {name: float(cost.of(name)) for name in RESOURCES}
            if "cycles" in wanted:
                found["cycles"] = float(session.coster.fastest(integer, session.clean))
        return found

    return costs
