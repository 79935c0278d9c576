"""What a quantized network costs as hardware, and what each of its layers would at other widths.

The design is planned as for a build (pipeline.py) and the costs of its stages are added up. FIFO
depths are computed only on demand: that takes several times as long as everything else, and until
then FIFOs have a frame's depth, which says nothing, so they are left out.

A stage belongs to a unit (quant/mixed/cost.py): to that of the layer whose name its node carries,
to that of the site whose codes it makes, or, for a pool or a join, to that of the value it reads.
What makes the codes that a layer reads is thus counted with that layer: it hangs on their width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gatesmith.codegen.design import Design
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.fold import Target, budget, choose_folds
from gatesmith.codegen.plan import check_target, plan
from gatesmith.codegen.stream import Stage
from gatesmith.ir import Graph, Node
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.gather import Gather
from gatesmith.ops.input import Input
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.window import Window
from gatesmith.pipeline import sized
from gatesmith.quant.fake_quant import expand
from gatesmith.quant.flip_falling import flip_falling
from gatesmith.quant.lower import lower
from gatesmith.quant.mixed.cost import Cost, Key, Unit, total
from gatesmith.quant.mixed.units import REST
from gatesmith.quant.prepare.sites import INPUT, SUFFIX, WEIGHT, Site

Bits = Mapping[str, int]
"""Width of each site, by its name."""


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A network as hardware.

    Attributes:
        integer: The integer graph.
        design: Its stages.
        fifos: Whether its FIFOs have their depths.
    """

    integer: Graph
    design: Design
    fifos: bool

    @property
    def cost(self) -> Cost:
        """Of all stages; FIFOs only where they have their depths."""
        return self.cost_of(self.design)

    def cost_of(self, stages: Iterable[Stage]) -> Cost:
        """Of some stages."""
        return total(_cost(s) for s in stages if self.fifos or not isinstance(s, FifoStage))


def planned(graph: Graph, target: Target, *, fifos: bool = False) -> Planned:
    """The hardware of a real graph with FakeQuant nodes.

    Args:
        graph: Every site has its grid.
        target: As for a build.
        fifos: Whether to compute the depths of FIFOs.

    Errors: ``quant.*``, ``codegen.*``.
    """
    return planned_integer(integer_of(graph), target, fifos=fifos)


def integer_of(graph: Graph) -> Graph:
    """What the hardware computes, of a real graph with FakeQuant nodes. Errors: ``quant.*``."""
    return flip_falling(lower(expand(graph), graph.name).graph)


def planned_integer(integer: Graph, target: Target, *, fifos: bool = False) -> Planned:
    """The hardware of an integer graph; see :func:`planned`. Errors: ``codegen.*``."""
    design = plan(integer, choose_folds(integer, target), "net", budget(integer, target))
    check_target(design, target)
    return Planned(integer, sized(design) if fifos else design, fifos)


def hardware_cost(graph: Graph, target: Target, *, fifos: bool = False) -> Cost:
    """Cost of a real graph with FakeQuant nodes; see :func:`planned`."""
    return planned(graph, target, fifos=fifos).cost


def cost_by_unit(plan: Planned, units: Sequence[Unit], sites: Sequence[Site]) -> dict[str, Cost]:
    """Cost of each unit; they add up to that of the design."""
    owner = owners(plan.integer, units, sites)
    stages: dict[str, list[Stage]] = {unit.name: [] for unit in units}
    for stage in plan.design:
        stages[owner.get(stage.node, REST)].append(stage)
    return {name: plan.cost_of(own) for name, own in stages.items()}


