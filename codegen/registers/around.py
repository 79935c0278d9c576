"""The core behind registers: gates, data windows, counters, interrupt, reload.

The core itself stays as it is, with ports for the handshakes of its streams and for its memories
(codegen/top.py, ``monitored``). What the registers say comes from outside of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatesmith.codegen import parts
from gatesmith.codegen.design import Design
from gatesmith.codegen.latency import latency
from gatesmith.codegen.registers.bank import Bank, Port
from gatesmith.codegen.registers.dma import BURST, MemoryBus
from gatesmith.codegen.registers.fields import RegisterMap
from gatesmith.codegen.registers.layout import Facts, layout
from gatesmith.codegen.render import plain, render
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.top import Top, reloaded, top_of

SHALLOW, DEEP = 4, 64
"""Fewest and most beats that a data window holds: a frame where that is between them."""

LIBRARY = ("gs_frame_gate", "gs_window_in", "gs_window_out", "gs_fifo")
"""Modules that every core behind registers needs."""


@dataclass(frozen=True, slots=True)
class Classes:
    """How the class of a frame is read off an output.

    Attributes:
        index: Whether its first element is the class.
        falls: Whether it is that of the smallest element: real numbers fall as integers rise.
    """

    index: bool = False
    falls: bool = False


@dataclass(frozen=True, slots=True)
class Outside:
    """An input or output of the core, with its data window.

    Attributes:
        prefix: What its ports begin with.
        stream: Its shape.
        bits: Of tdata.
        classes: Of an output, how its class is read; None where it has none.
        bus: Towards memory; None without DMA.
    """

    prefix: str
    stream: Stream
    bits: int
    classes: Classes | None = None
    bus: MemoryBus | None = None

    @property
    def window(self) -> int:
        """Beats that its data window holds."""
        return min(DEEP, max(SHALLOW, self.stream.beats))

    @property
    def words(self) -> int:
        """Words of 32 bits that a frame takes in its data window, and in memory."""
        return self.stream.beats * parts.ceil_div(self.bits, 32)

    @property
    def block_ram(self) -> int:
        """Whether they are kept in block RAM."""
        return int(parts.memory_style(self.window, self.bits) == "block")

    @property
    def compared(self) -> int:
        """Lanes that the arg-max looks at: of an index one."""
        return 1 if self.classes is not None and self.classes.index else self.stream.lanes


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory that can be reloaded.

    Attributes:
        stage: It is of this stage.
        what: What it holds.
        depth: Words.
        bits: Of a word.
        chunks: Parts of 32 bits in a word.
    """

    stage: str
    what: str
    depth: int
    bits: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Around:
    """What templates/sv/axil_top.sv.j2 is given, under the name ``hw``.

    Attributes:
        name: Module around the core.
        core: The core.
        map: Its registers.
        inputs: Of the core.
        outputs: Of the core.
        memories: That can be reloaded, by number.
    """

    name: str
    core: Top
    map: RegisterMap
    inputs: tuple[Outside, ...]
    outputs: tuple[Outside, ...]
    memories: tuple[Memory, ...]

    burst = BURST

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams whose stalls are counted, by number."""
        return self.core.streams

    @property
    def ports(self) -> list[Port]:
        """Of the module with the registers."""
        return Bank(self.core.name, self.map).ports

    @property
    def buses(self) -> tuple[MemoryBus, ...]:
        """Towards memory, of the inputs and then the outputs; none without DMA."""
        ends = (*self.inputs, *self.outputs)
        return tuple(end.bus for end in ends if end.bus is not None)

    @property
    def several_in(self) -> bool:
        """Whether inputs have to be kept together."""
        return len(self.inputs) > 1

    def others(self, number: int) -> list[int]:
        """All inputs but one."""
        return [k for k in range(len(self.inputs)) if k != number]

    @property
    def several_out(self) -> bool:
        """Whether a frame leaves in several places."""
        return len(self.outputs) > 1

    @property
    def widest(self) -> int:
        """Bits of the widest port."""
        pins = (pin.bits for bus in self.buses for pin in bus.pins)
        return max(32, *(end.bits for end in (*self.inputs, *self.outputs)), *pins)

    @property
    def pad(self) -> str:
        """Room of the widest range."""
        return " " * len(f"[{self.widest - 1}:0]")

    def range(self, bits: int) -> str:
        """Range of a vector, as wide as the widest."""
        return f"[{bits - 1}:0]".ljust(len(self.pad))

    def files(self) -> dict[str, str]:
        """Files below rtl/ beside those of the core."""
        names = [*LIBRARY]
        names += ["gs_reload_port"] if self.memories else []
        names += ["gs_bursts", "gs_reader", "gs_writer"] if self.buses else []
        names += ["gs_arg_max"] if any(end.classes for end in self.outputs) else []
        return {
            f"{self.name}.sv": render("sv/axil_top.sv.j2", hw=self),
            **Bank(self.core.name, self.map).files(),
            **{f"{name}.sv": plain(f"sv/{name}.sv") for name in names},
        }


def around(
    design: Design,
    content: int,
    classes: Sequence[Classes | None],
    tensors: Mapping[str, str],
    *,
    dma: bool = False,
) -> Around:
    """The module around a design, and its registers.

    Args:
        design: The hardware.
        content: 64 bits of a hash of what is in it.
        classes: Of each output, how its class is read.
        tensors: Printable name of the tensor on each input and output, by the prefix of its ports.
        dma: Whether frames are moved from and to memory.
    """
    core = top_of(design, monitored=True)
    memories = tuple(
        Memory(stage.name, memory.what, memory.depth, memory.bits, memory.chunks)
        for stage in reloaded(design)
        if (memory := stage.reloadable) is not None
    )
    facts = Facts(
        f"{design.name}_registers",
        content,
        tuple(tensors[end.prefix] for end in core.inputs),
        tuple(tensors[end.prefix] for end in core.outputs),
        tuple(found is not None for found in classes),
        core.streams,
        len(memories),
        design.interval,
        latency(design),
        dma,
    )
    ins = [
        Outside(end.prefix, end.stream, end.bits, None, MemoryBus(f"in{k}", True) if dma else None)
        for k, end in enumerate(core.inputs)
    ]
    outs = [
        Outside(end.prefix, end.stream, end.bits, how, MemoryBus(f"out{k}", False) if dma else None)
        for k, (end, how) in enumerate(zip(core.outputs, classes, strict=True))
    ]
    return Around(
        f"{design.name}_axil",
        core,
        layout(facts),
        tuple(ins),
        tuple(outs),
        memories,
    )
