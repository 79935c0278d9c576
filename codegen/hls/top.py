"""The top function of a design in HLS C++: ports, channels, and a call for each stage.

A channel is a stream of the RTL from the stage that drives it to the one that reads it. Skid
buffers and FIFOs on the way are its depth. Behind a gate a second channel, ``<channel>_goes``, says
once a frame whether there is one: a process there is called where it says so
(docs/decisions/0012-hls.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatesmith.codegen import parts, top
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.early_exit import EarlyExitStage
from gatesmith.codegen.gate import GateStage
from gatesmith.codegen.hls.kernel import Kernel
from gatesmith.codegen.hls.kernels import PASSING, kernel_of, places
from gatesmith.codegen.hls.keywords import KEYWORDS
from gatesmith.codegen.stream import Stage, Stream

DEFAULT_DEPTH = 2
"""Beats of a channel with nothing on it."""


def function_name(design_name: str) -> str:
    """Name of the top function.

    >>> function_name("net"), function_name("double")
    ('net', 'double_top')
    """
    return f"{design_name}_top" if design_name in KEYWORDS else design_name


@dataclass(frozen=True, slots=True)
class Channel:
    """A stream inside the top function.

    Attributes:
        wire: Name of the RTL's signals.
        stream: Its shape.
        depth: Beats that wait in it.
        passed: Skid buffers and FIFOs that it stands for.
        gated: Whether some frames are missing.
    """

    wire: str
    stream: Stream
    depth: int
    passed: tuple[str, ...]
    gated: bool

    @property
    def name(self) -> str:
        """Of the variable."""
        return f"{self.wire}_stream"

    @property
    def goes(self) -> str:
        """Of the variable that says whether a frame is there."""
        return f"{self.wire}_goes"

    @property
    def width(self) -> int:
        """Bits of a beat."""
        return self.stream.width


@dataclass(frozen=True, slots=True)
class Port:
    """An AXI4-Stream port.

    Attributes:
        name: Of the argument.
        bits: Of tdata.
        channel: What it is connected to.
    """

    name: str
    bits: int
    channel: Channel


@dataclass(frozen=True, slots=True)
class Process:
    """A stage and its channels.

    Attributes:
        stage: The stage.
        kernel: What it calls.
        inward: Channels that it reads.
        outward: Channels that it writes.
    """

    stage: Stage
    kernel: Kernel
    inward: tuple[Channel, ...]
    outward: tuple[Channel, ...]

    @property
    def remark(self) -> str:
        """ONNX names for a comment."""
        return parts.remark(self.stage.origin)

    @property
    def config(self) -> str:
        """Name of the struct of constants."""
        return f"{self.stage.name}_config"

    @property
    def call(self) -> str:
        """The call (C++)."""
        options = ", ".join((self.config, *self.kernel.options))
        streams = [channel.name for channel in (*self.inward, *self.outward)]
        if self.is_gate:
            streams.append(self.outward[0].goes)
        roms = [self.rom_name(rom.name) for rom in self.kernel.roms]
        return f"gs::{self.kernel.function}<{options}>({', '.join([*streams, *roms])})"

    def rom_name(self, rom: str) -> str:
        """Name of an array."""
        return f"{self.stage.name}_{rom}"

    @property
    def asked(self) -> list[Channel]:
        """Channels whose frames may be missing, of which it has to be told."""
        return [channel for channel in self.inward if channel.gated]

    @property
    def wrapped(self) -> bool:
        """Whether it is called for some frames only, by a process of its own."""
        return bool(self.asked)

    @property
    def always(self) -> bool:
        """Whether it runs for every frame although an input may be missing."""
        return isinstance(self.stage, EarlyExitStage) and not self.inward[0].gated

    @property
    def is_gate(self) -> bool:
        """Whether it says itself which frames go on."""
        return isinstance(self.stage, GateStage)

    @property
    def arguments(self) -> str:
        """Channels of the wrapping process (C++)."""
        names: list[str] = []
        for channel in (*self.inward, *self.outward):
            names.append(channel.name)
            if channel.gated:
                names.append(channel.goes)
        return ", ".join(names)

    @property
    def parameters(self) -> list[str]:
        """The same as parameters (C++)."""
        found: list[str] = []
        for channel in (*self.inward, *self.outward):
            found.append(f"hls::stream<ap_uint<{channel.width}> >& {channel.name}")
            if channel.gated:
                found.append(f"hls::stream<ap_uint<1> >& {channel.goes}")
        return found


@dataclass(frozen=True, slots=True)
class Top:
    """What templates/hls/top.*.j2 are given, under the name ``hw``.

    Attributes:
        name: Of the top function, and of the files.
        source_text: What the design was made from.
        inputs: Ports.
        outputs: Ports.
        channels: All channels.
        processes: Stages that compute something, drivers before readers.
        interval: Cycles a frame of the RTL.
    """

    name: str
    source_text: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    channels: tuple[Channel, ...]
    processes: tuple[Process, ...]
    interval: int

    @property
    def ports(self) -> tuple[Port, ...]:
        """Inputs and outputs."""
        return (*self.inputs, *self.outputs)

    @property
    def headers(self) -> list[str]:
        """Files of the library that are included."""
        return sorted({process.kernel.header for process in self.processes} | {"ports.h"})

    @property
    def with_roms(self) -> list[Process]:
        """Processes that have memories."""
        return [process for process in self.processes if process.kernel.roms]


def top_of(design: Design, source: str = "") -> Top:
    """The design as processes and channels.

    Args:
        design: Stages and streams.
        source: What it was made from (ONNX file and its hash), for the header.
    """
    named = top.wires(design)
    stages = {placed.stage.name: placed for placed in design.placed}
    gated = _gated(design)
    channels: dict[Driver, Channel] = {}

    def channel(driver: Driver) -> Channel:
        """The channel that ends with this driver, back to the stage that computes it."""
        depth, passed, start = 0, [], driver
        while start.name in stages and isinstance(stages[start.name].stage, PASSING):
            passed.append(start.name)
            depth += places(stages[start.name].stage)
            (start,) = stages[start.name].drivers
        shape = _stream(design, stages, start)
        depth = depth or DEFAULT_DEPTH
        found = Channel(named[start], shape, depth, tuple(reversed(passed)), start in gated)
        channels[start] = found
        return found

    outputs = tuple(
        Port(name, top.byte_bits(port.stream.width), channel(_driver(port)))
        for name, port in zip(top.prefixes("m_axis", design.outputs), design.outputs, strict=True)
    )
    computing = [placed for placed in design.placed if not isinstance(placed.stage, PASSING)]
    inward = {p.stage.name: tuple(channel(driver) for driver in p.drivers) for p in computing}
    processes = tuple(
        Process(
            placed.stage,
            kernel_of(placed.stage),
            inward[placed.stage.name],
            tuple(channels[Driver(placed.stage.name, k)] for k in range(len(placed.stage.sinks))),
        )
        for placed in computing
    )
    inputs = tuple(
        Port(name, top.byte_bits(port.stream.width), channels[Driver(port.name)])
        for name, port in zip(top.prefixes("s_axis", design.inputs), design.inputs, strict=True)
    )
    order = [port.channel for port in inputs] + [c for p in processes for c in p.outward]
    text = parts.remark([source]) if source else "a streaming network"
    name = function_name(design.name)
    return Top(name, text, inputs, outputs, tuple(order), processes, design.interval)


def _driver(port: CorePort) -> Driver:
    assert port.driver is not None, f"output {port.name} has no driver"
    return port.driver


def _stream(design: Design, stages: Mapping[str, Placed], driver: Driver) -> Stream:
    if driver.name in stages:
        return stages[driver.name].stage.sinks[driver.port]
    return next(port.stream for port in design.inputs if port.name == driver.name)


def _gated(design: Design) -> set[Driver]:
    """Drivers of streams on which some frames are missing: what gates let through."""
    found: set[Driver] = set()
    for placed in design.placed:
        stage, drivers = placed.stage, placed.drivers
        if isinstance(stage, EarlyExitStage):
            if drivers[1] not in found:
                raise AssertionError(f"{stage.name}: its late class does not come from a gate")
            late = drivers[0] in found
        else:
            late = isinstance(stage, GateStage) or any(driver in found for driver in drivers)
        if late:
            found |= {Driver(stage.name, k) for k in range(len(stage.sinks))}
    return found
