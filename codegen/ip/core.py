"""What the IP files say of a core: its name, its ports, its files, its clock.

Everything is taken from build.json and from the names of the files below rtl/, so that the files
in ip/ cannot say anything else than the build does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

from gatesmith.codegen.ip.quote import told
from gatesmith.codegen.registers.dma import ADDRESS_BITS, READS, WRITES

VENDOR, LIBRARY, VERSION = "gatesmith", "ip", "1.0"
"""With the top module's name: vendor:library:name:version (VLNV) of the core."""

CLOCK_MHZ = 100
"""Clock of the constraints where the build was given none."""

DEVICE = "xc7z020clg400-1"
"""Device in Vivado's scripts; one that its free edition knows."""

AXIL = "s_axil"
"""What the ports of the registers begin with."""

IPXACT_ACCESS = {
    "const": ("read-only", "", ""),
    "status": ("read-only", "", ""),
    "control": ("read-write", "", ""),
    "flag": ("read-write", "oneToClear", ""),
    "pulse": ("write-only", "", ""),
    "push": ("write-only", "", ""),
    "pop": ("read-only", "", "modify"),
    "access": ("read-write", "modify", "modify"),
}
"""Access, modifiedWriteValue and readAction of each kind of field."""

INTEL_FAMILY, INTEL_DEVICE = "Cyclone V", "5CSEBA6U23I7"
"""Device in Quartus' script, likewise."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the top module.

    Attributes:
        name: Of the port.
        out: Whether it is an output.
        bits: Its width.
        vector: Whether it has a range: ``[0:0]`` is none of a scalar.
        about: One line on it.
    """

    name: str
    out: bool
    bits: int
    vector: bool
    about: str


@dataclass(frozen=True, slots=True)
class Bus:
    """An AXI4-Stream interface.

    Attributes:
        prefix: What its ports begin with, and its name.
        out: Whether the core sends on it.
        tensor: Tensor of the model, as the model calls it.
        tdata_bits: Width of tdata, whole bytes.
        beats: Transfers a frame.
        lanes: Elements a transfer.
        elem_bits: Width of an element.
    """

    prefix: str
    out: bool
    tensor: str
    tdata_bits: int
    beats: int
    lanes: int
    elem_bits: int

    @property
    def ports(self) -> tuple[Port, ...]:
        """tdata, tvalid, tready, tlast."""
        data = f"{self.lanes} x {self.elem_bits} bits a beat"
        return (
            Port(f"{self.prefix}_tdata", self.out, self.tdata_bits, True, data),
            Port(f"{self.prefix}_tvalid", self.out, 1, False, "tdata and tlast hold a beat"),
            Port(f"{self.prefix}_tready", not self.out, 1, False, "the beat is taken"),
            Port(f"{self.prefix}_tlast", self.out, 1, False, f"beat {self.beats}, the last"),
        )

    @property
    def figures(self) -> tuple[tuple[str, int], ...]:
        """Name and value of what a system has to know of the stream."""
        return (
            ("FRAME_BEATS", self.beats),
            ("BEAT_ELEMENTS", self.lanes),
            ("ELEMENT_BITS", self.elem_bits),
        )


@dataclass(frozen=True, slots=True)
class MasterBus:
    """An AXI4 interface towards memory.

    Attributes:
        prefix: What its ports begin with, and its name.
        reads: Whether it reads; else it writes.
    """

    prefix: str
    reads: bool

    address_bits = ADDRESS_BITS

    @property
    def about(self) -> str:
        """What it is for."""
        return f"memory, {'read' if self.reads else 'write'} only"

    @property
    def ports(self) -> tuple[Port, ...]:
        """Its ports."""
        pins = READS if self.reads else WRITES
        return tuple(
            Port(f"{self.prefix}_{pin.name}", pin.out, max(1, pin.bits), pin.bits > 0, self.about)
            for pin in pins
        )


