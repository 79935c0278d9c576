"""Importance from derivatives of the loss: what removing a thing costs, by a Taylor expansion.

The loss of a frame is the cross entropy of its label, or, without labels, of the class that the
network itself finds best; of outputs that are values it is half the mean squared distance from what
they are, moved by a random number (the labels that the network itself would draw).

For a weight w with the gradient g and the second derivative h:

    taylor    mean over batches of (g * w)**2        Molchanov et al., 2019
    fisher    1/2 * w**2 * mean over frames of g**2  Theis et al., 2018
    hessian   1/2 * w**2 * h                         LeCun et al., 1990, "Optimal brain damage"

For a unit the same by a factor m = 1 on all values a of its channels, where others read them (g and
a are summed over the positions of all its layers):

    taylor    mean over frames of abs(sum g * a), over the root of its group's sum of squares
                                                     Molchanov et al., 2017
    fisher    1/2 * mean over frames of (sum g * a)**2          Theis et al., 2018
    hessian   1/2 * second derivative of the loss by m

h is the diagonal of the Gauss-Newton matrix J' H J, with H the second derivatives of the loss by
the outputs; for networks of ReLUs it is that of the Hessian by any one weight. Exact where there
are at most EXACT classes; else Hutchinson's estimate (1990): the mean square of J' S z with S S' =
H and random signs z. It needs no labels. ``hessian`` is the Hessian-weighted distortion that zero
makes, h * (w - 0)**2 (Choi et al., 2017, have it for quantization).

Imported only when asked for: it needs torch (extra ``train``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gatesmith.ir import Graph, Reals
from gatesmith.prune.importance.sample import Sample
from gatesmith.prune.importance.sites import Paths, Site
from gatesmith.prune.structure import Group
from gatesmith.quant.calibrate.layers import layers
from gatesmith.quant.train.module import GraphModule, ModuleOptions
from gatesmith.quant.train.plan import logits

EXACT = 16
"""Outputs up to which second derivatives are exact."""

DRAWS = 8
"""Random vectors a frame, where they are estimated."""

BATCH = 32
"""Frames whose mean gradient counts as one, for ``taylor`` of weights."""

FRAMES = 256
"""Most frames that are run one by one, for ``fisher`` and ``hessian`` of weights."""


def weight_derivatives(
    graph: Graph, criterion: str, sample: Sample, seed: int = 0
) -> dict[str, Reals]:
    """Score of each weight, by name of its Const.

    Args:
        graph: Real; FakeQuant may be in it.
        criterion: taylor, fisher or hessian.
        sample: Frames; FRAMES of them, from everywhere, for the last two.
        seed: Of random vectors.
    """
    names = list(dict.fromkeys(layer.weight.name for layer in layers(graph)))
    net = _Network(graph, sample, (), seed)
    aims = [net.module.constant_of(name) for name in names]
    totals = [torch.zeros(aim.shape, dtype=torch.float64) for aim in aims]
    size = BATCH if criterion == "taylor" else 1
    used = sample if criterion == "taylor" else sample.spread(FRAMES)
    count = 0
    for rows in _batches(len(used.x), size):
        count += 1
        for scalar in net.scalars(used, rows, curvature=criterion == "hessian"):
            slopes = net.slopes(scalar / (rows.stop - rows.start), aims)
            for number, slope in enumerate(slopes):
                totals[number] += slope.double() ** 2
    half = 1.0 if criterion == "taylor" else 0.5
    return {
        name: (half * aim.detach().double() ** 2 * total / count).numpy()
        for name, aim, total in zip(names, aims, totals, strict=True)
    }


def unit_derivatives(
    graph: Graph, groups: Collection[Group], criterion: str, sample: Sample, seed: int = 0
) -> dict[str, Reals]:
    """Score of each unit, by name of its group.

    Args:
        graph: Real; FakeQuant may be in it.
        groups: To be ranked.
        criterion: taylor, fisher or hessian.
        sample: All of it is used.
        seed: Of random vectors.
    """
    paths = Paths(graph)
    sites = {name: paths.activation(name) for group in groups for name in group.layers}
    net = _Network(graph, sample, {site.node.name for site in sites.values()}, seed)
    totals = {group.name: np.zeros(group.count) for group in groups}
    measure: Callable[[Reals], Reals] = np.abs if criterion == "taylor" else np.square
    size = max(1, min(256, 2**22 // max(1, sum(s.node.type.size for s in sites.values()))))
    for rows in _batches(len(sample.x), size):
        for scalar in net.scalars(sample, rows, curvature=criterion == "hessian"):
            by_layer = net.products(scalar, sites)
            for group in groups:
                for number, unit in enumerate(group.channels):
                    slope = np.sum([by_layer[name][:, at] for name, at in unit], axis=0)
                    totals[group.name][number] += measure(slope).sum()
    half = 1.0 if criterion == "taylor" else 0.5
    scores = {name: half * total / len(sample.x) for name, total in totals.items()}
    return {n: _unit_length(s) for n, s in scores.items()} if criterion == "taylor" else scores


class _Network:
    """The network in torch, and the scalars whose gradients are wanted."""

    def __init__(self, graph: Graph, sample: Sample, kept: Collection[str], seed: int) -> None:
        self.outputs = tuple(logits(output).name for output in graph.outputs)
        names = tuple(dict.fromkeys((*self.outputs, *sorted(kept))))
        self.module = GraphModule(graph, ModuleOptions(kept=names)).eval()
        for parameter in self.module.parameter.values():
            parameter.requires_grad_(True)  # a value has a gradient where a weight before it has
        self.of_values = sample.of_values(graph)
        self.random = torch.Generator().manual_seed(seed)
        self.values: dict[str, Tensor] = {}

    def scalars(self, sample: Sample, rows: slice, *, curvature: bool) -> Iterator[Tensor]:
        """The loss, summed over the frames; or the columns of S by the outputs, one by one."""
        self.values = self.module.run(torch.from_numpy(np.asarray(sample.x[rows], np.float32)))
        y = None if sample.y is None else torch.from_numpy(sample.y[rows].astype(np.int64))
        scores = [_laid_out(self.values[name], flat=y is not None) for name in self.outputs]
        if curvature:
            for part in scores:
                for vector in self._columns(part.detach()):
                    yield (vector * part).sum()
        else:
            yield torch.stack([self._loss(part, y) for part in scores]).sum()

    def slopes(self, scalar: Tensor, aims: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Gradient by each; 0 where there is none."""
        return torch.autograd.grad(
            scalar, list(aims), retain_graph=True, allow_unused=True, materialize_grads=True
        )

    def products(self, scalar: Tensor, sites: Mapping[str, Site]) -> dict[str, Reals]:
        """Gradient times value, summed over positions: (frames, channels) of each layer."""
        names = list(dict.fromkeys(site.node.name for site in sites.values()))
        found = self.slopes(scalar, [self.values[name] for name in names])
        slopes = dict(zip(names, found, strict=True))
        result = {}
        for layer, site in sites.items():
            name = site.node.name
            product = (slopes[name] * self.values[name].detach()).double()
            result[layer] = (product.sum(site.others) if site.others else product).numpy()
        return result

    def _loss(self, scores: Tensor, y: Tensor | None) -> Tensor:
        """Scores are (frames, positions, classes); the mean over the positions."""
        if self.of_values:
            off = torch.randn(scores.shape, generator=self.random)
            away = (scores - scores.detach() - off).square() / 2
            return away.flatten(1).mean(1).sum()
        right = scores.argmax(-1) if y is None else y[:, None]
        logs = scores.log_softmax(-1).gather(-1, right[..., None])
        return -logs.flatten(1).mean(1).sum()

    def _columns(self, scores: Tensor) -> Iterator[Tensor]:
        """Vectors v, of which the mean or the sum of v v' is the second derivative of the loss."""
        positions, classes = scores.shape[1:]
        share = 1 / (positions * classes if self.of_values else positions)
        exact = positions == 1 and classes <= EXACT
        for number in range(classes if exact else DRAWS):
            if exact:
                z = torch.zeros_like(scores)
                z[..., number] = share**0.5
            else:
                signs = torch.randint(0, 2, scores.shape, generator=self.random) * 2 - 1
                z = signs * (share / DRAWS) ** 0.5
            if not self.of_values:
                p = scores.softmax(-1)
                z = p.sqrt() * z - p * (p.sqrt() * z).sum(-1, keepdim=True)
            yield z


def _laid_out(scores: Tensor, *, flat: bool) -> Tensor:
    """(frames, positions, classes): classes on the last axis, or on the only one."""
    frames, *shape = scores.shape
    if flat or sum(extent > 1 for extent in shape) <= 1:
        return scores.reshape(frames, 1, -1)
    return scores.reshape(frames, -1, shape[-1])


def _batches(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _unit_length(scores: Reals) -> Reals:
    length = float(np.sqrt(np.square(scores).sum()))
    return scores / length if length > 0 else scores
