"""The parts of a network whose cost hangs on bits, and the widths that each site may have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from gatesmith.ir import Graph
from gatesmith.ops.conv import Conv
from gatesmith.ops.mat_mul import MatMul
from gatesmith.quant.mixed.cost import Unit
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import ACTIVATION, WEIGHT, Site

REST = ""
"""Name of the unit of everything that belongs to no layer and no site."""


def units_of(graph: Graph, sites: Sequence[Site]) -> tuple[Unit, ...]:
    """A unit for each layer, one for each site that no layer reads first, one for the rest.

    A value that two layers read is an activation of both, so that its width is one.
    """
    units: list[Unit] = []
    read: set[str | None] = set()
    for node in graph:
        if not isinstance(node.op, Conv | MatMul):
            continue
        own = [site for site in sites if node.name in site.layers]
        weight = next((site.name for site in own if site.role == WEIGHT), None)
        reads = next((site.name for site in own if site.role != WEIGHT), None)
        units.append(Unit(node.name, weight, reads))
        read.update((weight, reads))
    alone = (site.name for site in sites if site.name not in read)
    return (*units, *(Unit(name, None, name) for name in alone), Unit(REST, None, None))


def widths_of(
    sites: Iterable[Site], schemes: Mapping[str, Scheme], choices: Collection[int]
) -> dict[str, tuple[int, ...]]:
    """Widths that each site may have, rising.

    Weights and activations that are to be uniform have the choice; inputs and outputs of the
    network, and kinds with a width of their own (ternary, pow2, ...), stay as they are.
    """
    free = {
        site.name
        for site in sites
        if site.role in (WEIGHT, ACTIVATION) and schemes[site.name].kind == "int"
    }
    return {
        site.name: tuple(sorted(choices)) if site.name in free else (schemes[site.name].bits,)
        for site in sites
    }


def ties_of(sites: Iterable[Site]) -> dict[str, str]:
    """Sites that have the width of another one, since they share its grid."""
    return {site.name: site.tied for site in sites if site.tied is not None}
