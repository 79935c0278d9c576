"""Quick quantizers of one network at any width: for sensitivities and costs, not for the result.

Weights get the grid of least squared error, activations one from the values that the float network
makes on sample frames. Values are seen once, for all widths. Weights that were tuned (rounded to
fit, calibrate/rounding.py) lose much less than the nearest ones; they can be taken from networks
whose weights alone were quantized, see :meth:`Trials.learn`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gatesmith.ir import Graph, Reals
from gatesmith.ops.const import Const
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.calibrate.histogram import Histogram
from gatesmith.quant.calibrate.layers import with_consts
from gatesmith.quant.calibrate.observers import observer
from gatesmith.quant.calibrate.runner import Frames, Runner, batches
from gatesmith.quant.calibrate.weights import weight_grid
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import WEIGHT, Site, grids_of, insert

BATCH = 64
"""Frames run at a time."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, steps done, and steps in all."""


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """A float network and its grids at every width.

    Attributes:
        graph: Real, tidied, without quantizers.
        sites: Of the graph.
        schemes: Of each site, by name; the width is left open.
        fixed: Grids that are given.
        seen: Values of each activation, by name; see :func:`trials`.
        method: Of observers.py.
    """

    graph: Graph
    sites: Mapping[str, Site]
    schemes: Mapping[str, Scheme]
    fixed: Mapping[str, Grid]
    seen: Mapping[str, Histogram]
    method: str = "mse"
    _grids: dict[tuple[str, int], Grid] = field(default_factory=dict)
    _weights: dict[tuple[str, int], Reals] = field(default_factory=dict)

    def grid(self, name: str, bits: int) -> Grid:
        """Grid of a site at a width."""
        if name in self.fixed:
            return self.fixed[name]
        first = self.sites[name].tied or name
        if (first, bits) not in self._grids:
            self._grids[first, bits] = self._made(first, bits)
        return self._grids[first, bits]

    def _made(self, name: str, bits: int) -> Grid:
        scheme, node = self.schemes[name], self.sites[name].node
        scheme = scheme if scheme.bits == bits else scheme.at(bits)
        if isinstance(node.op, Const):
            return weight_grid(node.op.value.data, scheme)[0]
        seen = observer(self.method, scheme, name=name)
        seen.seen = self.seen[name]
        return seen.grid()

    def weight(self, name: str, bits: int) -> Reals:
        """What stands before the quantizer of a weight at a width."""
        node = self.sites[name].node
        assert isinstance(node.op, Const)
        return self._weights.get((name, bits), node.op.value.data)

    def learn(self, bits: int, quantized: Graph) -> None:
        """Take grids and weights of a width from a network whose weights have it.

        Weights that are not those of the network any more (equalized) are left alone.
        """
        grids, nodes = grids_of(quantized), {node.name: node for node in quantized}
        for site in self.sites.values():
            op = nodes[site.name].op if site.name in nodes else None
            if site.role != WEIGHT or site.name not in grids or not isinstance(op, Const):
                continue
            grid, own = grids[site.name], self.weight(site.name, 0)
            rounded = np.abs(grid.fake(own) - own).mean() + grid.scale.data.mean()
            if np.abs(op.value.data - own).mean() < rounded:
                self._grids[site.name, bits] = grids[site.name]
                self._weights[site.name, bits] = np.asarray(op.value.data, np.float64)

    def quantized(self, bits: Mapping[str, int]) -> Graph:
        """The network with a quantizer at each site that is named."""
        tuned = {key[0]: self._weights[key] for key in bits.items() if key in self._weights}
        grids = {name: self.grid(name, width) for name, width in bits.items()}
        return insert(with_consts(self.graph, tuned), grids)


def trials(
    graph: Graph,
    sites: Sequence[Site],
    schemes: Mapping[str, Scheme],
    runner: Runner,
    frames: Frames,
    *,
    fixed: Mapping[str, Grid] | None = None,
    method: str = "mse",
) -> Trials:
    """Run the float network once over some frames. Errors: ``quantize.non-finite``."""
    fixed = fixed or {}
    watched = [s for s in sites if s.role != WEIGHT and s.name not in fixed]
    watch = {s.name: observer(method, schemes[s.name], name=s.name) for s in watched}
    for s in watched:
        if s.tied is not None and s.tied in watch:
            watch[s.name] = watch[s.tied]
    for batch in batches(frames, BATCH) if watched else ():
        values = runner(graph, [s.node for s in watched], batch)
        for s in watched:
            watch[s.name].update(values[s.name])
    seen = {name: one.seen for name, one in watch.items()}
    return Trials(graph, {s.name: s for s in sites}, schemes, fixed, seen, method)
