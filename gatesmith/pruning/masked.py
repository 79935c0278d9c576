"""Zeros in the weights: anywhere, N of M, or in blocks."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.ir import Graph, Reals
from gatesmith.ops.const import Const
from gatesmith.prune.importance import weight_scores
from gatesmith.prune.layer_ratios import by_layer_ratios
from gatesmith.prune.patterns import Masks, Pattern, apply, masks, pruned_before, sparsity
from gatesmith.prune.refit import refit
from gatesmith.prune.schedule import Schedule, ratio_at
from gatesmith.prune.sensitivity import weight_curves
from gatesmith.pruning.session import Session, shares
from gatesmith.quant.calibrate.layers import layers

RATIOS = (0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Of one layer, that sensitivity tries."""


def with_zeros(session: Session) -> Graph:
    """The network with zeros that stay, fine-tuned. Errors: ``prune.*``."""
    settings = session.settings
    pattern = Pattern.parse(settings.pattern_text)
    plan = Schedule.parse(settings.schedule)
    graph = session.clean
    if plan.kind == "gradual":
        graph = _while_training(session, graph, pattern, plan)
    else:
        epochs = shares(settings.epochs, plan.rounds)
        for number in range(plan.rounds):
            kept = _masks(session, graph, pattern, plan, number)
            before = pruned_before(graph)  # stays zero, where less is asked too
            kept = {name: mask & before.get(name, True) for name, mask in kept.items()}
            graph = _fitted(session, graph, kept)
            name = "pruned" if plan.rounds == 1 else f"pruned, step {number + 1}"
            session.step(name, session.measure(graph))
            graph = session.trained(graph, epochs[number], number, kept)
            if epochs[number]:
                session.step("fine-tuned", session.measure(graph))
    for name, (kept_weights, size) in sparsity(graph).items():
        session.removed[name] = f"{size - kept_weights} of {size} weights"
    return graph


def _fitted(session: Session, graph: Graph, kept: Masks) -> Graph:
    """With zeros; the other weights make up for them, where there is data."""
    sparse, sample = apply(graph, kept), session.sample()
    if sample is None:
        return sparse
    every = {layer.name: list(range(layer.node.type.channels)) for layer in layers(graph)}
    told = session.progress
    return refit(graph, sparse, every, sample.x, session.runner, masks=kept, progress=told)


def _while_training(session: Session, graph: Graph, pattern: Pattern, plan: Schedule) -> Graph:
    from gatesmith.prune.mask_training import Ramp

    settings = session.settings
    if settings.sensitivity:
        raise UserError(
            "cli.contradicting-options",
            "--sensitivity and --schedule gradual do not go together",
            where="gatesmith prune",
            why="sensitivity is measured between trainings, gradual prunes while training",
            fix=("take --schedule iterative:3", "leave out --sensitivity"),
        )
    criterion = settings.criterion_name
    by_layer = dict(settings.layers) or None
    ramp = Ramp(
        *(graph, pattern, plan, _ratio(session), criterion),
        scope=settings.scope_name,
        by_layer=by_layer,
    )
    graph = session.trained(graph, settings.epochs, 0, ramp)
    session.step("pruned while training", session.measure(graph))
    return graph


def _ratio(session: Session) -> float | None:
    """What was asked; N:M may be left to set its own."""
    return session.settings.ratio


def _masks(session: Session, graph: Graph, pattern: Pattern, plan: Schedule, number: int) -> Masks:
    """Masks of one step; weights that are zero already have the least score."""
    settings = session.settings
    sample = session.sample()
    scores = weight_scores(graph, settings.criterion_name, sample, settings.seed)
    zero = {name: _zeros(graph, name) for name in scores}
    low = {name: np.where(zero[name], score.min() - 1.0, score) for name, score in scores.items()}
    ratio = _ratio(session)
    if pattern.kind == "nm":
        kept = pattern.of - (pattern.of - pattern.kept) * (number + 1) // plan.rounds
        step = Pattern("nm", kept, pattern.of) if kept < pattern.of else pattern
        last = step == pattern
        own = {n: float(step.ratio or 0) if r else 0.0 for n, r in settings.layers.items()}
        return masks(graph, low, step, ratio if last else None, by_layer=own or None)
    assert ratio is not None or settings.layers
    final = 0.0 if ratio is None else ratio
    now = ratio_at(plan, final, number, plan.rounds)
    own = {
        name: ratio_at(plan, share, number, plan.rounds) for name, share in settings.layers.items()
    }
    if settings.sensitivity:
        own = {**_by_sensitivity(session, graph, low, pattern, now), **own}
    share = None if ratio is None else now
    return masks(graph, low, pattern, share, scope=settings.scope_name, by_layer=own or None)


def _zeros(graph: Graph, name: str) -> NDArray[np.bool_]:
    node = next(node for node in graph if node.name == name)
    assert isinstance(node.op, Const)
    zero: NDArray[np.bool_] = node.op.value.data == 0
    return zero


def _by_sensitivity(
    session: Session, graph: Graph, scores: dict[str, Reals], pattern: Pattern, ratio: float
) -> dict[str, float]:
    """Ratio of each layer's weights."""
    tried = sorted({*RATIOS, ratio})
    curves = weight_curves(
        graph, scores, pattern, tried, session.sample(), progress=session.progress
    )
    for name in curves.loss:
        session.sensitivity += [
            (name, at, rise) for at, rise in zip(curves.ratios, curves.rise(name), strict=True)
        ]
    sizes = {name: int(score.size) for name, score in scores.items()}
    return by_layer_ratios(curves, float(Fraction(repr(ratio))), sizes)