def owners(integer: Graph, units: Sequence[Unit], sites: Sequence[Site]) -> dict[str, str]:
    """Unit of each node of the integer graph, by names."""
    named = _named(units, sites)
    entry = next((named[s.name + SUFFIX] for s in sites if s.role == INPUT), REST)
    order = list(integer)
    owner: dict[Node, str] = {}
    for node in order:
        found = _by_name(node, named)
        if found is not None:
            owner[node] = found
        elif isinstance(node.op, Input):
            owner[node] = entry
    readers: dict[Node, set[str | None]] = {}
    for node in reversed(order):  # what only moves values towards a layer is that layer's
        if node not in owner and isinstance(node.op, Window | Reshape | Gather):
            its = readers.get(node, set())
            only = next(iter(its)) if len(its) == 1 else None
            if only is not None:
                owner[node] = only
        for arg in node.args:
            readers.setdefault(arg, set()).add(owner.get(node))
    for node in order:
        owner.setdefault(node, owner[node.args[0]] if node.args else REST)
    return {node.name: name for node, name in owner.items()}


def _named(units: Sequence[Unit], sites: Sequence[Site]) -> dict[str, str]:
    """Unit by name of a layer, and by name of a site with SUFFIX: the first that reads it."""
    layers = {unit.name: unit.name for unit in units}
    named = dict(layers)
    for site in sites:
        first = next((name for name in site.layers if name in layers), site.name)
        named[site.name + SUFFIX] = layers.get(site.name, layers.get(first, REST))
    return named


def _by_name(node: Node, named: Mapping[str, str]) -> str | None:
    """``LAYER``, ``LAYER_window``; ``SITE_quant``, ``SITE_quant_codes``, ``SITE_quant_codes_2``."""
    name = node.name
    if name in named:
        return named[name]
    if isinstance(node.op, Window | Depthwise) and name.removesuffix("_window") in named:
        return named[name.removesuffix("_window")]
    stem, found, _ = name.rpartition(f"{SUFFIX}_codes")
    return named.get(stem + SUFFIX) if found else None


def _cost(stage: Stage) -> Cost:
    """Of one stage."""
    cost = stage.cost()
    return Cost(
        lut=cost.lut,
        ff=cost.ff,
        dsp=cost.dsp,
        ram_bits=cost.ram_bits,
        weight_bits=stage.weight_bits,
        cycles=stage.interval,
    )


def cost_table(
    units: Sequence[Unit],
    sites: Sequence[Site],
    widths: Mapping[str, Sequence[int]],
    quantize: Callable[[Bits], Graph],
    *,
    target: Target,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict[Key, Cost]]:
    """Cost of each unit at each pair of widths, from a design for each pair of uniform widths.

    Args:
        units: Parts of the network.
        sites: Of the graph.
        widths: That each site may have.
        quantize: The graph with a grid at every site, for a width of each; quick, not good: costs
            hang on widths.
        target: As for a build.
        progress: Called with the designs done and those in all.

    Errors: ``quant.*``, ``codegen.*``: at some width the network cannot be built.
    """
    table: dict[str, dict[Key, Cost]] = {unit.name: {} for unit in units}
    pairs = _pairs(sites, widths)
    for done, pair in enumerate(pairs):
        if progress is not None:
            progress(done, len(pairs))
        bits = _uniform(sites, widths, pair)
        costs = cost_by_unit(planned(quantize(bits), target), units, sites)
        for unit in units:
            table[unit.name].setdefault(unit.key(bits), costs[unit.name])
    return table


def _pairs(sites: Sequence[Site], widths: Mapping[str, Sequence[int]]) -> list[Key]:
    """Widths of weights and of activations, nearly equal ones first.

    A unit with only one of the two takes its cost from the first pair with its width.
    """
    free: dict[bool, set[int]] = {True: set(), False: set()}
    for site in sites:
        if len(widths[site.name]) > 1:
            free[site.role == WEIGHT].update(widths[site.name])
    weights, reads = (sorted(free[which] or {0}) for which in (True, False))
    return sorted(((w, a) for w in weights for a in reads), key=lambda k: (abs(k[0] - k[1]), k))


def _uniform(
    sites: Sequence[Site], widths: Mapping[str, Sequence[int]], pair: Key
) -> dict[str, int]:
    """Width of each site in a uniform design; sites without a choice keep theirs."""
    bits = {}
    for site in sites:
        own = widths[site.name]
        bits[site.name] = own[0] if len(own) == 1 else pair[site.role != WEIGHT]
    return bits
