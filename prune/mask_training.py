"""Training with zeros that stay: of a float network or of one with quantizers.

After every step of the optimizer the weights that a mask takes away are set to zero again, so that
every forward pass sees the pruned network, and the graph that is written back has exact zeros. The
gradients of the others are those of the pruned network. Quantizers with a zero leave zeros zero;
the batch norm that ``normalize`` puts behind a layer does not touch its weights.

Pruning while training: masks that come from a function of the time and of the weights as they are.
Weights that are zero already have the least magnitude, so a later mask holds an earlier one's.

Imported only when asked for: it needs torch (extra ``train``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatesmith.errors import UserError
from gatesmith.ir import Graph, Reals
from gatesmith.prune.importance.magnitude import lamp
from gatesmith.prune.patterns import Masks, Pattern, check_zero, masks, pruned_before
from gatesmith.prune.schedule import Schedule
from gatesmith.quant.calibrate.layers import layers
from gatesmith.quant.train.fit import Fitted, Pair, Progress, Training
from gatesmith.quant.train.module import GraphModule
from gatesmith.quant.train.options import FitOptions

Rising: TypeAlias = Callable[[Fraction, Mapping[str, Reals]], Masks]
"""Masks at a time from 0 (start) to 1 (end) for the weights as they are then, by Const name."""

UPDATES = 8
"""Times an epoch that rising masks are chosen anew."""

WHILE_TRAINING = ("l1", "l2", "lamp")
"""Criteria that need nothing but the weights as they are."""


class MaskSearch:
    """A Search of quant/train/fit.py that keeps weights at zero.

    Args:
        kept: Masks by name of the Const, or what gives them.
        steps: Of the optimizer in all; of rising masks.
        epoch: Of the optimizer in an epoch; of rising masks.

    Attributes:
        changes: How often there were other masks than before.
    """

    def __init__(self, kept: Masks | Rising, steps: int = 1, epoch: int = 1) -> None:
        self.kept, self.steps, self.epoch = kept, steps, epoch
        self.done = self.changes = 0
        self.now: Masks = {}
        self.module: GraphModule | None = None
        self._gone: dict[str, Tensor] = {}

    def start(self, module: GraphModule, done: int = 0) -> None:
        """Put on the masks of the time after ``done`` steps; UserError prune.no-zero."""
        self.module, self.done = module, done
        self._choose()
        self._zero()

    def loss(self, module: GraphModule) -> Tensor:
        """Nothing; where :meth:`start` was not called, the first step puts on the masks."""
        if self.module is not module:
            self.module, self.done = module, 0
            self._choose()
        return torch.zeros((), device=next(module.parameters()).device)

    def step(self) -> None:
        """Other masks where it is time; zeros where they say so."""
        self.done += 1
        ends = self.done % self.epoch == 0
        if callable(self.kept) and (ends or self.done % max(1, self.epoch // UPDATES) == 0):
            self._choose()
        self._zero()

    def _choose(self) -> None:
        assert self.module is not None
        found = self.kept if isinstance(self.kept, dict) else self.kept(*self._state())
        if not _same(found, self.now):
            check_zero(self.module.source, found)
            self.changes += 1
        self.now = found
        device = next(self.module.parameters()).device
        self._gone = {name: torch.from_numpy(~mask).to(device) for name, mask in found.items()}

    def _state(self) -> tuple[Fraction, dict[str, Reals]]:
        """The time, and the weights."""
        assert self.module is not None
        names = dict.fromkeys(layer.weight.name for layer in layers(self.module.source))
        weights = {
            name: self.module.constant_of(name).detach().cpu().double().numpy() for name in names
        }
        return Fraction(self.done, self.steps) if self.done < self.steps else Fraction(1), weights

    @torch.no_grad()
    def _zero(self) -> None:
        assert self.module is not None
        for name, gone in self._gone.items():
            self.module.constant_of(name).masked_fill_(gone, 0.0)


@dataclass(frozen=True, slots=True)
class Ramp:
    """Rising masks: more and more of the least weights. The best of each layer stays.

    N of M begins with M of M and goes down by whole weights. What was pruned before stays zero all
    the while, and counts in the ratio.

    Attributes:
        graph: That is trained.
        pattern: Where zeros may be.
        schedule: How the ratio rises.
        ratio: In the end; None of N:M.
        criterion: One of WHILE_TRAINING.
        scope: As of :func:`gatesmith.prune.patterns.masks`; by_layer and keep too.
        by_layer: Ratios of some layers in the end.
        keep: Layers that stay as they are.
        before: What the graph was pruned to before.
    """

    graph: Graph = field(repr=False)
    pattern: Pattern
    schedule: Schedule
    ratio: float | None = None
    criterion: str = "l1"
    scope: str = "global"
    by_layer: Mapping[str, float] | None = None
    keep: tuple[str, ...] = ()
    before: Masks = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "before", pruned_before(self.graph))
        if self.criterion not in WHILE_TRAINING:
            raise _not_while_training(self.criterion)

    def __call__(self, time: Fraction, weights: Mapping[str, Reals]) -> Masks:
        """Masks by name of the Const."""
        part, own = self.schedule.reached(time), dict(self.by_layer or {})
        pattern, ratio = self.pattern, self.ratio
        if pattern.kind == "nm":
            pattern = replace(pattern, kept=pattern.of - round(part * (pattern.of - pattern.kept)))
            assert pattern.ratio is not None
            ratio, own = None, {n: float(pattern.ratio) if r else 0.0 for n, r in own.items()}
        else:
            ratio = None if ratio is None else _part(part, ratio)
            own = {name: _part(part, r) for name, r in own.items()}
        scores = {name: self._scores(w) for name, w in weights.items()}
        most = max((float(s.max(initial=0.0)) for s in scores.values()), default=0.0)
        for score in scores.values():  # a block counts by its mean
            score.reshape(-1)[score.argmax()] = most * pattern.kept * pattern.of
        by_layer = None if self.by_layer is None else own
        now = masks(
            self.graph, scores, pattern, ratio, scope=self.scope, by_layer=by_layer, keep=self.keep
        )
        before = self.before
        return {name: mask & before.get(name, True) for name, mask in now.items()}

    def _scores(self, w: Reals) -> Reals:
        return lamp(np.square(w)) if self.criterion == "lamp" else np.abs(w)


class _MaskedTraining(Training):
    """A training whose best epoch is one of those with the last masks."""

    search: MaskSearch

    def train(self) -> None:
        self.search.start(self.module)
        super().train()

    def _resume(self) -> int:
        first = super()._resume()
        if first:
            self.search.start(self.module, first * self.per_epoch)
        return first

    def _epoch(self, epoch: int, first: int) -> None:
        best, changes = self.best, self.search.changes
        self.best = None
        super()._epoch(epoch, first)
        if changes == self.search.changes and best is not None:
            self.best = best if self.best is None or self.best[0] <= best[0] else self.best


def fit_masked(
    graph: Graph,
    x: NDArray[Any],
    y: NDArray[Any] | None,
    options: FitOptions,
    kept: Masks | Rising,
    *,
    affine: tuple[float, float] = (1.0, 0.0),
    teacher: Graph | None = None,
    progress: Progress | None = None,
    held_out: Pair | None = None,
) -> Fitted:
    """Train with zeros that stay: as :func:`gatesmith.quant.train.fit.fit`, with masks.

    Args:
        graph: Real, with or without FakeQuant. Weights that a mask takes away need not be zero yet.
        x: As of fit; y, options, affine, teacher, progress, held_out too.
        y: Labels.
        options: How. ``keep`` "best" is of the epochs that have the last masks.
        kept: Masks, or a :class:`Ramp`.
        affine: Of x.
        teacher: For distillation.
        progress: Where to tell.
        held_out: Never trained on.

    Raises:
        UserError: prune.no-zero, prune.empties-layer; those of fit.
    """
    training = _MaskedTraining(graph, x, y, options, affine, teacher, progress, held_out)
    epoch = training.per_epoch
    training.search = MaskSearch(kept, epoch * options.epochs, epoch)
    training.checkpoint.key = _key(training.checkpoint.key, kept)
    training.train()
    return training.fitted()


def _key(key: str, kept: Masks | Rising) -> str:
    """Fingerprint of a training with these masks."""
    digest = hashlib.sha256(key.encode())
    if isinstance(kept, dict):
        for name, mask in sorted(kept.items()):
            digest.update(f"{name}{mask.shape}".encode() + np.packbits(mask).tobytes())
    else:
        digest.update(repr(kept).encode())
    return digest.hexdigest()


def _part(part: Fraction, ratio: float) -> float:
    return float(part * Fraction(repr(float(ratio))))


def _same(a: Masks, b: Masks) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def _not_while_training(criterion: str) -> UserError:
    return UserError(
        "prune.criterion",
        f"{criterion} cannot rank weights while they are trained",
        where=f"--criterion {criterion}",
        why="weights are ranked many times an epoch, by what they are alone",
        fix=(
            f"one of {', '.join(WHILE_TRAINING)}",
            "a schedule that prunes between trainings: iterative:3, one-shot",
        ),
    )
