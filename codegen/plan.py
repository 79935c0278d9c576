"""Plan: from the integer graph to the list of stages, in the order of the pipeline.

Every layer becomes its stage; between layers come a width converter where the lanes differ, and a
skid buffer behind each layer, so that no combinational path of tready runs through more than one
of them. A matrix-vector unit with several passes holds two input vectors, so neighbouring stages
are decoupled by a frame and the interval of the design is the largest of its stages
(docs/decisions/0005-replay-buffer.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.fold import Fold, Target, divisors
from gatesmith.codegen.requantize import RequantizeStage
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.top_k import TopKStage
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.errors import UserError
from gatesmith.ir import Array, Graph, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.top_k import TopK

MAX_WIDTH = 1 << 16
"""Widest stream that is emitted, in bits."""

MAX_LUT = 4_000_000
"""Largest design that is emitted, in LUTs of the estimate: the largest FPGA there is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline.

    Attributes:
        name: Name of the top module.
        stages: In the order of the stream.
    """

    name: str
    stages: tuple[Stage, ...]

    @property
    def source(self) -> Stream:
        """What enters the core."""
        return self.stages[0].source

    @property
    def sink(self) -> Stream:
        """What leaves the core."""
        return self.stages[-1].sink

    @property
    def interval(self) -> int:
        """Initiation interval: cycles from one frame to the next, that of the slowest stage."""
        return max(stage.interval for stage in self.stages)

    @property
    def latency(self) -> int:
        """Cycles from the first beat in to the last beat out of a frame that enters an idle core.

        Beats come one a cycle, nothing stalls at the output.
        """
        edges = np.arange(self.source.beats, dtype=np.int64)
        for stage in self.stages:
            edges = stage.schedule(edges)
        return int(edges[-1])

    @property
    def cost(self) -> Cost:
        """Sum over the stages."""
        total = Cost()
        for stage in self.stages:
            total += stage.cost()
        return total


def plan(graph: Graph, folds: Mapping[Node, Fold], name: str) -> Plan:
    """Stages of a chain of layers.

    Errors: ``codegen.branch``, ``codegen.too-wide``, ``codegen.too-large``.
    """
    chain = _chain(graph)
    builder = _Builder(name, folds, _lanes_in(chain, folds), {node.name for node in chain})
    for node in chain:
        builder.add(node)
    builder.buffer()
    result = Plan(name, tuple(builder.stages))
    _check_size(result)
    return result


def _chain(graph: Graph) -> list[Node]:
    """Nodes in order, when each feeds exactly one other."""
    nodes = list(graph)
    users = graph.users()
    inputs = [node for node in nodes if isinstance(node.op, Input)]
    branching = [node for node in nodes if users[node] > 1]
    if len(graph.outputs) != 1 or len(inputs) != 1 or branching:
        where = branching[0] if branching else nodes[-1]
        raise UserError(
            "codegen.branch",
            "the network is not a chain of layers",
            where=f'node "{", ".join(where.origin) or where.name}", {where.type}',
            why=f"it has {len(inputs)} inputs, {len(graph.outputs)} outputs and "
            f"{len(branching)} values that are read twice; hardware for branches is not built yet",
            fix=("export a model with one input, one output and no branches",),
        )
    return nodes


def _lanes_in(chain: list[Node], folds: Mapping[Node, Fold]) -> int:
    """Lanes of the input stream: the fewest that do not slow the design down.

    Lanes in an integer ratio to the first unit's SIMD come first: their converter is a shift
    register.
    """
    x = chain[0].type
    intervals = [
        n.args[0].type.size // f.simd * (n.type.channels // f.pe) for n, f in folds.items()
    ]
    interval = max(intervals, default=x.size)
    # Beats inside one vector where they are wide enough, else beats that cross vectors.
    enough = [lanes for lanes in divisors(x.channels) if x.size // lanes <= interval]
    enough = enough or [lanes for lanes in divisors(x.size) if x.size // lanes <= interval]
    first = next((folds[node].simd for node in chain if node in folds), enough[0])
    even = [n for n in enough if first % n == 0 or n % first == 0]
    return (even or enough)[0]


class _Builder:
    """Walks the chain and appends stages; ``stream`` is what the last of them gives."""

    def __init__(self, name: str, folds: Mapping[Node, Fold], lanes: int, layers: set[str]) -> None:
        self.name, self.folds, self.lanes, self.layers = name, folds, lanes, layers
        self.stages: list[Stage] = []
        self.names: set[str] = set()
        self.stream: Stream | None = None
        self.last: Node | None = None
        self.buffered = True  # nothing to buffer before the first layer

    def add(self, node: Node) -> None:
        """Stages of one node."""
        module = f"{self.name}_{node.name}"
        match node.op:
            case Input():
                t, lanes = node.type, self.lanes
                channels, vectors = t.channels, t.vectors
                if channels % lanes:
                    channels, vectors = t.size, 1
                self.stream = Stream(t.int_elem, channels, vectors, lanes)
            case Reshape():
                pass  # the stream's order stays; the next stage says where its vectors begin
            case Dense() as op:
                fold = self.folds[node]
                self.buffer()
                x = self.convert(node.args[0].type.channels, fold.simd)
                self.put(DenseStage(node.name, node.name, node.origin, module, op, x, fold.pe))
            case Threshold() as op:
                x, times = self.elementwise(node)
                op = replace(
                    op,
                    thresholds=_repeated(op.thresholds, times),
                    falling=_repeated(op.falling, times),
                )
                self.put(ThresholdStage(node.name, node.name, node.origin, module, op, x))
            case Requantize() as op:
                x, times = self.elementwise(node)
                op = replace(op, mul=_repeated(op.mul, times), add=_repeated(op.add, times))
                self.put(RequantizeStage(node.name, node.name, node.origin, module, op, x))
            case TopK() as op:
                self.buffer()
                x = self.in_vectors(node)
                x = x if op.k == 1 else self.convert(x.channels, 1)
                self.put(TopKStage(node.name, node.name, node.origin, module, op, x))
            case _:
                raise TypeError(f"no stage for {type(node.op).__name__}: edit codegen/plan.py")
        self.last = node

    def elementwise(self, node: Node) -> tuple[Stream, int]:
        """The stream that an element-wise operator reads, and how often its channels repeat in it.

        Beats that cross vectors stay as they are: the whole frame counts as one vector.
        """
        assert self.stream is not None
        t = node.args[0].type
        if t.channels % self.stream.lanes == 0 or t.size % self.stream.lanes:
            return self.in_vectors(node), 1
        return self.convert(t.size, self.stream.lanes), t.vectors

    def in_vectors(self, node: Node) -> Stream:
        """The stream as the vectors that ``node`` reads, at the lanes it has where they fit."""
        assert self.stream is not None
        channels = node.args[0].type.channels
        return self.convert(channels, gcd(channels, self.stream.lanes))

    def put(self, stage: Stage) -> None:
        """Append a stage."""
        assert stage.name not in self.names, stage.name
        self.names.add(stage.name)
        self.stages.append(stage)
        self.stream = stage.sink
        self.buffered = False

    def fresh(self, name: str) -> str:
        """``name``, or a variation that no layer has."""
        taken = self.names | self.layers
        while name in taken:
            name += "_"
        return name

    def buffer(self) -> None:
        """A skid buffer behind the last layer, once."""
        if self.buffered:
            return
        assert self.stream is not None and self.last is not None
        last = self.stages[-1]
        stage = SkidBufferStage(
            self.fresh(f"{last.name}_skid"), last.node, last.origin, self.stream
        )
        self.put(stage)
        self.buffered = True

    def convert(self, channels: int, lanes: int) -> Stream:
        """The stream as vectors of ``channels`` in beats of ``lanes``."""
        stream = self.stream
        assert stream is not None
        if stream.lanes == lanes:
            vectors = stream.channels * stream.vectors // channels
            self.stream = replace(stream, channels=channels, vectors=vectors)
            return self.stream
        node = self.stages[-1].node if self.stages else "x"
        origin = self.stages[-1].origin if self.stages else ()
        name = self.fresh(f"{node}_to_{lanes}")
        self.put(WidthConverterStage(name, node, origin, stream, channels, lanes))
        self.buffered = True  # its output is a register already
        assert self.stream is not None
        return self.stream


def _repeated(params: Array, times: int) -> Array:
    """Parameters by channel, for ``times`` vectors in a row; one row for all stays one."""
    if times == 1 or params.shape[0] == 1:
        return params
    return Array(np.concatenate([params.data] * times))


def check_target(result: Plan, target: Target) -> None:
    """Refuse a design that misses the interval the user asked for. Errors: ``codegen.target``."""
    if target.cycles is None or result.interval <= target.cycles:
        return
    slowest = max(result.stages, key=lambda stage: stage.interval)
    raise UserError(
        "codegen.target",
        f"{target.cycles} cycles a frame are out of reach",
        where=f'stage "{slowest.name}", {target.said}',
        why=f"it needs {slowest.interval} cycles a frame, and no fold makes it faster",
        fix=(f"ask for {result.interval} cycles or more",),
    )


def _check_size(result: Plan) -> None:
    """Refuse what no tool will digest, before a line of it is written."""
    for stage in result.stages:
        width = max(stage.source.width, stage.sink.width)
        if width > MAX_WIDTH:
            raise UserError(
                "codegen.too-wide",
                f"a stream would be {width} bits wide",
                where=f'stage "{stage.name}"',
                why=f"streams of more than {MAX_WIDTH} bits are not emitted: no tool routes them",
                fix=("fold more: a larger --cycles, or smaller PE and SIMD in --fold",),
            )
    lut = result.cost.lut
    if lut > MAX_LUT:
        largest = max(result.stages, key=lambda stage: stage.cost().lut)
        raise UserError(
            "codegen.too-large",
            f"the design would take about {lut:,} LUTs",
            where=f'largest stage "{largest.name}", about {largest.cost().lut:,} LUTs',
            why=f"more than {MAX_LUT:,}, so it fits no FPGA and synthesis would not end",
            fix=("fold more: a larger --cycles, or smaller PE and SIMD in --fold",),
        )
