"""Cores behind registers in one simulator, each with its AXI4-Lite port, streams and interrupt.

``wrapper`` is module ``tb``: ports of a core are ``<name>_<port>``. On the cocotb side ``Core``
knows registers and fields by their names in the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import (  # type: ignore[import-untyped]
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from gatesmith.codegen import top
from gatesmith.codegen.design import Design
from gatesmith.codegen.registers.around import Around
from gatesmith.rtl_tests import axi_memory
from gatesmith.rtl_tests.bench import Stall

FLAT = " /* verilator public_flat_rw */"
AXIL = (
    *(("awvalid", 1, 1), ("awready", 0, 1), ("wdata", 1, 32), ("wstrb", 1, 4), ("wvalid", 1, 1)),
    *(("wready", 0, 1), ("bresp", 0, 2), ("bvalid", 0, 1), ("bready", 1, 1), ("arvalid", 1, 1)),
    *(("arready", 0, 1), ("rdata", 0, 32), ("rresp", 0, 2), ("rvalid", 0, 1), ("rready", 1, 1)),
)
SLVERR = 2


def ports_of(around: Around) -> list[tuple[str, bool, int]]:
    """Name, whether it is an input, and bits of every port but clock and reset."""
    found = [(f"s_axil_{name}", bool(way), bits) for name, way, bits in AXIL]
    found += [(f"s_axil_{name}", True, around.map.address_bits) for name in ("awaddr", "araddr")]
    found += [("irq", False, 1), ("frame_error", False, 1)]
    for ends, way in ((around.inputs, True), (around.outputs, False)):
        for end in ends:
            found.append((f"{end.prefix}_tdata", way, end.bits))
            found += [(f"{end.prefix}_{name}", way, 1) for name in ("tvalid", "tlast")]
            found.append((f"{end.prefix}_tready", not way, 1))
    for bus in around.buses:
        found += axi_memory.ports(bus.prefix, reads=bus.reads)
    return found


def wrapper(cores: Sequence[Around]) -> str:
    """Module ``tb`` with every core."""
    ports, bodies = [f"input wire logic {name}{FLAT}" for name in ("aclk", "aresetn")], []
    for around in cores:
        nets = []
        for name, way, bits in ports_of(around):
            net = f"{around.core.name}_{name}"
            kind = "input" if way else "output"
            ports.append(f"{kind} wire logic [{bits - 1}:0] {net}{FLAT}")
            nets.append(f".{name}({net})")
        for bus in around.buses:
            asked, answered = axi_memory.ids(f"{around.core.name}_{bus.prefix}", reads=bus.reads)
            ports += [f"output wire logic {asked}{FLAT}", f"input wire logic {answered}{FLAT}"]
            bodies.append(f"    assign {asked} = 1'b0;\n")
        tied = ".aclk(aclk), .aresetn(aresetn)"
        bodies.append(f"    {around.name} u_{around.core.name} ({tied}, {', '.join(nets)});\n")
    return f"module tb (\n    {', '.join(ports)}\n);\n{''.join(bodies)}endmodule\n"


def files(cores: Sequence[tuple[Design, Around]]) -> dict[str, str]:
    """Every file of the wrapper and what is below it, by name."""
    merged: dict[str, str] = {}
    for design, around in cores:
        own = dict(top.files(design.stages)) | {
            f"{design.name}.sv": top.render_top(design, monitored=True)
        }
        for name, text in (own | around.files()).items():
            assert merged.setdefault(name, text) == text, name
    return merged | {"tb.sv": wrapper([around for _, around in cores])}


class Core:
    """A core on the cocotb side."""

    def __init__(self, dut: Any, around: Around) -> None:
        name, clock = around.core.name, (dut.aclk, dut.aresetn)
        self.dut, self.around, self.map = dut, around, around.map
        bus = AxiLiteBus.from_prefix(dut, f"{name}_s_axil")
        self.axil = AxiLiteMaster(bus, *clock, reset_active_level=False)
        self.irq = getattr(dut, f"{name}_irq")
        self.sources = [
            AxiStreamSource(
                AxiStreamBus.from_prefix(dut, f"{name}_{end.prefix}"),
                *clock,
                reset_active_level=False,
                byte_lanes=1,
            )
            for end in around.inputs
        ]
        self.sinks = [
            AxiStreamSink(
                AxiStreamBus.from_prefix(dut, f"{name}_{end.prefix}"),
                *clock,
                reset_active_level=False,
                byte_lanes=1,
            )
            for end in around.outputs
        ]
        buses = [(f"{name}_{bus.prefix}", bus.reads) for bus in around.buses]
        self.rams = axi_memory.attach(dut, buses, *clock, active=False)

    def pause(self, stall: Stall) -> None:
        """Stalls on every channel of the bus and every stream."""
        write, read = self.axil.write_if, self.axil.read_if
        channels = (
            *(write.aw_channel, write.w_channel, write.b_channel),
            *(read.ar_channel, read.r_channel, *self.sources, *self.sinks),
        )
        for bus, ram in zip(self.around.buses, self.rams, strict=True):
            channels += tuple(axi_memory.channels(ram, reads=bus.reads))
        for number, channel in enumerate(channels):
            channel.set_pause_generator(stall(number))

    async def read(self, register: str, field: str | None = None) -> int:
        """A register, or a field of it."""
        found = self.map[register]
        data = await self.axil.read(found.offset, 4)
        assert int(data.resp) == 0, f"{register}: {data.resp}"
        value = int.from_bytes(data.data, "little")
        if field is None:
            return value
        (at,) = (f for f in found.fields if f.name == field)
        return (value & at.mask) >> at.lsb

    async def write(self, register: str, value: int | None = None, /, **fields: int) -> None:
        """A whole register; fields that are not named are 0."""
        found = self.map[register]
        places = {f.name: f.lsb for f in found.fields}
        given = value or 0
        given |= sum(number << places[name] for name, number in fields.items())
        done = await self.axil.write(found.offset, given.to_bytes(4, "little"))
        assert int(done.resp) == 0, f"{register}: {done.resp}"

    async def send(self, port: int, beats: Sequence[int]) -> None:
        """A frame on a stream."""
        await self.sources[port].send(AxiStreamFrame(list(beats)))

    async def receive(self, port: int) -> list[int]:
        """A frame off a stream."""
        return list((await self.sinks[port].recv()).tdata)

    async def until(self, register: str, field: str, value: int = 1, tries: int = 500) -> None:
        """Wait for a field."""
        for _ in range(tries):
            if await self.read(register, field) == value:
                return
        raise AssertionError(f"{register}.{field} never was {value}")

    async def push(self, port: int, beats: Sequence[int]) -> None:
        """A frame through an input's data window, beat by beat as there is room."""
        chunks = -(-self.around.inputs[port].bits // 32)
        for beat in beats:
            while not await self.read(f"in{port}_space", "beats"):
                pass
            for k in range(chunks):
                await self.write(f"in{port}_data", beat >> (32 * k) & 0xFFFFFFFF)

    async def pull(self, port: int) -> list[int]:
        """A frame out of an output's data window."""
        end = self.around.outputs[port]
        beats = []
        for _ in range(end.stream.beats):
            while not await self.read(f"out{port}_level", "beats"):
                pass
            parts = [await self.read(f"out{port}_data") for _ in range(-(-end.bits // 32))]
            beats.append(sum(part << (32 * k) for k, part in enumerate(parts)))
        return beats


async def start(dut: Any, cores: Sequence[Around], stall: Stall | None = None) -> list[Core]:
    """Clock, reset, and a Core for each."""
    Clock(dut.aclk, 10, unit="ns").start()
    made = [Core(dut, around) for around in cores]
    if stall is not None:
        for core in made:
            core.pause(stall)
    await reset(dut)
    return made


async def reset(dut: Any) -> None:
    """Reset everything."""
    dut.aresetn.value = 0
    await ClockCycles(dut.aclk, 5)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 3)
