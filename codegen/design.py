"""A design: stages and the streams between them, as a graph without cycles.

Every output port of a stage, and every input of the core, drives exactly one reader: an input port
of a stage or an output of the core. Several readers need a Fork stage between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.ir import Ints


@dataclass(frozen=True, slots=True)
class Driver:
    """Where a stream comes from.

    Attributes:
        name: Of a stage, or of an input of the core.
        port: Output port of that stage; 0 for an input of the core.
    """

    name: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class CorePort:
    """An input or output of the core.

    Attributes:
        name: Unique in the design, a Verilog identifier; ``x`` for a single input.
        node: IR node whose value it carries.
        stream: Its shape.
        driver: Of an output: who drives it. None for an input.
    """

    name: str
    node: str
    stream: Stream
    driver: Driver | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A stage and who drives each of its inputs, in the order of ``stage.sources``."""

    stage: Stage
    drivers: tuple[Driver, ...]


@dataclass(frozen=True, slots=True)
class Design:
    """The hardware of a network.

    Attributes:
        name: Name of the top module.
        inputs: In the order of the integer graph's Input nodes.
        placed: Stages, drivers before readers.
        outputs: In the order of the model's outputs.
    """

    name: str
    inputs: tuple[CorePort, ...]
    placed: tuple[Placed, ...]
    outputs: tuple[CorePort, ...]

    def __post_init__(self) -> None:
        names = Counter([p.name for p in self.inputs] + [p.stage.name for p in self.placed])
        double = sorted(name for name, times in names.items() if times > 1)
        if double:
            raise ValueError(f"names must be unique: {', '.join(double)}")
        streams = {Driver(port.name): port.stream for port in self.inputs}
        readers: Counter[Driver] = Counter()
        for placed in self.placed:
            for driver, stream in zip(placed.drivers, placed.stage.sources, strict=True):
                _check_fit(driver, streams[driver], placed.stage.name, stream)
                readers[driver] += 1
            for index, stream in enumerate(placed.stage.sinks):
                streams[Driver(placed.stage.name, index)] = stream
        for port in self.outputs:
            assert port.driver is not None, f"output {port.name} has no driver"
            _check_fit(port.driver, streams[port.driver], port.name, port.stream)
            readers[port.driver] += 1
        wrong = [f"{d.name}.{d.port}" for d in streams if readers[d] != 1]
        if wrong:
            raise ValueError(f"streams without exactly one reader: {', '.join(wrong)}")

    def __iter__(self) -> Iterator[Stage]:
        """Stages, drivers before readers."""
        return (placed.stage for placed in self.placed)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Stages, drivers before readers."""
        return tuple(self)

    @property
    def interval(self) -> int:
        """Initiation interval: cycles from one frame to the next, that of the slowest stage."""
        ports = [port.stream.beats for port in (*self.inputs, *self.outputs)]
        return max([*ports, *(stage.interval for stage in self)])

    def schedule(self) -> dict[Driver, Ints]:
        """Edge of every beat of a first frame on every stream, when nothing stalls."""
        edges = {
            Driver(port.name): np.arange(port.stream.beats, dtype=np.int64) for port in self.inputs
        }
        for placed in self.placed:
            out = placed.stage.schedule(*(edges[driver] for driver in placed.drivers))
            for index in range(len(placed.stage.sinks)):
                edges[Driver(placed.stage.name, index)] = out
        return edges

    @property
    def least_latency(self) -> int:
        """Latency (codegen/latency.py), were no stream ever held back; exact without branches."""
        edges = self.schedule()
        return max(int(edges[p.driver][-1]) for p in self.outputs if p.driver is not None)

    @property
    def cost(self) -> Cost:
        """Sum over the stages."""
        total = Cost()
        for stage in self:
            total += stage.cost()
        return total


def _check_fit(driver: Driver, a: Stream, reader: str, b: Stream) -> None:
    if (a.elem, a.lanes, a.beats) != (b.elem, b.lanes, b.beats):
        raise ValueError(f"{driver.name} drives {a}, but {reader} reads {b}")
