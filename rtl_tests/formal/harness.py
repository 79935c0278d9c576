"""The proof of one stage as SystemVerilog: what templates/formal/stream.sv.j2 is given.

A FIFO, a skid buffer and a fork move beats whole, whatever is in them: their frame is one beat, and
a beat is one element. A width converter's frame is the least number of whole beats on both sides.
Every other block has the frames of its streams.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd

from gatesmith.codegen import parts
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.fork import ForkStage
from gatesmith.codegen.gate import GateStage
from gatesmith.codegen.render import render
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.ir import IntType
from gatesmith.rtl_tests.formal.meaning import Meaning, Pick, identity, meaning
from gatesmith.rtl_tests.formal.proof import Proof

SLACK = 4
"""Cycles that a block may stand still beyond its interval."""
MOST_TAKES = 4096
"""Terms of all output elements together, up to which values are followed."""


@dataclass(frozen=True, slots=True)
class Port:
    """A stream at the block.

    Attributes:
        index: Its number among the sources or sinks.
        port: Prefix of its signals at the block.
        stream: Its shape in the proof.
    """

    index: int
    port: str
    stream: Stream

    @property
    def width(self) -> int:
        """Bits of tdata."""
        return self.stream.width

    @property
    def beats(self) -> int:
        """Beats of a frame."""
        return self.stream.beats

    @property
    def at_bits(self) -> int:
        """Bits of a beat's number."""
        return parts.counter_bits(self.beats)

    @property
    def elem_bits(self) -> int:
        """Bits of an element."""
        return self.stream.elem.bits

    def decode(self, code: str) -> str:
        """Value of the code in the low bits of a vector (SystemVerilog)."""
        elem, bits = self.stream.elem, f"{code}[{self.elem_bits - 1}:0]"
        if elem.signed:
            return f"$signed({bits})"
        value = f"$signed({{1'b0, {bits}}})"
        return value if elem.step == 1 else f"{elem.lo} + {elem.step} * {value}"

    def assumed(self) -> list[str]:
        """That codes are those of values (SystemVerilog)."""
        elem = self.stream.elem
        if elem.count == 1 << elem.bits:
            return []
        low, high = elem.code.lo, elem.code.hi
        found = []
        for lane in range(self.stream.lanes):
            bits = f"s{self.index}_tdata[{lane * elem.bits} +: {elem.bits}]"
            code = f"$signed({bits})" if elem.signed else f"$signed({{1'b0, {bits}}})"
            found.append(f"!s{self.index}_tvalid || ({code} >= {low} && {code} <= {high})")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Harness:
    """Context of the template, under the name ``hw``.

    Attributes:
        block: Template or library module that is proven.
        instance: Which instance of it.
        module: The module.
        parameters: Of the instance.
        sources: Inputs.
        out: The output that is looked at.
        sink: Its number.
        sink_ports: Prefixes of all outputs.
        frames: Whether frames are followed, and not the protocol alone.
        capacity: Most frames inside.
        room: Frames below which tready has to be high, or None.
        idle: Cycles in which nothing moves though it could, less than this.
        goes: When a frame is not dropped, at its first beat (SystemVerilog), or None.
        meaning: Of the output elements, or None.
        reloads: Whether it has a memory that can be reloaded; nobody does while it is proven.
    """

    block: str
    instance: str
    module: str
    parameters: Mapping[str, int]
    sources: tuple[Port, ...]
    out: Port
    sink: int
    sink_ports: tuple[str, ...]
    frames: bool
    capacity: int
    room: int | None
    idle: int
    goes: str | None
    meaning: Meaning | None
    reloads: bool

    # ---- what the template writes ---------------------------------------------------------------

    @property
    def parameter_text(self) -> str:
        """Parameter assignment with the blank behind it."""
        given = ", ".join(f".{name}({value})" for name, value in self.parameters.items())
        return f"#({given}) " if given else ""

    @property
    def assumed(self) -> list[str]:
        """Of the sources."""
        return [text for port in self.sources for text in port.assumed()]

    @property
    def counted(self) -> tuple[Port, ...]:
        """Sources whose frames become frames of the output: not a decision about them."""
        return self.sources[:1] if self.goes else self.sources

    @property
    def count_bits(self) -> int:
        """Bits of a number of frames inside, one more than is allowed."""
        return (self.capacity + 1).bit_length()

    @property
    def idle_bits(self) -> int:
        """Bits of the cycles that nothing moves."""
        return self.idle.bit_length()

    def _all(self, text: str, joint: str, ports: tuple[Port, ...]) -> str:
        return f" {joint} ".join(text.format(k=port.index) for port in ports)

    @property
    def any_begun(self) -> str:
        """Some source has begun a frame that is inside."""
        return "(" + self._all("begun{k}_q != 0", "||", self.counted) + ")"

    @property
    def all_begun(self) -> str:
        """Every source has."""
        return "(" + self._all("begun{k}_q != 0", "&&", self.counted) + ")"

    @property
    def within(self) -> str:
        """No source has begun more frames than can be inside."""
        return self._all(f"begun{{k}}_q <= {self.capacity}", "&&", self.counted)

    @property
    def any_take(self) -> str:
        """A beat comes in."""
        return self._all("take{k}", "||", self.sources)

    @property
    def all_ready(self) -> str:
        """Every reader takes."""
        return " && ".join(f"m{k}_tready" for k in range(len(self.sink_ports)))

    @property
    def all_valid(self) -> str:
        """Every source offers."""
        return self._all("s{k}_tvalid", "&&", self.sources)

    @property
    def all_inside(self) -> str:
        """A whole frame of every source is inside."""
        return self._all("begun{k}_q > (at{k}_q != 0)", "&&", self.counted)

    @property
    def consistent(self) -> str:
        """Frames before the marked one are begun, or will be."""
        text = (
            "(started{k}_q ? begun{k}_q > ahead_q : "
            "{{1'b0, begun{k}_q}} + {{1'b0, before{k}_q}} == {{1'b0, ahead_q}}) "
            "&& (!ended{k}_q || started{k}_q)"
        )
        return self._all(text, "&&", self.counted)

    @property
    def picks(self) -> tuple[Pick, ...]:
        """Output elements."""
        return () if self.meaning is None else self.meaning.picks

    @property
    def pick_bits(self) -> int:
        """Bits of an output element's number, one spare so that the limit can be written."""
        return len(self.picks).bit_length()

    @property
    def arity(self) -> int:
        """Input elements that an output element depends on, at most."""
        return max((len(pick.takes) for pick in self.picks), default=0)

    @property
    def scratch(self) -> list[str]:
        """Variables of the texts."""
        return [*(f"v{j}" for j in range(self.arity)), "t"]

    @property
    def kept_bits(self) -> int:
        """Bits of the widest code."""
        return max(port.elem_bits for port in self.sources)

    @property
    def value_bits(self) -> int:
        """Bits that hold every value of the texts."""
        assert self.meaning is not None
        return self.meaning.bound.bit_length() + 2

    @property
    def complete(self) -> str:
        """All that is needed has come."""
        each = (f"(!needs{j} || have{j}_q)" for j in range(self.arity))
        return " && ".join(each) or "1'b1"


