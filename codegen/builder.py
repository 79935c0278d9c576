"""The design while it is being made: streams with readers still to come, and what joins them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import gcd

from gatesmith.codegen.design import CorePort, Driver, Placed
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.fork import ForkStage
from gatesmith.codegen.matrix_unit import Fold
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.ir import Graph, Node


class Builder:
    """The design so far; layers (codegen/layers.py) take streams from it and put stages.

    Attributes:
        name: Of the design; module names begin with it.
        folds: Of the matrix-vector units.
        cycles: Most cycles a frame that a stage should take.
    """

    def __init__(self, graph: Graph, folds: Mapping[Node, Fold], cycles: int, name: str) -> None:
        self.name, self.folds, self.cycles = name, folds, cycles
        self.layers = {node.name for node in graph}
        self.placed: list[Placed] = []
        self.stages: dict[str, Stage] = {}
        self.names: set[str] = set()
        self.streams: dict[Driver, Stream] = {}
        self.free: dict[Node, list[Driver]] = {}  # a driver for each reader still to come
        self.shape: dict[Node, Stream] = {}
        self.tap_lanes: dict[Node, int] = {}  # neighbours in a window's stream that are one tap
        self.registered: set[Driver] = set()  # no path of tready runs through what drives these
        self.inputs: list[CorePort] = []
        self.users = graph.users()
        self.readers = {arg: node for node in graph for arg in node.args}  # one of each
        self.straight: dict[Driver, int] = {}  # unrolled layers in a row that end here
        self.done: set[Node] = set()  # what is part of an earlier stage

    # ---- what layers use ------------------------------------------------------------------------

    def take(self, node: Node) -> Tap:
        """The stream of a node, for one reader."""
        return Tap(self, self.free[node].pop(0), self.shape[node])

    def only_reader(self, node: Node) -> Node | None:
        """The node that alone reads a value."""
        return self.readers.get(node) if self.users[node] == 1 else None

    def module(self, name: str) -> str:
        """Name of a module made for one stage."""
        return f"{self.name}_{name}"

    def put(self, stage: Stage, *drivers: Driver) -> Driver:
        """Place a stage; its first output."""
        assert stage.name not in self.names, stage.name
        self.names.add(stage.name)
        self.placed.append(Placed(stage, drivers))
        self.stages[stage.name] = stage
        for index, stream in enumerate(stage.sinks):
            self.streams[Driver(stage.name, index)] = stream
        return Driver(stage.name)

    def fresh(self, name: str) -> str:
        """``name``, or a variation that no layer and no stage has."""
        taken = self.names | self.layers
        while name in taken:
            name += "_"
        return name

    def give(self, node: Node, tap: Tap) -> None:
        """Say what carries a node: forked where several read it."""
        count = self.users[node]
        if count > 1:
            tap.buffer()
            name = self.fresh(f"{node.name}_fork")
            self.put(ForkStage(name, node.name, node.origin, tap.stream, count), tap.driver)
            self.free[node] = [Driver(name, port) for port in range(count)]
            self.registered.update(self.free[node])
        else:
            self.free[node] = [tap.driver]
        self.shape[node] = tap.stream

    def enter(self, node: Node, lanes: int) -> None:
        """An input of the core."""
        t = node.type
        channels, vectors = t.channels, t.vectors
        if channels % lanes:
            channels, vectors = t.size, 1
        stream = Stream(t.int_elem, channels, vectors, lanes)
        self.inputs.append(CorePort(node.name, node.name, stream))
        self.names.add(node.name)
        self.streams[Driver(node.name)] = stream
        self.registered.add(Driver(node.name))
        self.give(node, Tap(self, Driver(node.name), stream))


class Tap:
    """One reader's end of a stream, on which converters and buffers can be put."""

    def __init__(self, builder: Builder, driver: Driver, stream: Stream) -> None:
        self.builder, self.driver, self.stream = builder, driver, stream

    @property
    def _who(self) -> tuple[str, tuple[str, ...]]:
        """Node and origin of what drives it."""
        stage = self.builder.stages.get(self.driver.name)
        return (self.driver.name, ()) if stage is None else (stage.node, stage.origin)

    def put(self, stage: Stage) -> Tap:
        """Place a stage with this stream as its only input."""
        self.driver = self.builder.put(stage, self.driver)
        self.stream = stage.sink
        return self

    def buffer(self) -> Tap:
        """A skid buffer, unless a register is there already."""
        if self.driver not in self.builder.registered:
            node, origin = self._who
            name = self.builder.fresh(f"{self.driver.name}_skid")
            self.put(SkidBufferStage(name, node, origin, self.stream))
            self.builder.registered.add(self.driver)
        return self

    def wait(self) -> Tap:
        """A FIFO where another branch may come later; sized, or left out, at the end."""
        builder = self.builder
        node, origin = self._who
        name = builder.fresh(f"{self.driver.name}_fifo")
        self.put(FifoStage(name, node, origin, self.stream, self.stream.beats))
        builder.registered.add(self.driver)
        return self

    def convert(self, channels: int, lanes: int) -> Tap:
        """The stream as vectors of ``channels`` in beats of ``lanes``."""
        stream = self.stream
        if stream.lanes == lanes:
            vectors = stream.channels * stream.vectors // channels
            self.stream = replace(stream, channels=channels, vectors=vectors)
            return self
        node, origin = self._who
        name = self.builder.fresh(f"{node}_to_{lanes}")
        self.put(WidthConverterStage(name, node, origin, stream, channels, lanes))
        self.builder.registered.add(self.driver)  # its output is a register already
        return self

    def convert_waiting(self, channels: int, lanes: int) -> Tap:
        """The same with a FIFO, on the side of the converter where beats are wider.

        What drives it is then not held up while a wide beat goes out in parts, and what reads it
        can take wide beats as quickly as it likes.
        """
        if lanes < self.stream.lanes:
            return self.wait().convert(channels, lanes)
        return self.convert(channels, lanes).wait()

    def in_vectors(self, channels: int) -> Tap:
        """The stream as vectors of ``channels``, at the lanes it has where they fit."""
        return self.convert(channels, gcd(channels, self.stream.lanes))
