"""The whole design as tables over lanes, so that the cheapest folds are found together.

Variables are the lanes at which each matrix-vector unit reads and writes, and what arrives where
several streams meet. Every stage but the FIFOs is in one table: its layer's own function was run
on the streams in question (lane_costs.py). Elementwise layers run at the lanes that come, so they,
converters, skid buffers and forks hang on the variable of the layer before them and of the one
behind. min_sum.py finds the least sum, which is what :func:`gatesmith.codegen.plan.plan` builds
then, to the last LUT (fold_model_test.py).

For other cycles a frame windows, pools and joins get other lanes; what does not change between two
such turning points is kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import lane_costs
from gatesmith.codegen.fold_options import Options, Taken
from gatesmith.codegen.lane_costs import RESOURCES, Amounts, Arrival, Placed, turning_points
from gatesmith.codegen.layers import input_lanes
from gatesmith.codegen.min_sum import Found, Table, least
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.windowing import stream_groups
from gatesmith.codegen.wish import Wish
from gatesmith.ir import Graph, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.window import Window


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Stages whose cost hangs on some variables.

    Attributes:
        of: The variables.
        amounts: What they take, an axis for each variable, RESOURCES last.
        interval: Cycles a frame of the slowest, an axis for each variable.
        allowed: Choices that fit together; None: all.
    """

    of: tuple[int, ...]
    amounts: NDArray[np.float64]
    interval: NDArray[np.int64]
    allowed: NDArray[np.bool_] | None = None

    def table(self, weights: Amounts) -> Table:
        """Prices."""
        values = self.amounts @ weights
        return Table(
            self.of, values if self.allowed is None else np.where(self.allowed, values, np.inf)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A fold for every matrix-vector unit.

    Attributes:
        cycles: Most cycles a frame that were allowed.
        interval: Cycles a frame of the slowest stage.
        taken: How each layer is built.
        amounts: Of the whole design without its FIFOs.
        price: The sum that was to be least.
        exact: Whether it is the least.
    """

    cycles: int
    interval: int
    taken: Mapping[Node, Taken]
    amounts: Amounts
    price: float
    exact: bool

    def of(self, resource: str) -> int:
        """Amount of one of RESOURCES."""
        return int(self.amounts[RESOURCES.index(resource)])


@dataclass(slots=True, eq=False)
class Model:
    """The tables for a number of cycles a frame; made by :class:`Memory`."""

    cycles: int
    sizes: list[int] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    layers: dict[Node, tuple[tuple[int, int], Options]] = field(default_factory=dict)

    def variable(self, size: int) -> int:
        """A new variable."""
        self.sizes.append(size)
        return len(self.sizes) - 1

    def choose(self, weights: Amounts) -> Choice | None:
        """The cheapest folds; None where some layer has none that is quick enough."""
        fixed = [part.table(weights) for part in self.parts]
        while True:
            own = [o.table(of, weights, self.cycles) for of, o in self.layers.values()]
            found = least(self.sizes, fixed + own)
            if not np.isfinite(found.total):
                return None
            picked = {
                node: options.pick((found.values[a], found.values[b]), weights, self.cycles)
                for node, ((a, b), options) in self.layers.items()
            }
            news = [self.layers[node][1].settle(number) for node, number in picked.items()]
            if not any(news):
                return self._choice(found, picked)

    def _choice(self, found: Found, picked: Mapping[Node, int]) -> Choice:
        total, interval = np.zeros(len(RESOURCES)), 0
        for part in self.parts:
            at = tuple(found.values[v] for v in part.of)
            total += part.amounts[at]
            interval = max(interval, int(part.interval[at]))
        taken = {}
        for node, number in picked.items():
            _, options = self.layers[node]
            total += options.amounts[number]
            cycles = int(options.cycles[number])
            interval = max(interval, cycles)
            taken[node] = Taken(options.folds[number], cycles, options.amounts[number].copy())
        return Choice(self.cycles, interval, taken, total, found.total, found.exact)


@dataclass(frozen=True, slots=True)
class _Where:
    """How a node arrives at its readers: for each value of a variable, or always the same."""

    variable: int | None
    arrivals: tuple[Arrival, ...]


class Memory:
    """Makes models of one graph; keeps what they share.

    Attributes:
        graph: The integer graph.
        wishes: What the user wishes for layers.
        unrolled: Whether layers may be unrolled unasked.
        lanes: Of every input; None takes the fewest that do not slow the design down.
        dense: The layers that are folded.
    """

    def __init__(
        self,
        graph: Graph,
        wishes: Mapping[Node, Wish],
        *,
        unrolled: bool = False,
        lanes: int | None = None,
    ) -> None:
        self.graph, self.wishes, self.unrolled, self.lanes = graph, wishes, unrolled, lanes
        self.nodes, self.users = list(graph), graph.users()
        self.readers = {arg: node for node in self.nodes for arg in node.args}
        self.points = {node: turning_points(node) for node in self.nodes}
        self.dense = [node for node in self.nodes if isinstance(node.op, Dense)]
        self._options: dict[tuple[Node, int, int], Options] = {}
        self._placed: dict[tuple[Node, tuple[Arrival, ...], int | None], Placed] = {}
        self._converted: dict[tuple[Node, Arrival, int, int], Placed] = {}

    def options(self, node: Node, cycles: int) -> Options:
        """The ways to build a layer at these cycles a frame."""
        source, groups, together = node.args[0], 0, 0
        if isinstance(source.op, Window):
            groups = stream_groups(source, cycles)
            together = source.args[0].type.channels // groups
        key = (node, groups, together)
        if key not in self._options:
            wish = self.wishes.get(node, Wish())
            behind = self.behind(node)
            op = None if behind is None else behind.op
            joins = op if isinstance(op, Threshold | Requantize) else None
            self._options[key] = Options(
                node, cycles, wish, together, unrolled=self.unrolled, behind=joins
            )
        return self._options[key]

    def model(self, cycles: int) -> Model:
        """The tables for these cycles a frame."""
        model = Model(cycles)
        for node in self.dense:
            options = self.options(node, cycles)
            reads = model.variable(len(options.lanes_in))
            writes = model.variable(len(options.outs))
            model.layers[node] = ((reads, writes), options)
        where: dict[Node, _Where] = {}
        for node in self.nodes:
            match node.op:
                case Input():
                    where[node] = self._enter(model, node)
                case Dense():
                    where[node] = self._dense(model, node, where[node.args[0]])
                case _:
                    where[node] = self._other(model, node, [where[arg] for arg in node.args])
        for node in self.graph.outputs:
            self._each(model, where[node], partial(lane_costs.left, node))
        return model

    # ---- nodes ----------------------------------------------------------------------------------

    def _enter(self, model: Model, node: Node) -> _Where:
        """An input's lanes follow those of the first matrix-vector unit."""
        t = node.type

        def entered(first: int | None) -> Placed:
            lanes = self.lanes or input_lanes(t, first, model.cycles)
            channels, vectors = (t.channels, t.vectors) if t.channels % lanes == 0 else (t.size, 1)
            stream = Stream(t.int_elem, channels, vectors, lanes)
            found = lane_costs.given(node, stream, self.users[node], registered=True)
            return Placed(found.amounts, max(found.interval, stream.beats), found.out)

        if not self.dense or self.lanes is not None:
            return _kept(model, None, [entered(None)])
        (variable, _), options = model.layers[self.dense[0]]
        return _kept(model, variable, [entered(lanes) for lanes in options.lanes_in])

    def _dense(self, model: Model, node: Node, source: _Where) -> _Where:
        (reads, writes), options = model.layers[node]
        channels = options.layer.inputs
        rows = [
            [self._convert(node, arrival, channels, lanes) for lanes in options.lanes_in]
            for arrival in source.arrivals
        ]
        if source.variable is None:
            _put(model, (reads,), rows[0], (len(rows[0]),))
        elif source.variable != reads:
            flat = [found for row in rows for found in row]
            _put(model, (source.variable, reads), flat, (len(rows), len(rows[0])))
        else:  # an input whose lanes follow from the very lanes that it is read at
            own = [row[lane] for lane, row in enumerate(rows)]
            _put(model, (reads,), own, (len(own),))
        t = node.type
        outs = []
        for out in options.outs:
            behind = self.behind(node)
            elem = behind.type.int_elem if out.joined and behind is not None else options.sink
            stream = Stream(elem, t.channels, t.vectors, out.lanes)
            found = lane_costs.given(node, stream, self.users[node], registered=False)
            assert found.out is not None, "a node has readers"
            arrival = replace(found.out, joined=out.joined)
            outs.append(replace(found, out=arrival))
        return _kept(model, writes, outs)

    def behind(self, node: Node) -> Node | None:
        """The Threshold or Requantize that alone reads a layer."""
        reader = self.readers.get(node) if self.users[node] == 1 else None
        found = reader is not None and isinstance(reader.op, Threshold | Requantize)
        return reader if found else None

    def _other(self, model: Model, node: Node, sources: Sequence[_Where]) -> _Where:
        """A node's stages for every choice of the variables that its streams hang on."""
        variables = tuple(sorted({s.variable for s in sources if s.variable is not None}))
        sizes = tuple(model.sizes[v] for v in variables)
        found = []
        for values in product(*map(range, sizes)):
            at = dict(zip(variables, values, strict=True))
            arrivals = tuple(
                s.arrivals[0 if s.variable is None else at[s.variable]] for s in sources
            )
            found.append(self._place(node, arrivals, model.cycles))
        if len(variables) <= 1:
            return _kept(model, variables[0] if variables else None, found)
        outs = tuple(dict.fromkeys(placed.out for placed in found if placed.out is not None))
        _put(model, variables, found, sizes)
        if len(outs) == 1:
            return _Where(None, outs)
        met = model.variable(len(outs))
        fits = np.array([[placed.out == out for out in outs] for placed in found])
        shape = (*sizes, len(outs))
        nothing = np.zeros((*shape, len(RESOURCES)))
        idle = np.zeros(shape, np.int64)
        model.parts.append(Part((*variables, met), nothing, idle, fits.reshape(shape)))
        return _Where(met, outs)

    def _each(self, model: Model, source: _Where, cost: Callable[[Arrival], Placed]) -> None:
        found = [cost(arrival) for arrival in source.arrivals]
        of = () if source.variable is None else (source.variable,)
        _put(model, of, found, (len(found),) if of else ())

    # ---- kept -----------------------------------------------------------------------------------

    def _place(self, node: Node, arrivals: tuple[Arrival, ...], cycles: int) -> Placed:
        points = self.points[node]
        rank = cycles if points is None else bisect_right(points, cycles)
        key = (node, arrivals, rank)
        if key not in self._placed:
            self._placed[key] = lane_costs.placed(node, arrivals, cycles, self.users[node])
        return self._placed[key]

    def _convert(self, node: Node, arrival: Arrival, channels: int, lanes: int) -> Placed:
        key = (node, arrival, channels, lanes)
        if key not in self._converted:
            self._converted[key] = lane_costs.converted(node, arrival, channels, lanes)
        return self._converted[key]


def _kept(model: Model, variable: int | None, found: Sequence[Placed]) -> _Where:
    """Put the stages of a node that hang on one variable, and say how it arrives."""
    of = () if variable is None else (variable,)
    _put(model, of, found, (len(found),) if of else ())
    outs = tuple(placed.out for placed in found if placed.out is not None)
    assert len(outs) == len(found)
    same = all(out == outs[0] for out in outs)
    return _Where(None, outs[:1]) if same else _Where(variable, outs)


def _put(
    model: Model, of: tuple[int, ...], found: Sequence[Placed], shape: tuple[int, ...]
) -> None:
    values = np.array([placed.amounts for placed in found]).reshape(*shape, len(RESOURCES))
    intervals = np.array([placed.interval for placed in found], np.int64).reshape(shape)
    model.parts.append(Part(of, values, intervals))
