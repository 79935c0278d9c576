"""Layers split into smaller ones in a row, where the hardware gets cheaper by it."""

from __future__ import annotations

from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import Graph
from gatesmith.prune.low_rank.counts import multiplications
from gatesmith.prune.low_rank.decompose import Cost, decompose
from gatesmith.pruning.session import Session


def decomposed(session: Session) -> Graph:
    """The network with layers split, fine-tuned. Errors: ``prune.low-rank``."""
    settings = session.settings
    sample = session.sample()
    found = decompose(
        session.clean,
        settings.kind,
        ratio=settings.ratio,
        energy=settings.energy,
        cost=_cost(session),
        round_to=settings.multiple,
        sample=None if sample is None else sample.x,
        runner=session.runner,
    )
    for row in found.rows:
        ranks = ", ".join(map(str, row.ranks))
        session.removed[row.layer] = f"ranks {ranks}" if row.split else f"not split: {row.why}"
    if not any(row.split for row in found.rows):
        raise UserError(
            "prune.nothing",
            f"--kind {settings.kind} splits no layer",
            where=session.model.name,
            why="; ".join(f"{row.layer}: {row.why}" for row in found.rows) or "it has no layer",
            fix=("ask for more: a larger --ratio or a smaller --energy", "take another --kind"),
        )
    session.step("split", session.measure(found.graph))
    graph = session.trained(found.graph, settings.epochs)
    if settings.epochs:
        session.step("fine-tuned", session.measure(graph))
    return graph


def _cost(session: Session) -> Cost:
    """Price of the hardware in LUTs; multiplications of a network that cannot be built."""
    try:
        session.coster.plan(session.clean)
    except (UserError, UserErrors):
        session.notes.append("the hardware cannot be planned: layers are split by multiplications")
        return multiplications
    return lambda graph: session.coster.plan(graph).cost.price
