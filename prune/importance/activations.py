"""Importance from what the channels carry for some frames."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.float_graph import GraphRunner
from gatesmith.ir import Graph, Reals
from gatesmith.prune.importance.sample import Sample
from gatesmith.prune.importance.sites import Paths, Site
from gatesmith.prune.structure import Group

MEMORY = 2**25
"""Numbers of one batch that are looked at together."""


def apoz(graph: Graph, groups: Collection[Group], sample: Sample) -> dict[str, Reals]:
    """Share of the values that are not zero: one less the average percentage of zeros.

    Over frames and positions, behind the first ReLU (or Clip from 0) that each layer of the group
    feeds; the mean over the places where a group has several. A unit without a ReLU has 1. Source:
    Hu et al., 2016, "Network trimming".

    Raises:
        UserError: prune.never-zero, where no unit of the network has a ReLU.
    """
    paths = Paths(graph)
    found = {layer: paths.rectified(layer) for group in groups for layer in group.layers}
    sites = {layer: site for layer, site in found.items() if site is not None}
    if not sites and groups:
        raise _never_zero(graph)
    shares = _means(graph, sites.values(), sample, lambda x: x != 0)
    result = {}
    for group in groups:
        scores = np.ones(group.count)
        for unit, channels in enumerate(group.channels):
            places = {(sites[layer], at) for layer, at in channels if layer in sites}
            if places:  # layers of one sum have one ReLU
                order = sorted(places, key=lambda place: (place[0].node.name, place[1]))
                scores[unit] = np.mean([shares[site][at] for site, at in order])
        result[group.name] = scores
    return result


def gamma(graph: Graph, groups: Collection[Group], sample: Sample) -> dict[str, Reals]:
    """Scale of the batch norm behind each channel, positive; the mean over the layers with one.

    The graph has gamma / deviation as one factor, since import; times the deviation of the sums for
    these frames it is gamma again. Source: Liu et al., 2017, "Network slimming".

    Raises:
        UserError: prune.no-batch-norm, for groups of which a unit has none.
    """
    paths = Paths(graph)
    found = {layer: paths.batch_norm(layer) for group in groups for layer in group.layers}
    norms = {layer: norm for layer, norm in found.items() if norm is not None}
    if without := [g for g in groups if not all(_known(unit, norms) for unit in g.channels)]:
        raise _no_batch_norm(without)
    sites = [site for site, _ in norms.values()]
    means = _means(graph, sites, sample, lambda x: x)
    squares = _means(graph, sites, sample, np.square)
    scale = {}
    for layer, (site, factor) in norms.items():
        variance = np.maximum(squares[site] - np.square(means[site]), 0.0)
        scale[layer] = np.abs(factor) * np.sqrt(variance)
    return {
        group.name: np.array(
            [np.mean([scale[a][at] for a, at in _known(unit, norms)]) for unit in group.channels]
        )
        for group in groups
    }


def _known(channels: Collection[tuple[str, int]], layers: Collection[str]) -> list[tuple[str, int]]:
    """Those of some layers."""
    return [(layer, at) for layer, at in channels if layer in layers]


def _means(
    graph: Graph,
    sites: Iterable[Site],
    sample: Sample,
    measure: Callable[[Reals], NDArray[Any]],
) -> dict[Site, Reals]:
    """Mean over frames and positions of a function of each value, by channel; float64."""
    wanted = {site: site.node for site in dict.fromkeys(sites)}
    elements = sum(node.type.size for node in wanted.values())
    frames = max(1, MEMORY // max(1, elements))
    runner = GraphRunner()
    totals = {site: np.zeros(site.node.type.shape[site.axis]) for site in wanted}
    for start in range(0, len(sample.x), frames):
        values = runner(graph, wanted.values(), sample.x[start : start + frames])
        for site, node in wanted.items():
            part = measure(values[node.name].astype(np.float64))
            totals[site] += part.mean(axis=site.others).sum(axis=0)
    return {site: total / len(sample.x) for site, total in totals.items()}


def _never_zero(graph: Graph) -> UserError:
    return UserError(
        "prune.never-zero",
        "no layer of this network has values that are zero",
        where=f"--criterion apoz, network {graph.name}",
        why="it counts zeros behind a ReLU, or a Clip from 0 on, and there is none",
        fix=("another criterion: taylor, or l1 without data",),
    )


def _no_batch_norm(groups: Collection[Group]) -> UserError:
    names = [layer for group in groups for layer in group.layers]
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return UserError(
        "prune.no-batch-norm",
        f"no batch norm stands behind {', '.join(names[:6])}{more}",
        where="--criterion gamma",
        why="it ranks channels by the scale of a batch norm; the exporter folded it, or none was",
        fix=(
            "export the model with its batch norms (torch: training=TrainingMode.PRESERVE)",
            "another criterion: taylor, or l1 without data",
        ),
    )
