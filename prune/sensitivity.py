"""How much each layer minds being pruned.

One layer (or group of layers) is pruned at a time, at each ratio of a list, and the network run on
some frames: its loss is the cross entropy of the labels, and accuracy the share of frames whose
best class is right. Without labels, what the whole network finds best counts as right. Of outputs
that are values the loss is the squared distance from the whole network's, over their variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.float_graph import GraphRunner
from gatesmith.ir import Graph, Reals
from gatesmith.prune.importance.sample import Sample, needed
from gatesmith.prune.patterns import Pattern, apply, masks
from gatesmith.prune.schedule import count_at
from gatesmith.quant.train.plan import logits

if TYPE_CHECKING:
    from gatesmith.prune.structure import Structure

Progress: TypeAlias = Callable[[str, int, int], None]
Prune: TypeAlias = Callable[[str, float], Graph]
"""The network with one layer or group pruned at a ratio."""

FRAMES = 512
"""Most frames that are run for each of many networks."""


@dataclass(frozen=True, slots=True)
class Curves:
    """What pruning each layer alone does.

    Attributes:
        ratios: Rising, the first 0.
        loss: By name, at each ratio.
        accuracy: The same; empty for outputs that are values.
    """

    ratios: tuple[float, ...]
    loss: Mapping[str, tuple[float, ...]]
    accuracy: Mapping[str, tuple[float, ...]]

    def rise(self, name: str) -> tuple[float, ...]:
        """Loss above that of the whole network."""
        return tuple(loss - self.loss[name][0] for loss in self.loss[name])


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress shown."""


def weight_curves(
    graph: Graph,
    scores: Mapping[str, Reals],
    pattern: Pattern,
    ratios: Sequence[float],
    sample: Sample | None,
    *,
    progress: Progress = quiet,
) -> Curves:
    """Of each layer's weights, by name of the Const.

    Args:
        graph: Real.
        scores: Of each weight (importance/scores.py).
        pattern: Where zeros may be.
        ratios: To try; those of N:M are 0 and its own.
        sample: FRAMES of it are used.
        progress: Told which part of the work is done.

    Raises:
        UserError: prune.data.
    """

    def prune(name: str, ratio: float) -> Graph:
        return apply(graph, masks(graph, {name: scores[name]}, pattern, ratio))

    fixed = pattern.ratio
    tried = ratios if fixed is None else [float(fixed)]
    return curves(graph, list(scores), prune, tried, sample, progress=progress)


def unit_curves(
    graph: Graph,
    structure: Structure,
    scores: Mapping[str, Reals],
    ratios: Sequence[float],
    sample: Sample | None,
    *,
    progress: Progress = quiet,
) -> Curves:
    """Of each group's units, by name of the group; one unit always stays.

    Args:
        graph: Real.
        structure: Of this graph.
        scores: Of each unit (importance/scores.py).
        ratios: Shares of the units, to try.
        sample: FRAMES of it are used.
        progress: Told which part of the work is done.

    Raises:
        UserError: prune.data.
    """
    from gatesmith.prune.cut import masked

    counts = {group.name: group.count for group in structure.groups}

    def prune(name: str, ratio: float) -> Graph:
        gone = min(counts[name] - 1, count_at(ratio, counts[name]))
        least = np.argsort(scores[name], kind="stable")[:gone]
        return masked(graph, {name: [int(unit) for unit in least]})

    names = [name for name in counts if name in scores]
    return curves(graph, names, prune, ratios, sample, progress=progress)


def curves(
    graph: Graph,
    names: Sequence[str],
    prune: Prune,
    ratios: Sequence[float],
    sample: Sample | None,
    *,
    progress: Progress = quiet,
) -> Curves:
    """Loss and accuracy of ``prune(name, ratio)`` for each name and ratio; infinite where refused.

    Raises:
        UserError: prune.data.
    """
    used = needed(graph, sample, "layer sensitivity").spread(FRAMES)
    judge = _Judge(graph, used)
    tried = tuple(dict.fromkeys((0.0, *sorted(float(ratio) for ratio in ratios))))
    found: dict[str, list[tuple[float, float]]] = {}
    for at, name in enumerate(names):
        found[name] = [judge.whole]
        for number, ratio in enumerate(tried[1:]):
            progress("sensitivity", at * (len(tried) - 1) + number, len(names) * (len(tried) - 1))
            try:
                found[name].append(judge(prune(name, ratio)))
            except UserError as error:
                if error.code != "prune.empties-layer":
                    raise
                found[name].append((math.inf, 0.0))
    loss = {name: tuple(pair[0] for pair in pairs) for name, pairs in found.items()}
    right = {name: tuple(pair[1] for pair in pairs) for name, pairs in found.items()}
    return Curves(tried, loss, {} if judge.values else right)


class _Judge:
    """Loss and accuracy of networks, on the same frames."""

    def __init__(self, graph: Graph, sample: Sample) -> None:
        self.runner, self.x = GraphRunner(), sample.x
        self.values = sample.of_values(graph)
        self.flat = sample.y is not None
        self.wanted = self._scores(graph)
        self.right = [scores.argmax(-1) for scores in self.wanted]
        if sample.y is not None:
            self.right = [sample.y[:, None]]
        self.whole = self._judged(self.wanted)

    def __call__(self, graph: Graph) -> tuple[float, float]:
        """Loss and accuracy; the mean over the outputs, positions and frames."""
        return self._judged(self._scores(graph))

    def _judged(self, scores: list[Reals]) -> tuple[float, float]:
        pairs = zip(scores, self.wanted, self.right, strict=True)
        if self.values:
            return float(np.mean([_distance(got, wanted) for got, wanted, _ in pairs])), 0.0
        both = [_entropy(got, right) for got, _, right in pairs]
        return float(np.mean([loss for loss, _ in both])), float(np.mean([hit for _, hit in both]))

    def _scores(self, graph: Graph) -> list[Reals]:
        """(frames, positions, classes) of each output."""
        nodes = [logits(output) for output in graph.outputs]
        found = self.runner(graph, nodes, self.x)
        return [laid_out(found[node.name].astype(np.float64), self.flat) for node in nodes]


def laid_out(scores: Reals, flat: bool) -> Reals:
    """(frames, positions, classes): classes on the last axis, or on the only one."""
    frames, *shape = scores.shape
    if flat or sum(extent > 1 for extent in shape) <= 1:
        return scores.reshape(frames, 1, -1)
    return scores.reshape(frames, -1, shape[-1])


def _distance(got: Reals, wanted: Reals) -> float:
    spread = float(np.square(wanted - wanted.mean(axis=0)).sum())
    return float(np.square(got - wanted).sum()) / max(spread, 1e-300)


def _entropy(scores: Reals, right: NDArray[np.int64]) -> tuple[float, float]:
    """Cross entropy, and the share of positions that are right."""
    off = scores - scores.max(axis=-1, keepdims=True)
    logs = off - np.log(np.exp(off).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(logs, right[..., None], axis=-1)
    return -float(picked.mean()), float((scores.argmax(-1) == right).mean())
