"""gs_reader and gs_writer back to back, copying memory: frames shorter and longer than a burst.

Their own assertions watch the bus: bursts inside 4 kB, nothing offered taken back, every word that
comes finds room. Each size of a frame has a copy of its own, with a memory behind it.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from gatesmith.codegen.registers.dma import BURST, READS, WRITES, MemoryBus
from gatesmith.codegen.render import plain
from gatesmith.rtl_tests import axi_memory, bench
from gatesmith.rtl_tests.bench import STALLS

SIZES = (1, 15, 16, 17, 37, 1100)
"""Words of a frame."""

MODULES = ("gs_bursts", "gs_reader", "gs_writer", "gs_fifo")
SOURCE, TARGET = 0x7_0000_0000, 0x9_0000_0000


OWN = (
    *(("start", False, 0), ("stop", False, 0), ("frames", False, 32), ("from", False, 62)),
    *(("to", False, 62), ("busy", True, 0), ("failed", True, 2)),
)
"""Name, whether an output, bits of what is beside the bus."""


def port(name: str, out: bool, bits: int = 0) -> str:
    """A port of ``tb``."""
    width = f"[{bits - 1}:0] " if bits else ""
    way = "output" if out else "input"
    return f"{way} wire logic {width}{name} /* verilator public_flat_rw */"


def wrapper() -> str:
    """Module ``tb``."""
    ports, bodies = [port("clk", False), port("rst", False)], []
    for size in SIZES:
        ports += [port(f"c{size}_{name}", out, bits) for name, out, bits in OWN]
        for reads in (True, False):
            asked, answered = axi_memory.ids(f"c{size}", reads=reads)
            ports += [port(asked, True), port(answered, False)]
            bodies.append(f"    assign {asked} = 1'b0;\n")
        for pin in (*READS, *WRITES):
            ports.append(port(f"c{size}_{pin.name}", pin.out, pin.bits))
            bodies += [f"    assign c{size}_{pin.name} = {pin.fixed};\n"] if pin.fixed else []
        bodies.append(copier(size))
    return f"module tb (\n    {', '.join(ports)}\n);\n{''.join(bodies)}endmodule\n"


def copier(size: int) -> str:
    """A reader and a writer behind it."""
    c = f"c{size}"
    reads, writes = (
        ", ".join(f".m_axi_{pin.name}({c}_{pin.name})" for pin in bus.driven)
        for bus in (MemoryBus("", True), MemoryBus("", False))
    )
    same = f".clk(clk), .rst(rst), .stop({c}_stop), .start({c}_start && !{c}_busy)"
    same += f", .frames({c}_frames)"
    sizes = f"#(.WORDS({size}), .BURST({BURST}))"
    return f"""
    wire logic [31:0] {c}_data;
    wire logic {c}_valid, {c}_ready, {c}_reading, {c}_writing;
    gs_reader {sizes} u_{c}_reader ({same}, .word({c}_from), .busy({c}_reading),
        .failed({c}_failed[0]), {reads},
        .m_data({c}_data), .m_valid({c}_valid), .m_ready({c}_ready));
    gs_writer {sizes} u_{c}_writer ({same}, .word({c}_to), .busy({c}_writing),
        .failed({c}_failed[1]), {writes},
        .s_data({c}_data), .s_valid({c}_valid), .s_ready({c}_ready));
    assign {c}_busy = {c}_reading || {c}_writing;