@dataclass(frozen=True, slots=True)
class Core:
    """What the templates in templates/ip are given, under the name ``core``.

    Attributes:
        top: Top module: with registers, the one around the core.
        model: What it was made from, one printable line: file and hash.
        inputs: Interfaces that it takes frames from.
        outputs: Interfaces that it gives results on.
        sources: SystemVerilog files below rtl/, in order.
        memories: Memory images below rtl/, which $readmemh opens by bare name.
        interval: Cycles a frame.
        latency: Cycles from the first beat in to the last beat out.
        data_dependent: Whether these are those of the slowest frames only.
        clock_mhz: Clock of the constraints.
        clock_given: Whether the user said it.
        frames: Sample frames below vectors/.
        patience: Plusargs of the bench that hang on the design (shards.patience).
        registers: ``registers`` of build.json; None without them.
    """

    top: str
    model: str
    inputs: tuple[Bus, ...]
    outputs: tuple[Bus, ...]
    sources: tuple[str, ...]
    memories: tuple[str, ...]
    interval: int
    latency: int
    data_dependent: bool
    clock_mhz: Fraction
    clock_given: bool
    frames: int
    patience: Mapping[str, int]
    registers: Mapping[str, Any] | None = None

    vendor = VENDOR
    library = LIBRARY
    version = VERSION
    device = DEVICE
    intel_family = INTEL_FAMILY
    intel_device = INTEL_DEVICE

    @property
    def about(self) -> str:
        """The core in one line."""
        return f"{self.top}, a streaming neural network made from {self.model}"

    @property
    def buses(self) -> tuple[Bus, ...]:
        """Inputs, then outputs."""
        return (*self.inputs, *self.outputs)

    @property
    def ports(self) -> tuple[Port, ...]:
        """Every port, in the order of the module."""
        return (
            Port("aclk", False, 1, False, "clock, rising edge"),
            Port("aresetn", False, 1, False, "reset, synchronous, low for two cycles or more"),
            *self.axil_ports,
            *([Port("irq", True, 1, False, "interrupt, active high")] if self.registers else []),
            *(port for bus in self.buses for port in bus.ports),
            *(port for bus in self.memory_buses for port in bus.ports),
            Port("frame_error", True, 1, False, "a tlast came at a wrong beat; holds until reset"),
        )

    @property
    def axil_ports(self) -> tuple[Port, ...]:
        """AXI4-Lite, where there are registers."""
        if self.registers is None:
            return ()
        address = (int(self.registers["span"]) - 1).bit_length()
        told = (
            *(("awaddr", False, address), ("awvalid", False, 0), ("awready", True, 0)),
            *(("wdata", False, 32), ("wstrb", False, 4), ("wvalid", False, 0)),
            *(("wready", True, 0), ("bresp", True, 2), ("bvalid", True, 0), ("bready", False, 0)),
            *(("araddr", False, address), ("arvalid", False, 0), ("arready", True, 0)),
            *(("rdata", True, 32), ("rresp", True, 2), ("rvalid", True, 0), ("rready", False, 0)),
        )
        about = "registers"
        return tuple(
            Port(f"{AXIL}_{name}", out, max(1, bits), bits > 0, about) for name, out, bits in told
        )

    @property
    def memory_buses(self) -> tuple[MasterBus, ...]:
        """AXI4, where frames are moved by address."""
        told = self.registers.get("buses", ()) if self.registers is not None else ()
        return tuple(MasterBus(str(bus["prefix"]), bool(bus["reads"])) for bus in told)

    @property
    def registers_2014(self) -> tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]:
        """Registers, and for IP-XACT the access of each field by its name."""
        told = self.registers["map"] if self.registers is not None else ()
        return tuple(
            (entry, {f["name"]: IPXACT_ACCESS[f["kind"]] for f in entry["fields"]})
            for entry in told
        )

    @property
    def pins(self) -> tuple[str, ...]:
        """Every port but the clock, as Quartus assigns to all bits of it."""
        ports = (port for port in self.ports if port.name != "aclk")
        return tuple(f"{port.name}[*]" if port.vector else port.name for port in ports)

    @property
    def bus_names(self) -> tuple[str, ...]:
        """Names of the bus interfaces, as the clock is told of them."""
        streams = tuple(bus.prefix for bus in self.buses)
        if self.registers is None:
            return streams
        return (AXIL, *streams, *(bus.prefix for bus in self.memory_buses))

    @property
    def stream_names(self) -> tuple[str, ...]:
        """Names of the streams alone."""
        return tuple(bus.prefix for bus in self.buses)

    @property
    def period_ns(self) -> str:
        """Period of the clock in ns, not longer than asked for.

        >>> from dataclasses import replace
        >>> replace(_EXAMPLE, clock_mhz=Fraction(300)).period_ns
        '3.333'
        """
        picoseconds = max(1, floor(Fraction(1_000_000) / self.clock_mhz))
        return f"{picoseconds // 1000}.{picoseconds % 1000:03d}"

    @property
    def half_ns(self) -> str:
        """When the clock falls."""
        halves = max(1, floor(Fraction(1_000_000) / self.clock_mhz)) * 5
        return f"{halves // 10000}.{halves % 10000:04d}"

    @property
    def clock_hz(self) -> int:
        """Frequency in whole Hz."""
        return round(self.clock_mhz * 1_000_000)

    @property
    def clock_said(self) -> str:
        """Where the frequency comes from."""
        mhz = f"{float(self.clock_mhz):g} MHz"
        return f"{mhz}, of --clock-mhz" if self.clock_given else f"{mhz}, a guess: set your own"


def core_of(
    build: Mapping[str, Any], files: Iterable[str], frames: int, patience: Mapping[str, int]
) -> Core:
    """The core of a build.

    Args:
        build: Content of build.json.
        files: Names of the files below rtl/.
        frames: How many sample frames vectors/ has.
        patience: What the bench is told of the design.
    """
    names = sorted(files)
    given = build["options"]["clock_mhz"]
    registers = build["registers"]
    return Core(
        str(build["top"] if registers is None else registers["module"]),
        told(f"{build['model']['file']}, sha256 {build['model']['sha256']}"),
        _buses(build["inputs"], out=False),
        _buses(build["outputs"], out=True),
        tuple(name for name in names if name.endswith(".sv")),
        tuple(name for name in names if name.endswith(".mem")),
        int(build["interval"]),
        int(build["latency"]),
        bool(build["data_dependent"]),
        Fraction(CLOCK_MHZ if given is None else given),
        given is not None,
        frames,
        dict(patience),
        registers,
    )


def _buses(entries: Sequence[Mapping[str, Any]], *, out: bool) -> tuple[Bus, ...]:
    return tuple(
        Bus(
            str(entry["prefix"]),
            out,
            told(str(entry["name"])),
            int(entry["tdata_bits"]),
            int(entry["beats"]),
            int(entry["lanes"]),
            int(entry["bits"]),
        )
        for entry in entries
    )


_EXAMPLE = Core("t", "", (), (), (), (), 1, 1, False, Fraction(100), False, 1, {})
