"""Frames from and to memory, by address: ``build --registers --dma``.

``net`` has one input and one output, ``pair`` two of each (rtl_tests/test_top.py). Memories are
those of cocotbext-axi, behind the AXI4 buses of the core.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from gatesmith.codegen.registers.around import Classes, around
from gatesmith.ir import Ints
from gatesmith.rtl_tests import axil_bench, bench
from gatesmith.rtl_tests.axil_bench import Core
from gatesmith.rtl_tests.bench import STALLS
from gatesmith.rtl_tests.test_lint import expect_clean
from gatesmith.rtl_tests.test_top import NET, PAIR, hidden, reference

NET_AROUND = around(NET, 1, [Classes()], {"s_axis": "x", "m_axis": "y"}, dma=True)
PAIR_AROUND = around(
    PAIR,
    2,
    [None, None],
    {"s_axis_a": "a", "s_axis_b": "b", "m_axis_p": "p", "m_axis_q": "q"},
    dma=True,
)
CORES = [(NET, NET_AROUND), (PAIR, PAIR_AROUND)]
AROUND = [NET_AROUND, PAIR_AROUND]
SEVERAL = 40
"""Frames; more than a window or a burst holds."""

SENTINEL = 0xA5


def in_memory(beats: Sequence[int], bits: int) -> bytes:
    """Beats as they lie in memory."""
    size = 4 * -(-bits // 32)
    return b"".join(beat.to_bytes(size, "little") for beat in beats)


def of_net(count: int, seed: int = 0) -> tuple[bytes, bytes, Ints]:
    """Frames of ``net``, its answers, and these as integers."""
    x = bench.draw(NET.inputs[0].stream, count, seed)
    y = reference(x)
    ends = zip((NET_AROUND.inputs[0], NET_AROUND.outputs[0]), (x, y), strict=True)
    given, wanted = (in_memory(bench.words(end.stream, data), end.bits) for end, data in ends)
    return given, wanted, y


async def ready(dut: Any, number: int, stall: bench.Stall | None = None) -> Core:
    """A core with its windows connected, enabled."""
    core = (await axil_bench.start(dut, AROUND, stall))[number]
    await core.write("control", window=1)
    await core.until("status", "window")
    await core.write("control", enable=1, window=1)
    return core


async def address(core: Core, port: str, where: int) -> None:
    """Tell the core where frames of a port lie."""
    await core.write(f"{port}_address_low", where & 0xFFFFFFFF)
    await core.write(f"{port}_address_high", where >> 32)


async def move(core: Core, count: int, **places: int) -> None:
    """Move frames, and wait."""
    for port, where in places.items():
        await address(core, port, where)
    await core.write("dma_frames", count)
    await core.write("dma_command", start=1)
    await core.until("status", "moving", 0, tries=4000)


def put(core: Core, where: int, data: bytes) -> None:
    """Write memory, behind the core's back."""
    core.rams[0].write(where, data)


def got(core: Core, where: int, size: int) -> bytes:
    """Read memory."""
    return bytes(core.rams[0].read(where, size))


def fill(core: Core, where: int, size: int) -> None:
    """So that a word written beside a frame is seen."""
    put(core, where - 64, bytes([SENTINEL]) * (size + 128))


def untouched(core: Core, where: int, size: int) -> bool:
    """Whether nothing was written before and behind."""
    guard = bytes([SENTINEL]) * 64
    return got(core, where - 64, 64) == guard == got(core, where + size, 64)


# ---- frames -------------------------------------------------------------------------------------


@cocotb.test(timeout_time=2000, timeout_unit="us")
@cocotb.parametrize(stall=STALLS)
async def frames_are_moved(dut: Any, stall: bench.Stall) -> None:
    """Across 4 kB on both sides, and above 4 GB."""
    core = await ready(dut, 0, stall)
    given, wanted, y = of_net(SEVERAL)
    source, target = 0x1_0000_1000 - 20, 0x5_8000_3000 - 12
    put(core, source, given)
    fill(core, target, len(wanted))
    await core.write("interrupt_enable", moved=1)

    await move(core, SEVERAL, in0=source, out0=target)

    assert got(core, target, len(wanted)) == wanted
    assert untouched(core, target, len(wanted))
    assert await core.read("in0_frames") == await core.read("out0_frames") == SEVERAL
    assert await core.read("out0_argmax", "index") == int(np.argmax(y.reshape(SEVERAL, -1)[-1]))
    assert await core.read("errors") == 0
    await ClockCycles(dut.aclk, 3)
    assert int(core.irq.value) == 1
    assert await core.read("interrupt", "moved") == 1
    await core.write("interrupt", moved=1)
    await ClockCycles(dut.aclk, 3)
    assert int(core.irq.value) == 0


