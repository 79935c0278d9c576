"""Registers around a core: the map, the gate, counters, windows, arg-max, errors, interrupt, reset.

``net`` has one input and one output, ``pair`` two of each (rtl_tests/test_top.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiStreamFrame  # type: ignore[import-untyped]

from gatesmith.codegen.latency import latency
from gatesmith.codegen.registers.around import Around, Classes, around
from gatesmith.codegen.registers.fields import Kind
from gatesmith.codegen.registers.layout import IDENTIFICATION
from gatesmith.ir import Ints
from gatesmith.rtl_tests import axil_bench, bench
from gatesmith.rtl_tests.axil_bench import SLVERR, Core
from gatesmith.rtl_tests.bench import STALLS
from gatesmith.rtl_tests.test_lint import expect_clean
from gatesmith.rtl_tests.test_top import NET, PAIR, hidden, reference

CONTENT = 0x0123456789ABCDEF
NET_AROUND = around(NET, CONTENT, [Classes()], {"s_axis": "x", "m_axis": "y"})
PAIR_AROUND = around(
    PAIR,
    CONTENT,
    [None, Classes(falls=True)],
    {"s_axis_a": "a", "s_axis_b": "b", "m_axis_p": "p", "m_axis_q": "q"},
)
CORES = [(NET, NET_AROUND), (PAIR, PAIR_AROUND)]
AROUND = [NET_AROUND, PAIR_AROUND]
WORD = 0xFFFFFFFF


def frames(count: int, seed: int = 0) -> tuple[list[list[int]], list[list[int]], Ints]:
    """Beats in, beats out, and results of frames of ``net``."""
    x = bench.draw(NET.inputs[0].stream, count, seed)
    y = reference(x)
    ends = ((NET.inputs[0].stream, x), (NET.outputs[0].stream, y))
    beats = [[bench.words(stream, frame[None]) for frame in data] for stream, data in ends]
    return beats[0], beats[1], y.reshape(count, -1)


async def one(dut: Any, stall: bench.Stall | None = None) -> Core:
    """``net``, in the simulator."""
    return (await axil_bench.start(dut, AROUND, stall))[0]


# ---- the map ------------------------------------------------------------------------------------


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(stall=STALLS)
async def says_what_it_is(dut: Any, stall: bench.Stall) -> None:
    cores = await axil_bench.start(dut, AROUND, stall)
    for core, design in zip(cores, (NET, PAIR), strict=True):
        assert await core.read("id") == IDENTIFICATION
        assert await core.read("hash_low") == CONTENT & WORD
        assert await core.read("hash_high") == CONTENT >> 32
        assert await core.read("interval") == design.interval
        assert await core.read("latency") == latency(design)
        assert await core.read("shape", "inputs") == len(design.inputs)
        assert await core.read("shape", "outputs") == len(design.outputs)
        assert await core.read("streams") == len(core.around.streams)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def every_register_resets_and_keeps_what_it_should(dut: Any) -> None:
    """What is written is read back in the bits of CONTROL fields, and nowhere else."""
    for core in await axil_bench.start(dut, AROUND):
        status = {f.mask for r in core.map for f in r.fields if f.kind is Kind.STATUS}
        assert status
        for register in core.map:
            if any(field.kind in (Kind.PUSH, Kind.POP) for field in register.fields):
                continue  # they move beats
            moving = sum(f.mask for f in register.fields if f.kind is Kind.STATUS)
            assert await core.read(register.name) & ~moving == register.reset, register.name
            kept = sum(f.mask for f in register.fields if f.kind is Kind.CONTROL)
            pulses = sum(f.mask for f in register.fields if f.kind is Kind.PULSE)
            for value in (WORD, 0, 0xA5A5A5A5):
                await core.write(register.name, value & ~pulses)
                wanted = (register.reset & ~kept) | (value & kept)
                assert await core.read(register.name) & ~moving == wanted, register.name
            await core.write(register.name, register.reset)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def other_addresses_are_refused(dut: Any) -> None:
    for core in await axil_bench.start(dut, AROUND):
        taken = {register.offset for register in core.map}
        for offset in range(0, core.map.span, 4):
            if offset in taken:
                continue
            if offset > core.map.registers[-1].offset + 64 and offset % 512:
                continue  # they are all alike
            read = await core.axil.read(offset, 4)
            done = await core.axil.write(offset, b"\xff" * 4)
            assert (int(read.resp), int(done.resp)) == (SLVERR, SLVERR), hex(offset)
            assert read.data == bytes(4)
        assert await core.read("control") == 0


@cocotb.test(timeout_time=200, timeout_unit="us")
async def bytes_without_a_strobe_stay(dut: Any) -> None:
    core = await one(dut)
    offset = core.map["control"].offset
    await core.write("control", window=1)
    await core.axil.write(offset + 1, b"\xfe")  # the byte above: no pulse in it is 1 but reset's
    assert await core.read("control") == 2
    await core.axil.write(offset, b"\x01")
    assert await core.read("control") == 1


# ---- frames -------------------------------------------------------------------------------------


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(stall=STALLS)
async def frames_pass_and_are_counted(dut: Any, stall: bench.Stall) -> None:
    core = await one(dut, stall)
    sent, wanted, y = frames(6)
    await core.write("control", enable=1)
    for beats in sent:
        await core.send(0, beats)
    for k, beats in enumerate(wanted):
        assert await core.receive(0) == beats, f"frame {k}"
    await core.until("status", "drained")
    assert await core.read("in0_frames") == await core.read("out0_frames") == 6
    assert await core.read("out0_argmax", "valid") == 1
    assert await core.read("out0_argmax", "index") == int(np.argmax(y[-1]))
    assert await core.read("errors") == 0


@cocotb.test(timeout_time=200, timeout_unit="us")
async def arg_max_follows_every_frame(dut: Any) -> None:
    core = await one(dut)
    sent, _, y = frames(24, seed=5)
    await core.write("control", enable=1)
    assert await core.read("out0_argmax", "valid") == 0
    for beats, scores in zip(sent, y, strict=True):
        await core.send(0, beats)
        await core.receive(0)
        await core.until("status", "drained")
        assert await core.read("out0_argmax", "index") == int(np.argmax(scores))
    assert len({int(np.argmax(scores)) for scores in y}) > 2


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(stall=STALLS)
async def a_shut_gate_ends_the_frame_and_no_more(dut: Any, stall: bench.Stall) -> None:
    core = await one(dut, stall)
    sent, wanted, _ = frames(3, seed=1)
    await core.send(0, sent[0])
    await ClockCycles(dut.aclk, 60)
    assert await core.read("in0_frames") == 0
    assert await core.read("status", "enabled") == 0
    await core.write("control", enable=1)
    await core.send(0, sent[1])
    assert await core.receive(0) == wanted[0]
    assert await core.receive(0) == wanted[1]
    for beat in sent[2][:-1]:
        await core.sources[0].send(AxiStreamFrame([beat], tuser=0))
    await core.write("control", enable=0)
    await ClockCycles(dut.aclk, 100)
    assert await core.read("status", "drained") == 0 or await core.read("in0_frames") == 2
    assert core.sinks[0].empty()


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_frame_that_has_begun_is_let_in(dut: Any) -> None:
    core = await one(dut)
    sent, wanted, _ = frames(2, seed=2)
    await core.write("control", enable=1)
    core.sources[0].set_pause_generator(bench.three_in_four())
    await core.send(0, sent[0])
    await core.send(0, sent[1])
    while int(dut.net_s_axis_tvalid.value) == 0 or int(dut.net_s_axis_tready.value) == 0:
        await ClockCycles(dut.aclk, 1)
    await core.write("control", enable=0)
    assert await core.receive(0) == wanted[0]
    await core.until("status", "drained")
    assert await core.read("in0_frames") == await core.read("out0_frames") == 1
    await core.write("control", enable=1)
    assert await core.receive(0) == wanted[1]


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(stall=STALLS)
async def inputs_stay_together(dut: Any, stall: bench.Stall) -> None:
    """When the gate shuts, what one input has begun the other one takes as well."""
    _, core = await axil_bench.start(dut, AROUND, stall)
    streams = [port.stream for port in PAIR.inputs]
    x = [bench.draw(stream, 5, seed) for seed, stream in enumerate(streams)]
    await core.write("control", enable=1)
    core.sources[1].set_pause_generator(bench.at_random(7))
    for k, (stream, data) in enumerate(zip(streams, x, strict=True)):
        for frame in data:
            await core.send(k, bench.words(stream, frame[None]))
    first = bench.words(PAIR.outputs[0].stream, hidden(x[0]))
    p = await core.receive(0)
    await core.write("control", enable=0)
    await core.until("status", "drained")
    count = await core.read("in0_frames")
    assert 1 <= count <= 5
    counters = [await core.read(f"{name}_frames") for name in ("in1", "out0", "out1")]
    assert counters == [count] * 3
    await core.write("control", enable=1)
    for _ in range(4):
        p += await core.receive(0)
    assert p == first
    q = [value for _ in range(5) for value in await core.receive(1)]
    assert q == bench.words(PAIR.outputs[1].stream, x[1].reshape(5, 1, 12))
    await core.until("status", "drained")
    assert await core.read("out1_argmax", "index") == int(np.argmin(x[1][-1]))


# ---- windows ------------------------------------------------------------------------------------


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(stall=STALLS)
async def frames_go_through_the_windows(dut: Any, stall: bench.Stall) -> None:
    core = await one(dut, stall)
    sent, wanted, _ = frames(4, seed=3)
    await core.write("control", enable=0, window=1)
    await core.until("status", "window")
    await core.write("control", enable=1, window=1)
    for beats, result in zip(sent, wanted, strict=True):
        await core.push(0, beats)
        assert await core.pull(0) == result
    assert core.sinks[0].empty()
    assert await core.read("errors") == 0
    # Back to the streams: only between frames.
    await core.push(0, sent[0])
    await core.write("control", enable=0, window=0)
    await core.pull(0)
    await core.until("status", "window", 0)
    await core.write("control", enable=1)
    await core.send(0, sent[1])
    assert await core.receive(0) == wanted[1]


@cocotb.test(timeout_time=200, timeout_unit="us")
async def full_and_empty_windows_are_told(dut: Any) -> None:
    core = await one(dut)
    depth = core.around.inputs[0].window
    assert await core.read("in0_space", "beats") == depth
    for _ in range(depth):
        await core.write("in0_data", 0)
    assert await core.read("in0_space", "beats") == 0
    assert await core.read("errors") == 0
    await core.write("in0_data", 0)
    assert await core.read("errors", "overflow") == 1
    assert await core.read("out0_data") == 0
    assert await core.read("errors") == 0b110
    await core.write("errors", overflow=1)
    assert await core.read("errors") == 0b100
    await core.write("control", reset=1)
    await core.until("status", "resetting", 0)
    assert await core.read("in0_space", "beats") == depth
    assert await core.read("errors") == 0


# ---- errors, interrupt, reset -------------------------------------------------------------------


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_wrong_tlast_is_flagged(dut: Any) -> None:
    core = await one(dut)
    sent, _, _ = frames(1)
    await core.write("interrupt_enable", error=1)
    await core.write("control", enable=1)
    for beat in sent[0]:  # tlast with every beat
        await core.send(0, [beat])
    await core.receive(0)
    assert await core.read("errors", "frame") == 1
    assert int(dut.net_frame_error.value) == 1
    assert int(core.irq.value) == 1
    await core.write("errors", frame=1)
    await core.write("interrupt", error=1, frame=1)
    assert await core.read("interrupt") == 0
    assert int(core.irq.value) == 0


@cocotb.test(timeout_time=200, timeout_unit="us")
async def the_interrupt_is_a_level_with_a_mask(dut: Any) -> None:
    core = await one(dut)
    sent, _, _ = frames(2)
    await core.write("control", enable=1)
    await core.send(0, sent[0])
    await core.receive(0)
    assert await core.read("interrupt") == 1
    assert int(core.irq.value) == 0
    await core.write("interrupt_enable", frame=1)
    await ClockCycles(dut.aclk, 2)
    assert int(core.irq.value) == 1
    await core.write("interrupt", error=1)  # another bit: this one stays
    assert await core.read("interrupt") == 1
    await core.write("interrupt", frame=1)
    await ClockCycles(dut.aclk, 2)
    assert int(core.irq.value) == 0
    await core.send(0, sent[1])
    await core.receive(0)
    await ClockCycles(dut.aclk, 3)
    assert int(core.irq.value) == 1


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_soft_reset_forgets_the_frame(dut: Any) -> None:
    core = await one(dut)
    sent, wanted, _ = frames(2, seed=4)
    await core.write("control", window=1)
    await core.until("status", "window")
    await core.write("control", enable=1, window=1)
    await core.push(0, sent[0][:-1])  # all but its last beat
    await core.write("control", enable=1, window=1, reset=1)
    await core.until("status", "resetting", 0)
    assert await core.read("control") == 3
    assert await core.read("in0_frames") == 0
    await core.push(0, sent[1])
    assert await core.pull(0) == wanted[1]
    assert await core.read("in0_frames") == 1


@cocotb.test(timeout_time=200, timeout_unit="us")
async def stalls_are_counted(dut: Any) -> None:
    """A sink that takes nothing holds up the stages before it, for as long as it does."""
    core = await one(dut)
    sent, wanted, _ = frames(3, seed=6)
    last = len(core.around.streams) - 1
    core.sinks[0].pause = True
    await core.write("control", enable=1)
    for beats in sent:
        await core.send(0, beats)
    await ClockCycles(dut.aclk, 300)
    before = await core.read(f"stall{last}")
    assert before > 200
    start = int(cocotb.utils.get_sim_time("ns"))
    before = await core.read(f"stall{last}")
    between = int(cocotb.utils.get_sim_time("ns"))
    await ClockCycles(dut.aclk, 100)
    after = await core.read(f"stall{last}")
    end = int(cocotb.utils.get_sim_time("ns"))
    assert (end - between) // 10 - 20 <= after - before <= (end - start) // 10
    core.sinks[0].pause = False
    for beats in wanted:
        assert await core.receive(0) == beats
    done = await core.read(f"stall{last}")
    await ClockCycles(dut.aclk, 50)
    assert await core.read(f"stall{last}") == done
    await core.write("control", reset=1)
    await core.until("status", "resetting", 0)
    assert await core.read(f"stall{last}") == 0


# ---- pytest -------------------------------------------------------------------------------------


def test_registers_in_rtl(tmp_path: Path) -> None:
    failed, log = bench.run(axil_bench.files(CORES), __name__, tmp_path)
    assert failed == 0, log[-6000:]


def test_registers_are_clean(tmp_path: Path) -> None:
    for design, made in CORES:
        folder = tmp_path / design.name
        folder.mkdir()
        for name, text in axil_bench.files([(design, made)]).items():
            (folder / name).write_text(text, "utf-8")
        expect_clean(folder, "tb")


def test_same_input_gives_the_same_bytes() -> None:
    again: Around = around(NET, CONTENT, [Classes()], {"s_axis": "x", "m_axis": "y"})
    assert again.files() == NET_AROUND.files()
