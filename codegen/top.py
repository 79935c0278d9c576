"""The top level: AXI4-Stream in, the stages and the streams between them, AXI4-Stream out.

Knows streams and nothing of what the stages do. Every stream is a signal named after what drives
it (``<stage>_tdata``, ``_tvalid``, ``_tready``; with several outputs ``<stage>_<k>_tdata``), for a
bench to tap.

A single input is ``s_axis_*``, each of several ``s_axis_<name>_*``; outputs are ``m_axis_*`` or
``m_axis_<name>_*``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gatesmith.codegen import parts
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Reloadable, Stage, Stream

RESERVED = ("s_axis", "m_axis")
"""What the ports of the top level begin with: no stage and no stream may."""


def byte_bits(bits: int) -> int:
    """Width of an AXI4-Stream TDATA for a payload of ``bits``: whole bytes.

    >>> byte_bits(1), byte_bits(8), byte_bits(20)
    (8, 8, 24)
    """
    return 8 * parts.ceil_div(bits, 8)


def wires(design: Design) -> dict[Driver, str]:
    """What the signals of each stream begin with, unique in the top level.

    Raises:
        ValueError: A name would be mistaken for a port of the top level.
    """
    bare = {Driver(port.name): port.name for port in design.inputs}
    for stage in design:
        several = len(stage.sinks) > 1
        for k in range(len(stage.sinks)):
            bare[Driver(stage.name, k)] = f"{stage.name}_{k}" if several else stage.name
    if double := sorted(name for name in bare.values() if name.startswith(RESERVED)):
        raise ValueError(f"names must not begin with s_axis or m_axis: {', '.join(double)}")
    single = Counter(bare.values())
    taken = set(bare.values())
    named: dict[Driver, str] = {}
    for driver, wanted in bare.items():
        name = wanted
        if single[name] > 1 and name != driver.name:  # port 0 of "a", and a stage called "a_0"
            while name in taken:
                name += "_"
            taken.add(name)
        named[driver] = name
    return named


def prefixes(bare: str, ports: Sequence[CorePort]) -> tuple[str, ...]:
    """What the ports of each input (``bare`` is s_axis) or output (m_axis) begin with."""
    if len(ports) == 1:
        return (bare,)
    names = [port.name for port in ports]
    if len(set(names)) < len(names):
        raise ValueError(f"ports must have different names: {', '.join(names)}")
    return tuple(f"{bare}_{name}" for name in names)


@dataclass(frozen=True, slots=True)
class End:
    """An input or output of the core, as the template needs it.

    Attributes:
        name: What it is called in comments: its name where there are several, else nothing.
        prefix: What its ports begin with.
        stream: Its shape.
        wire: The stream inside.
        number: Distinguishes its registers: nothing for a single one.
    """

    name: str
    prefix: str
    stream: Stream
    wire: str
    number: str

    @property
    def bits(self) -> int:
        """Bits of tdata."""
        return byte_bits(self.stream.width)

    @property
    def data(self) -> str:
        """What an output puts on tdata: the stream, filled up with zeros (SystemVerilog)."""
        fill = self.bits - self.stream.width
        return f"{{{fill}'d0, {self.wire}_tdata}}" if fill else f"{self.wire}_tdata"

    @property
    def counter_bits(self) -> int:
        """Bits of a counter of the beats of a frame."""
        return parts.counter_bits(self.stream.beats)

    @property
    def told(self) -> str:
        """Size and shape of a frame, for the header."""
        s = self.stream
        size = f"{s.channels * s.vectors} x {s.elem} a frame"
        name = f"{self.name}: " if self.name else ""
        return f"{name}{size}, {s.lanes} a beat, {s.beats} beat(s)"


@dataclass(frozen=True, slots=True)
class Instance:
    """A stage with the streams at its ports.

    Attributes:
        stage: The stage.
        inward: (prefix of the ports, stream) of each input.
        outward: The same of each output.
        interval: Of the stage.
        number: Of its memory among those that can be reloaded; None where it has none.
    """

    stage: Stage
    inward: tuple[tuple[str, str], ...]
    outward: tuple[tuple[str, str], ...]
    interval: int
    number: int | None = None

    @property
    def lanes(self) -> str:
        """Lanes of its inputs and outputs, for the table in the header."""
        sides = (self.stage.sources, self.stage.sinks)
        ins, outs = ("+".join(str(stream.lanes) for stream in side) for side in sides)
        return f"{ins} -> {outs}"

    @property
    def remark(self) -> str:
        """ONNX names for a comment."""
        return parts.remark(self.stage.origin)

    @property
    def parameters(self) -> str:
        """Parameter assignment, with the blank behind it (SystemVerilog)."""
        given = ", ".join(f".{name}({value})" for name, value in self.stage.parameters.items())
        return f"#({given}) " if given else ""

    @property
    def connections(self) -> str:
        """Every stream at its ports, and the memory that is reloaded (SystemVerilog)."""
        nets = [
            (f"{port}_{signal}", f"{wire}_{signal}")
            for port, wire in (*self.inward, *self.outward)
            for signal in ("tdata", "tvalid", "tready")
        ]
        if self.stage.reloadable is not None:
            memory = self.stage.reloadable
            word, chunk = memory.word_bits, memory.chunk_bits
            nets += [
                ("reload_select", f"reload_select[{self.number}]"),
                ("reload_write", "reload_write"),
                ("reload_word", f"reload_word[{word - 1}:0]"),
                ("reload_chunk", f"reload_chunk[{chunk - 1}:0]"),
                ("reload_data", "reload_data"),
                ("reload_read", f"{self.stage.name}_reload_read"),
            ]
        return ",\n".join(f"        .{port}({net})" for port, net in nets)

    @property
    def streams(self) -> tuple[tuple[str, Stream], ...]:
        """(signal, shape) of each output."""
        return tuple((wire, s) for (_, wire), s in zip(self.outward, self.stage.sinks, strict=True))


@dataclass(frozen=True, slots=True)
class Top:
    """What templates/sv/top.sv.j2 is given, under the name ``hw``.

    Attributes:
        name: Name of the module.
        interval: Cycles a frame.
        inputs: Inputs of the core.
        outputs: Outputs of the core.
        instances: Stages, drivers before readers.
        source_text: What the design was made from, for the header.
        monitored: Whether it has ports for the registers around it.
    """

    name: str
    interval: int
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    instances: tuple[Instance, ...]
    source_text: str
    monitored: bool = False

    @property
    def streams(self) -> tuple[str, ...]:
        """Every stream, those of the inputs first."""
        inside = (wire for item in self.instances for wire, _ in item.streams)
        return (*(end.wire for end in self.inputs), *inside)

    @property
    def reloaded(self) -> tuple[Instance, ...]:
        """Stages with memories that can be reloaded, by number."""
        return tuple(item for item in self.instances if item.number is not None)

    @property
    def word_bits(self) -> int:
        """Bits of the address of a word of any of them."""
        return max(m.word_bits for m in self._memories)

    @property
    def chunk_bits(self) -> int:
        """Bits of the number of a part of 32 bits of a word."""
        return max(m.chunk_bits for m in self._memories)

    @property
    def _memories(self) -> list[Reloadable]:
        found = (item.stage.reloadable for item in self.instances)
        return [memory for memory in found if memory is not None]

    @property
    def pad(self) -> str:
        """Room of the widest range, so that the ports stand in columns."""
        return " " * len(self.widest)

    @property
    def widest(self) -> str:
        """The widest of all ranges."""
        bits = [end.bits for end in (*self.inputs, *self.outputs)]
        if self.monitored:
            bits += [len(self.streams), *([32, len(self.reloaded)] if self.reloaded else [])]
        return f"[{max(bits) - 1}:0]"

    def range(self, bits: int) -> str:
        """Range of a vector of ``bits``, as wide as the widest."""
        return f"[{bits - 1}:0]".ljust(len(self.widest))

    @property
    def frame_error(self) -> str:
        """Whether any input saw a tlast at a wrong place (SystemVerilog)."""
        return " || ".join(f"frame_error{end.number}_q" for end in self.inputs)


def render_top(design: Design, source: str = "", *, monitored: bool = False) -> str:
    """Text of the top module.

    Args:
        design: Stages and streams.
        source: What the design was made from (ONNX file and its hash), one line of the header.
        monitored: Whether it gets ports for registers around it: the handshakes of every stream,
            and access to the memories that can be reloaded.

    Raises:
        ValueError: A name is taken.
    """
    return render("sv/top.sv.j2", hw=top_of(design, source, monitored=monitored))


def top_of(design: Design, source: str = "", *, monitored: bool = False) -> Top:
    """What the template of the top module is given. Arguments: those of :func:`render_top`."""
    named = wires(design)
    numbers = {stage.name: k for k, stage in enumerate(reloaded(design))}
    return Top(
        design.name,
        design.interval,
        tuple(_ends("s_axis", design.inputs, [named[Driver(p.name)] for p in design.inputs])),
        tuple(_ends("m_axis", design.outputs, [named[_driver(p)] for p in design.outputs])),
        tuple(_instance(placed, named, numbers) for placed in design.placed),
        parts.remark([source]) if source else "a streaming network",
        monitored,
    )


def reloaded(design: Design) -> tuple[Stage, ...]:
    """Stages with memories that can be reloaded, in the order of their numbers."""
    return tuple(stage for stage in design if stage.reloadable is not None)


def _driver(port: CorePort) -> Driver:
    assert port.driver is not None, f"output {port.name} has no driver"
    return port.driver


def _ends(bare: str, ports: Sequence[CorePort], inside: Sequence[str]) -> Iterable[End]:
    several = len(ports) > 1
    for k, (port, prefix) in enumerate(zip(ports, prefixes(bare, ports), strict=True)):
        number, name = (str(k), port.name) if several else ("", "")
        yield End(name, prefix, port.stream, inside[k], number)


def _instance(
    placed: Placed, named: Mapping[Driver, str], numbers: Mapping[str, int] | None = None
) -> Instance:
    stage = placed.stage
    drivers = [named[driver] for driver in placed.drivers]
    sinks = [named[Driver(stage.name, k)] for k in range(len(stage.sinks))]
    return Instance(
        stage,
        tuple(zip(stage.inward(), drivers, strict=True)),
        tuple(zip(stage.outward(), sinks, strict=True)),
        stage.interval,
        (numbers or {}).get(stage.name),
    )


def files(stages: Iterable[Stage]) -> Mapping[str, str]:
    """Every file below rtl/ that the stages need, by name; shared ones once."""
    merged: dict[str, str] = {}
    for stage in stages:
        for name, text in stage.files().items():
            if merged.setdefault(name, text) != text:
                raise ValueError(f"two different files are named {name}: module names must differ")
    return merged