@cocotb.test(timeout_time=2000, timeout_unit="us")
@cocotb.parametrize(stall=STALLS)
async def every_port_has_a_bus(dut: Any, stall: bench.Stall) -> None:
    core = await ready(dut, 1, stall)
    x = [bench.draw(port.stream, 7, seed) for seed, port in enumerate(PAIR.inputs)]
    ins = zip(core.around.inputs, x, strict=True)
    y = (hidden(x[0]), x[1].reshape(7, 1, 12))
    outs = zip(core.around.outputs, y, strict=True)
    given, wanted = (
        [in_memory(bench.words(end.stream, data), end.bits) for end, data in ends]
        for ends in (ins, outs)
    )
    for k, data in enumerate(given):
        put(core, 0x2000 * (k + 1), data)
    for k, data in enumerate(wanted):
        fill(core, 0x8000 * (k + 1), len(data))

    await move(core, 7, in0=0x2000, in1=0x4000, out0=0x8000, out1=0x10000)

    for k, data in enumerate(wanted):
        assert got(core, 0x8000 * (k + 1), len(data)) == data, f"output {k}"
        assert untouched(core, 0x8000 * (k + 1), len(data))
    assert await core.read("errors") == 0


@cocotb.test(timeout_time=2000, timeout_unit="us")
async def one_command_after_the_other(dut: Any) -> None:
    core = await ready(dut, 0)
    for count in (1, 0, 3):
        given, wanted, _ = of_net(count, seed=count) if count else (b"", b"", None)
        put(core, 0x100, given)
        fill(core, 0x9000, len(wanted))
        await core.write("interrupt", moved=1)
        await move(core, count, in0=0x100, out0=0x9000)
        assert got(core, 0x9000, len(wanted)) == wanted
        assert untouched(core, 0x9000, len(wanted))
        assert await core.read("interrupt", "moved") == 1  # of no frames as well
    assert await core.read("in0_frames") == 4


@cocotb.test(timeout_time=2000, timeout_unit="us")
async def it_keeps_up_with_the_core(dut: Any) -> None:
    """Beats of up to 32 bits: the core is what takes the time."""
    core = await ready(dut, 0)
    given, _, _ = of_net(SEVERAL)
    put(core, 0, given)
    await address(core, "out0", 0x8000)
    await core.write("dma_frames", SEVERAL)
    start = cocotb.utils.get_sim_time("ns")
    await core.write("dma_command", start=1)
    await core.until("status", "moving", 0)
    cycles = int(cocotb.utils.get_sim_time("ns") - start) // 10
    assert SEVERAL * NET.interval < cycles < SEVERAL * NET.interval + 100, (cycles, NET.interval)


# ---- what is wrong ------------------------------------------------------------------------------


@cocotb.test(timeout_time=2000, timeout_unit="us")
async def a_command_too_early_is_refused(dut: Any) -> None:
    core = await ready(dut, 0)
    given, wanted, _ = of_net(SEVERAL)
    put(core, 0x1000, given)
    fill(core, 0x8000, len(wanted))
    await address(core, "in0", 0x1000)
    await address(core, "out0", 0x8000)
    await core.write("dma_frames", SEVERAL)
    await core.write("dma_command", start=1)
    assert await core.read("status", "moving") == 1
    await core.write("dma_frames", 1)
    await core.write("dma_command", start=1)
    await core.write("in0_data", 0)
    await core.read("out0_data")
    await core.until("status", "moving", 0)
    for field in ("refused_dma", "overflow", "underflow"):
        assert await core.read("errors", field) == 1, field
    assert got(core, 0x8000, len(wanted)) == wanted  # the first one is not disturbed
    assert untouched(core, 0x8000, len(wanted))


