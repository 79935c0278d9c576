"""Fewer channels: those that matter least, cut with all that hangs on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Graph, Reals
from gatesmith.prune.cut import cut
from gatesmith.prune.dependency import find_structure
from gatesmith.prune.importance import unit_scores
from gatesmith.prune.layer_ratios import by_layer_ratios
from gatesmith.prune.refit import kept_channels, refit
from gatesmith.prune.schedule import Schedule, ratio_at
from gatesmith.prune.select import Budget, Ratio, select
from gatesmith.prune.sensitivity import unit_curves
from gatesmith.prune.structure import Structure
from gatesmith.pruning.counts import counts, totals
from gatesmith.pruning.session import Session, shares
from gatesmith.pruning.target import coster, limits
from gatesmith.quant.prepare.channels_last import channels_last

Scores = Mapping[str, Reals]
Removed = Mapping[str, tuple[int, ...]]
Rising = Callable[[float], float]
"""A final ratio to the one of this round."""

RATIOS = (0.25, 0.5, 0.75)
"""Of one group, that sensitivity tries."""

LEAST = 0.05
"""Proportion of a group that sensitivity would leave whole: the others may not suffice."""

ROUNDS = 8
"""Most steps in which a gradual schedule cuts."""


def with_fewer_channels(session: Session) -> Graph:
    """The network without the channels that matter least, fine-tuned. Errors: ``prune.*``."""
    settings = session.settings
    plan = Schedule.parse(settings.schedule)
    rounds = max(1, min(ROUNDS, settings.epochs)) if plan.kind == "gradual" else plan.rounds
    epochs = shares(settings.epochs, rounds)
    whole = find_structure(session.clean)
    _check(session, whole)
    graph = session.clean
    for number in range(rounds):
        # gradual is at its final ratio when the last round has cut, not when it begins
        at = number + 1 if plan.kind == "gradual" else number
        graph = _cut(session, graph, partial(ratio_at, plan, step=at, steps=rounds))
        name = "pruned" if rounds == 1 else f"pruned, step {number + 1}"
        session.step(name, session.measure(graph))
        graph = session.trained(graph, epochs[number], number)
        if epochs[number]:
            session.step("fine-tuned", session.measure(graph))
    left = {name: group.count for group in find_structure(graph).groups for name in group.layers}
    for group in whole.groups:
        stay = min((left[name] for name in group.layers if name in left), default=1)
        session.removed[group.name] = f"{group.count - stay} of {group.count} channels"
    return graph


def _cut(session: Session, graph: Graph, now: Rising) -> Graph:
    """One round: first the layers that have ratios of their own, then the rest."""
    settings = session.settings
    structure = find_structure(graph)
    scores = _scores(session, graph, structure)
    limit: dict[str, Any] = dict(round_to=settings.multiple, most=settings.most)
    own = _own(session, structure, now)
    if own:
        gone = select(graph, structure, scores, None, by_layer=own, **limit)
        if settings.ratio is None and settings.budget is None:
            return _without(session, graph, structure, gone)
        named = set(own)
        rest = {
            group.name: scores[group.name]
            for group in structure.groups
            if group.name in scores and not named & set(group.layers)
        }
        graph = _without(session, graph, structure, gone)
        structure, scores = find_structure(graph), rest
    ratios = _proportions(session, graph, structure, scores, now)
    target = _target(session, graph, now)
    chosen = select(graph, structure, scores, target, by_layer=ratios, **limit)
    return _without(session, graph, structure, chosen)


def _without(session: Session, graph: Graph, structure: Structure, gone: Removed) -> Graph:
    """The graph without some units; what is left makes up for them, where there is data."""
    smaller, sample = cut(graph, gone), session.sample()
    if sample is None:
        return smaller
    kept = kept_channels(graph, structure, gone)
    return refit(graph, smaller, kept, sample.x, session.runner, progress=session.progress)


def _scores(session: Session, graph: Graph, structure: Structure) -> Scores:
    """Of each group; gamma looks at the batch norms of the network as it was read."""
    settings, sample = session.settings, session.sample()
    name = settings.criterion_name
    if settings.criterion is None and (sample is None or find_spec("torch") is None):
        name = "l2"
    if name != "gamma" or graph is not session.clean:
        return unit_scores(graph, structure, name, sample, settings.seed)
    unfolded = channels_last(session.imported.graph)
    found = unit_scores(unfolded, find_structure(unfolded), name, sample, settings.seed)
    fits = {group.name: group.count for group in structure.groups}
    return {group: score for group, score in found.items() if fits.get(group) == len(score)}


def _own(session: Session, structure: Structure, now: Rising) -> dict[str, float]:
    """Ratio of each layer that the user named, this round. Errors: ``prune.fixed-layer``."""
    settings = session.settings
    part = now(1.0)
    counts_before = {
        name: group.count for group in find_structure(session.clean).groups for name in group.layers
    }
    left = {name: group.count for group in structure.groups for name in group.layers}
    return {
        name: max(0.0, 1 - (1 - part * ratio) * counts_before[name] / left[name])
        for name, ratio in settings.layers.items()
        if name in left
    }


def _target(session: Session, graph: Graph, now: Rising) -> Ratio | Budget:
    settings = session.settings
    if settings.budget is not None:
        found = limits(settings.budget)
        return Budget(coster(session, found), found)
    assert settings.ratio is not None
    return Ratio(settings.of, _rest(session, graph, now(settings.ratio)))


def _rest(session: Session, graph: Graph, ratio: float) -> float:
    """Part of what is left that goes, where ``ratio`` is a part of the whole network."""
    of = session.settings.of
    whole, left = _amount(session.clean, of), _amount(graph, of)
    return max(0.0, 1 - (1 - ratio) * whole / left)


def _amount(graph: Graph, of: str) -> int:
    if of == "units":
        return sum(group.count for group in find_structure(graph).groups)
    return totals(graph)[of]


def _proportions(
    session: Session, graph: Graph, structure: Structure, scores: Scores, now: Rising
) -> dict[str, float] | None:
    """Proportions of the groups: by how the loss rises, or equal ones; None: least scores first."""
    settings = session.settings
    if not settings.sensitivity or settings.ratio is None:
        if settings.scope_name == "global":
            return None
        return {group.name: 1 - LEAST for group in structure.groups if group.name in scores}
    curves = unit_curves(
        graph, structure, scores, RATIOS, session.sample(), progress=session.progress
    )
    for name in curves.loss:
        rises = zip(curves.ratios, curves.rise(name), strict=True)
        session.sensitivity += [(name, ratio, rise) for ratio, rise in rises]
    work = {row.name: row.macs for row in counts(graph)}
    sizes = {
        group.name: sum(work[name] for name in group.layers)
        for group in structure.groups
        if group.name in curves.loss
    }
    share = _rest(session, graph, now(settings.ratio))
    found = by_layer_ratios(curves, min(share, max(RATIOS)), sizes)
    return {name: max(ratio, LEAST) for name, ratio in found.items()}


def _check(session: Session, structure: Structure) -> None:
    """Layers that the user names and that cannot be cut. Errors: ``prune.fixed-layer``."""
    known = {name: group for group in structure.groups for name in group.layers}
    errors = []
    for name, asked in session.settings.layers.items():
        if name in known and asked < 1:
            continue
        why = structure.fixed.get(name, "there is no such layer")
        if name in known:
            why = "nothing would be left of it"
        errors.append(
            UserError(
                "prune.empties-layer" if name in known else "prune.fixed-layer",
                f"{name} cannot be cut",
                where=f"--layer {name}={asked:g}",
                why=why,
                fix=(f"the layers that can be: {', '.join(known) or 'none'}",),
            )
        )
    if not structure.groups:
        reasons = "; ".join(f"{name}: {why}" for name, why in structure.fixed.items())
        errors.append(
            UserError(
                "prune.fixed-layer",
                "no channel of the network can be cut",
                where=session.model.name,
                why=reasons or "it has no layer with weights",
                fix=("prune single weights: --kind unstructured or nm",),
            )
        )
    ratio = session.settings.ratio
    if ratio is not None and ratio >= 1:
        errors.append(
            UserError(
                "prune.empties-layer",
                "nothing would be left of the network",
                where=f"--ratio {ratio:g}",
                why="every layer keeps one channel at least",
                fix=("ask for a ratio below 1, such as 0.5",),
            )
        )
    raise_all(errors)