def harness(stage: Stage, instance: str, *, sink: int = 0, frames: bool = True) -> Harness:
    """Harness of a stage.

    Args:
        stage: The block.
        instance: What tells it from other instances, for people.
        sink: Which output is looked at.
        frames: False: the protocol alone.
    """
    ports = [
        Port(k, p, s) for k, (p, s) in enumerate(zip(stage.inward(), stage.sources, strict=True))
    ]
    outs = stage.outward()
    out = Port(sink, outs[sink], stage.sinks[sink])
    found = meaning(stage) if frames else None
    if found is not None and sum(len(pick.takes) for pick in found.picks) > MOST_TAKES:
        found = None
    capacity = 1
    room: int | None = None
    goes: str | None = None
    match stage:
        case FifoStage() | SkidBufferStage() | ForkStage():
            whole = Stream(IntType(0, (1 << stage.source.width) - 1), 1, 1, 1)
            ports, out = [replace(ports[0], stream=whole)], replace(out, stream=whole)
            found = identity(whole, whole)
            capacity = _places(stage)
            room = None if isinstance(stage, ForkStage) else capacity
            idle = SLACK
        case WidthConverterStage():
            ports, out = _whole_beats(stage, ports[0], out)
            found = identity(ports[0].stream, out.stream)
            capacity = 2 + 2 // min(ports[0].beats, out.beats)
            idle = SLACK
        case _:
            timing = stage.timing()
            capacity = 1 + parts.ceil_div(timing.room, out.beats)
            capacity += max(
                parts.ceil_div(k, p.beats) for k, p in zip(timing.keep, ports, strict=True)
            )
            idle = stage.interval + timing.delay + SLACK
    if isinstance(stage, GateStage):
        goes = f"!s1_tdata[{stage.decision.elem.bits}]"
        found = identity(stage.x, stage.x)
    block = re.sub(r"Stage$", "", type(stage).__name__)
    return Harness(
        block, instance, stage.module, stage.parameters, tuple(ports), out, sink, outs,
        frames, capacity, room, idle, goes, found if frames else None,
        stage.reloadable is not None,
    )  # fmt: skip


def _places(stage: FifoStage | SkidBufferStage | ForkStage) -> int:
    """Beats that it holds."""
    if isinstance(stage, FifoStage):
        return stage.depth
    return 2 if isinstance(stage, SkidBufferStage) else 1


def _whole_beats(stage: WidthConverterStage, x: Port, out: Port) -> tuple[list[Port], Port]:
    """The fewest units that are whole beats on both sides."""
    given = stage.parameters
    elem = IntType(0, (1 << given["W"]) - 1)
    many = given["IN"] * given["OUT"] // gcd(given["IN"], given["OUT"])
    source, sink = (Stream(elem, many, 1, given[side]) for side in ("IN", "OUT"))
    return [replace(x, stream=source)], replace(out, stream=sink)


def proof(
    stage: Stage, instance: str, *, depth: int | None = None, sink: int = 0, frames: bool = True
) -> Proof:
    """The proof of a stage, with its files; ``depth`` cycles, the rest as for :func:`harness`."""
    hw = harness(stage, instance, sink=sink, frames=frames)
    text = render("formal/stream.sv.j2", hw=hw)
    data = tuple(f"{port.port}_tdata" for port in hw.counted)
    files = dict(stage.files())
    return Proof(hw.block, instance, stage.module, files, text, depth, stage.parameters, data)