"""


# ---- cocotb side --------------------------------------------------------------------------------


class Copier:
    """One of them, and its memory."""

    def __init__(self, dut: Any, size: int, stall: bench.Stall) -> None:
        self.size, self.dut = size, dut
        buses = [(f"c{size}", True), (f"c{size}", False)]
        self.rams = axi_memory.attach(dut, buses, dut.clk, dut.rst, active=True)
        found = [axi_memory.channels(self.rams[k], reads=k == 0) for k in range(2)]
        for number, channel in enumerate(itertools.chain(*found)):
            channel.set_pause_generator(stall(number))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dut, f"c{self.size}_{name}")

    async def start(self, source: int, target: int, frames: int) -> None:
        """Begin."""
        self.__getattr__("from").value, self.to.value = source // 4, target // 4
        self.frames.value = frames
        self.__getattr__("start").value = 1
        await RisingEdge(self.dut.clk)
        self.__getattr__("start").value = 0
        await RisingEdge(self.dut.clk)

    async def done(self) -> None:
        """Wait."""
        while int(self.busy.value):
            await RisingEdge(self.dut.clk)

    def fill(self, seed: int, words: int, source: int, target: int) -> bytes:
        """Random words to copy, and what is seen where nothing may be written."""
        data = np.random.default_rng(seed).bytes(4 * words)
        self.rams[0].write(source, data)
        self.rams[0].write(target - 64, b"\xa5" * (len(data) + 128))
        return data

    def read(self, where: int, size: int) -> bytes:
        """Memory."""
        return bytes(self.rams[0].read(where, size))


async def copiers(dut: Any, stall: bench.Stall) -> list[Copier]:
    Clock(dut.clk, 10, unit="ns").start()
    for size in SIZES:
        for name in ("start", "stop"):
            getattr(dut, f"c{size}_{name}").value = 0
    dut.rst.value = 1
    made = [Copier(dut, size, stall) for size in SIZES]
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    return made


async def copied(one: Copier) -> None:
    """Frames at random places, near the ends of pages most of all."""
    rng = np.random.default_rng(one.size)
    for seed in range(6):
        frames = int(rng.integers(1, 2 + 200 // one.size))
        source, target = (
            base + 4096 * int(rng.integers(64)) + 4 * int(rng.choice([0, 1, 1000, 1019, 1023]))
            for base in (SOURCE, TARGET)
        )
        data = one.fill(seed, frames * one.size, source, target)
        await one.start(source, target, frames)
        assert int(one.busy.value)
        await one.done()
        assert one.read(target, len(data)) == data, (one.size, seed, frames)
        guard = b"\xa5" * 64
        assert one.read(target - 64, 64) == guard == one.read(target + len(data), 64)


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def memory_is_copied(dut: Any, stall: bench.Stall) -> None:
    tasks = [cocotb.start_soon(copied(one)) for one in await copiers(dut, stall)]
    for task in tasks:
        await task


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def it_takes_a_cycle_a_word(dut: Any) -> None:
    """Where memory answers at once, and frames are as long as a burst or longer."""
    for one in await copiers(dut, bench.never):
        if one.size < BURST:
            continue
        frames = 1 + 600 // one.size
        one.fill(1, frames * one.size, SOURCE, TARGET)
        await one.start(SOURCE, TARGET, frames)
        start = cocotb.utils.get_sim_time("ns")
        await one.done()
        cycles = int(cocotb.utils.get_sim_time("ns") - start) // 10
        bursts = frames * -(-one.size // BURST)
        assert cycles < frames * one.size + 3 * bursts + 60, (one.size, cycles)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def it_ends_when_memory_has_answered(dut: Any) -> None:
    for one in await copiers(dut, bench.never):
        one.fill(1, 2 * one.size, SOURCE, TARGET)
        one.rams[1].b_channel.clear_pause_generator()
        one.rams[1].b_channel.pause = True
        await one.start(SOURCE, TARGET, 2)
        await ClockCycles(dut.clk, 4 * one.size + 200)
        assert int(one.busy.value)
        one.rams[1].b_channel.pause = False
        await one.done()


async def stopped(one: Copier) -> None:
    """Whenever it is stopped: whole words or none, nothing beside, and it goes on."""
    rng = np.random.default_rng(one.size)
    words = one.size * (1 + 300 // one.size)
    for seed in range(12):
        data = one.fill(seed, words, SOURCE, TARGET)
        await one.start(SOURCE, TARGET, words // one.size)
        await ClockCycles(one.dut.clk, int(rng.integers(1, 200)))
        one.stop.value = 1
        await RisingEdge(one.dut.clk)
        await RisingEdge(one.dut.clk)
        await one.done()
        await RisingEdge(one.dut.clk)
        one.stop.value = 0
        await ClockCycles(one.dut.clk, 20)
        assert not int(one.busy.value)
        found = one.read(TARGET, len(data))
        for at in range(0, len(data), 4):
            assert found[at : at + 4] in (data[at : at + 4], b"\xa5" * 4), (one.size, seed, at)
        guard = b"\xa5" * 64
        assert one.read(TARGET - 64, 64) == guard == one.read(TARGET + len(data), 64)
    await copied(one)


@cocotb.test(timeout_time=8, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def it_can_be_stopped(dut: Any, stall: bench.Stall) -> None:
    tasks = [cocotb.start_soon(stopped(one)) for one in await copiers(dut, stall)]
    for task in tasks:
        await task


# ---- pytest -------------------------------------------------------------------------------------


def test_copies(tmp_path: Path) -> None:
    files = {f"{name}.sv": plain(f"sv/{name}.sv") for name in MODULES}
    failed, log = bench.run(files | {"tb.sv": wrapper()}, __name__, tmp_path)
    assert failed == 0, log[-6000:]