@cocotb.test(timeout_time=2000, timeout_unit="us")
async def commands_are_refused_until_the_last_word_is_there(dut: Any) -> None:
    """Also while the reader is done and the writer is not: nothing of them is done."""
    core = await ready(dut, 0)
    core.rams[1].aw_channel.set_pause_generator(bench.three_in_four())
    core.rams[1].b_channel.set_pause_generator(bench.at_random(3))
    given, wanted, _ = of_net(SEVERAL)
    put(core, 0, given)
    await address(core, "out0", 0x8000)
    await core.write("dma_frames", SEVERAL)
    await core.write("dma_command", start=1)
    await core.write("dma_frames", 1)
    moved = SEVERAL
    while await core.read("status", "moving"):
        await core.write("dma_command", start=1)
        moved += not await core.read("errors", "refused_dma")
        await core.write("errors", refused_dma=1)
    await core.until("status", "drained")
    assert await core.read("in0_frames") == moved <= SEVERAL + 1
    if moved == SEVERAL:
        assert got(core, 0x8000, len(wanted)) == wanted


@cocotb.test(timeout_time=2000, timeout_unit="us")
async def no_more_frames_are_taken_than_asked_for(dut: Any) -> None:
    """A result that was there before goes first, and the last one stays in the window."""
    core = await ready(dut, 0)
    sent = bench.draw(NET.inputs[0].stream, 1, 77)
    before = reference(sent)
    given, wanted, y = of_net(3)
    put(core, 0, given)
    fill(core, 0x8000, len(wanted))
    await core.push(0, bench.words(NET.inputs[0].stream, sent))
    await core.until("status", "drained")
    await move(core, 3, in0=0, out0=0x8000)
    stream, bits = NET.outputs[0].stream, core.around.outputs[0].bits
    frame = len(wanted) // 3
    first = in_memory(bench.words(stream, before), bits)
    assert got(core, 0x8000, len(wanted)) == first + wanted[: 2 * frame]
    assert untouched(core, 0x8000, len(wanted))
    assert await core.pull(0) == bench.words(stream, y[2:])


@cocotb.test(timeout_time=4000, timeout_unit="us")
@cocotb.parametrize(stall=STALLS)
async def a_soft_reset_ends_it(dut: Any, stall: bench.Stall) -> None:
    """The bus gets what it is owed, memory nothing but whole words of frames, and all goes on."""
    core = await ready(dut, 0, stall)
    given, wanted, _ = of_net(SEVERAL)
    put(core, 0x1000, given)
    for wait in (0, 3, 11, 40, 97, 230):
        fill(core, 0x8000, len(wanted))
        await core.write("dma_frames", SEVERAL)
        await address(core, "in0", 0x1000)
        await address(core, "out0", 0x8000)
        await core.write("dma_command", start=1)
        await ClockCycles(dut.aclk, wait + 1)
        await core.write("control", enable=1, window=1, reset=1)
        await core.until("status", "resetting", 0)
        assert await core.read("status", "moving") == 0
        assert await core.read("interrupt", "moved") == 0
        await ClockCycles(dut.aclk, 30)
        left = got(core, 0x8000, len(wanted))
        assert untouched(core, 0x8000, len(wanted))
        for at in range(0, len(wanted), 4):
            found = left[at : at + 4]
            assert found in (wanted[at : at + 4], bytes([SENTINEL]) * 4), (wait, at)
    fill(core, 0x8000, len(wanted))
    await move(core, SEVERAL, in0=0x1000, out0=0x8000)
    assert got(core, 0x8000, len(wanted)) == wanted
    assert await core.read("in0_frames") == SEVERAL


@cocotb.test(timeout_time=2000, timeout_unit="us")
@cocotb.parametrize(bus=[0, 1])
async def an_error_of_the_bus_is_told(dut: Any, bus: int) -> None:
    core = await ready(dut, 0)
    given, _, _ = of_net(2)
    put(core, 0, given)

    def refuse(*_: Any) -> Any:
        raise ValueError("no memory there")

    setattr(core.rams[bus], ("_read", "_write")[bus], refuse)
    await core.write("interrupt_enable", error=1)
    await move(core, 2, in0=0, out0=0x8000)
    assert await core.read("errors", "bus") == 1
    assert int(core.irq.value) == 1


# ---- pytest -------------------------------------------------------------------------------------


def test_frames_by_address(tmp_path: Path) -> None:
    failed, log = bench.run(axil_bench.files(CORES), __name__, tmp_path)
    assert failed == 0, log[-6000:]


def test_cores_with_memory_are_clean(tmp_path: Path) -> None:
    for design, made in CORES:
        folder = tmp_path / design.name
        folder.mkdir()
        for name, text in axil_bench.files([(design, made)]).items():
            (folder / name).write_text(text, "utf-8")
        expect_clean(folder, "tb")
