"""Weights and thresholds written through the registers: other numbers, extremes, read back, CRC.

``folded`` has words of several times 32 bits, ``whole`` memories of one word, ``deep`` block RAM
and bipolar weights, ``grouped`` groups and channels that fall.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles

from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.design import Design
from gatesmith.codegen.registers.around import Classes, around
from gatesmith.codegen.stream import Reloadable, Stage, Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.ir import BIPOLAR, Array, Ints, IntType, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold
from gatesmith.rtl_tests import axil_bench, bench
from gatesmith.rtl_tests.axil_bench import Core
from gatesmith.rtl_tests.bench import STALLS
from gatesmith.rtl_tests.slots import check_timing
from gatesmith.rtl_tests.test_lint import expect_clean
from gatesmith.rtl_tests.test_top import chain

U4, I3 = IntType(0, 15), IntType(-4, 3)
Draw = Callable[[IntType, tuple[int, ...]], Ints]
"""Values of a type."""


@dataclass(frozen=True)
class Net:
    """A layer, its thresholds, and a second layer.

    Attributes:
        name: Of the core.
        x: Type of the input.
        w: Types of the weights of both layers.
        size: Inputs, hidden units and outputs (of a group).
        fold: SIMD and PE of both layers.
        steps: Type behind the thresholds.
        groups: Of the first layer.
    """

    name: str
    x: IntType
    w: tuple[IntType, IntType]
    size: tuple[int, int, int]
    fold: tuple[int, int, int, int]
    steps: IntType
    groups: int = 1

    def ops(self, draw: Draw) -> tuple[Dense, Threshold, Dense]:
        """Operators with other numbers."""
        ins, hidden, outs = self.size
        fc1 = Dense(Array(draw(self.w[0], (hidden, ins))), self.w[0], self.groups, True)
        sums = fc1.infer(TensorType((ins * self.groups,), self.x)).int_elem
        edges = IntType(sums.lo, sums.hi + sums.step, sums.step)
        table = np.sort(draw(edges, (hidden, self.steps.count - 1)), axis=1)
        falling = draw(IntType(0, 1), (hidden,))
        act = Threshold(Array(table), self.steps, Array(falling), True)
        fc2 = Dense(Array(draw(self.w[1], (outs, hidden))), self.w[1], reloadable=True)
        return fc1, act, fc2

    def stages(self, ops: tuple[Dense, Threshold, Dense]) -> list[Stage]:
        """Their hardware."""
        ins, hidden, _ = self.size
        fc1, act, fc2 = ops
        simd1, pe1, simd2, pe2 = self.fold
        x = Stream(self.x, ins, self.groups, simd1)
        name = self.name
        first = DenseStage("fc1", "fc1", (), f"{name}_fc1", fc1, x, pe1)
        flat = replace(first.sink, channels=hidden, vectors=1)
        second = ThresholdStage("act", "act", (), f"{name}_act", act, flat)
        made: list[Stage] = [first, second]
        if second.sink.lanes != simd2:
            made.append(WidthConverterStage("to", "act", (), second.sink, hidden, simd2))
        third = DenseStage("fc2", "fc2", (), f"{name}_fc2", fc2, made[-1].sink, pe2)
        return [*made, third]

    def reference(self, ops: tuple[Dense, Threshold, Dense], x: Ints) -> Ints:
        """Results of frames."""
        fc1, act, fc2 = ops
        flat = x.reshape(len(x), -1)
        return np.asarray(fc2.run(act.run(fc1.run(flat))), np.int64)


def random(seed: int) -> Draw:
    """Any values."""
    rng = np.random.default_rng(seed)
    return lambda t, shape: t.lo + t.step * rng.integers(0, t.count, shape)


def lowest(t: IntType, shape: tuple[int, ...]) -> Ints:
    """The least value everywhere."""
    return np.full(shape, t.lo, np.int64)


def highest(t: IntType, shape: tuple[int, ...]) -> Ints:
    """The largest value everywhere."""
    return np.full(shape, t.hi, np.int64)


def alternating(t: IntType, shape: tuple[int, ...]) -> Ints:
    """Least and largest value in turn."""
    return np.where(np.arange(np.prod(shape)) % 2, t.lo, t.hi).reshape(shape)


NETS = [
    Net("folded", U4, (I3, IntType(-8, 7)), (24, 16, 6), (6, 4, 4, 3), IntType(0, 3)),
    Net("whole", IntType(-2, 1), (I3, I3), (6, 5, 4), (6, 5, 5, 4), IntType(0, 2)),
    Net("deep", BIPOLAR, (BIPOLAR, I3), (64, 128, 3), (4, 1, 8, 3), BIPOLAR),
    Net("grouped", IntType(-8, 7), (IntType(-1, 1), I3), (6, 8, 2), (2, 2, 2, 1), U4, 4),
]
FIRST = {net.name: net.ops(random(1)) for net in NETS}


def design(net: Net) -> Design:
    return chain(net.name, net.stages(FIRST[net.name]))


CORES = [
    (design(net), around(design(net), 7, [Classes()], {"s_axis": "x", "m_axis": "y"}))
    for net in NETS
]
OTHERS: list[Draw] = [random(2), lowest, highest, alternating]


def memories(stages: Sequence[Stage]) -> list[Reloadable]:
    """By number."""
    return [stage.reloadable for stage in stages if stage.reloadable is not None]


def parts(memory: Reloadable) -> list[int]:
    """All 32 bits of it, in the order in which they are written."""
    return [int(part) for part in memory.parts().reshape(-1)]


async def load(core: Core, number: int, data: Sequence[int]) -> None:
    await core.write("reload_memory", index=number)
    for part in data:
        await core.write("reload_data", part)


async def crc(core: Core, number: int) -> int:
    await core.write("reload_memory", index=number)
    await core.write("reload_command", sum=1)
    await core.until("status", "summing", 0, tries=20_000)
    return await core.read("reload_crc")


def crc_of(memory: Reloadable) -> int:
    return zlib.crc32(memory.parts().astype("<u4").tobytes())


async def shut(core: Core) -> None:
    await core.write("control", enable=0)
    await core.until("status", "drained")


async def answers(core: Core, net: Net, ops: tuple[Dense, Threshold, Dense], seed: int) -> None:
    """Frames through the core equal the reference of these operators."""
    source, sink = core.around.inputs[0].stream, core.around.outputs[0].stream
    x = bench.draw(source, 4, seed)
    y = net.reference(ops, x)
    await core.write("control", enable=1)
    for frame in x:
        await core.send(0, bench.words(source, frame[None]))
    for k, frame in enumerate(y):
        assert await core.receive(0) == bench.words(sink, frame[None]), f"{net.name}, frame {k}"
    assert await core.read("errors") == 0


async def core_of(dut: Any, name: str, stall: bench.Stall | None = None) -> tuple[Core, Net]:
    number = [net.name for net in NETS].index(name)
    core = (await axil_bench.start(dut, [made for _, made in CORES]))[number]
    for k, memory in enumerate(memories(NETS[number].stages(FIRST[name]))):
        await load(core, k, parts(memory))  # what another test has left in it
    if stall is not None:
        core.pause(stall)
    return core, NETS[number]


SHALLOW = ["folded", "whole", "grouped"]


@cocotb.test(timeout_time=1000, timeout_unit="us")
async def memories_begin_with_their_images(dut: Any) -> None:
    """The first of all tests: nothing was loaded yet."""
    cores = await axil_bench.start(dut, [made for _, made in CORES])
    for core, net in zip(cores, NETS, strict=True):
        for number, memory in enumerate(memories(net.stages(FIRST[net.name]))):
            if memory.depth < 200:
                assert await crc(core, number) == crc_of(memory)


@cocotb.test(timeout_time=1500, timeout_unit="us")
@cocotb.parametrize(name=SHALLOW, stall=STALLS)
async def other_numbers_give_other_answers(dut: Any, name: str, stall: bench.Stall) -> None:
    core, net = await core_of(dut, name, stall)
    first = FIRST[name]
    await answers(core, net, first, 0)
    held = memories(net.stages(first))
    for other in OTHERS if stall is bench.never else OTHERS[:1]:
        ops = net.ops(other)
        wanted = memories(net.stages(ops))
        await shut(core)
        for number, (before, memory) in enumerate(zip(held, wanted, strict=True)):
            assert await crc(core, number) == crc_of(before)
            await load(core, number, parts(memory))
            assert await crc(core, number) == crc_of(memory)
            assert await core.read("reload_depth") == memory.depth
            assert await core.read("reload_width") == memory.bits
        await answers(core, net, ops, 5)
        held = wanted


@cocotb.test(timeout_time=1500, timeout_unit="us")
@cocotb.parametrize(name=SHALLOW)
async def what_is_written_is_read(dut: Any, name: str) -> None:
    core, net = await core_of(dut, name)
    ops = net.ops(random(3))
    for number, memory in enumerate(memories(net.stages(ops))):
        await load(core, number, parts(memory))
        await core.write("reload_address", word=0)
        assert [await core.read("reload_data") for _ in parts(memory)] == parts(memory)
        assert await core.read("reload_address", "word") == memory.depth
        # One word in the middle, and only that one.
        word, changed = memory.depth // 2, memory.words.copy()
        changed[word] ^= 1
        new = Reloadable("changed", changed)
        await core.write("reload_address", word=word)
        for part in new.parts()[word]:
            await core.write("reload_data", int(part))
        assert await crc(core, number) == crc_of(new)
    assert await core.read("errors") == 0


@cocotb.test(timeout_time=4000, timeout_unit="us")
async def block_ram_is_reloaded(dut: Any) -> None:
    core = (await axil_bench.start(dut, [made for _, made in CORES]))[2]
    net = NETS[2]
    await answers(core, net, FIRST["deep"], 0)
    await shut(core)
    ops = net.ops(random(4))
    for number, memory in enumerate(memories(net.stages(ops))):
        await load(core, number, parts(memory))
        assert await crc(core, number) == crc_of(memory)
    await core.write("reload_memory", index=0)
    await core.write("reload_address", word=1000)
    wanted = memories(net.stages(ops))[0].parts()[1000:1010, 0].tolist()
    assert [await core.read("reload_data") for _ in wanted] == wanted
    await answers(core, net, ops, 1)


@cocotb.test(timeout_time=1000, timeout_unit="us")
async def a_core_at_work_refuses(dut: Any) -> None:
    """Nothing is written or read while enabled, or while a frame is inside; a flag tells."""
    core, net = await core_of(dut, "folded")
    ops = net.ops(random(2))
    first = memories(net.stages(FIRST["folded"]))
    data = parts(memories(net.stages(ops))[0])
    await core.write("control", enable=1)
    await load(core, 0, data)
    assert await core.read("errors") == 1 << 3
    await core.write("errors", refused=1)
    assert await core.read("reload_data") == 0
    assert await core.read("errors", "refused") == 1
    await core.write("errors", refused=1)
    await core.write("reload_command", sum=1)
    assert await core.read("errors", "refused") == 1
    assert await core.read("status", "summing") == 0
    await core.write("errors", refused=1)
    # Shut, but a frame is still inside: its sink takes nothing.
    core.sinks[0].pause = True
    await core.send(
        0, bench.words(core.around.inputs[0].stream, bench.draw(design(net).inputs[0].stream, 1))
    )
    await ClockCycles(dut.aclk, 200)
    await core.write("control", enable=0)
    assert await core.read("status", "drained") == 0
    await load(core, 0, data[:4])
    assert await core.read("errors", "refused") == 1
    core.sinks[0].pause = False
    await core.receive(0)
    await core.until("status", "drained")
    await core.write("errors", refused=1)
    assert await crc(core, 0) == crc_of(first[0])
    await answers(core, net, FIRST["folded"], 3)


@cocotb.test(timeout_time=1000, timeout_unit="us")
async def behind_the_end_is_an_error(dut: Any) -> None:
    core, net = await core_of(dut, "whole")
    held = memories(net.stages(FIRST["whole"]))
    await core.write("reload_memory", index=0)
    await core.write("reload_address", word=held[0].depth)
    await core.write("reload_data", 123)
    assert await core.read("errors") == 1 << 4
    await core.write("errors", beyond=1)
    assert await core.read("reload_data") == 0
    assert await core.read("errors") == 1 << 4
    await core.write("errors", beyond=1)
    await core.write("reload_memory", index=len(held))
    assert await core.read("reload_depth") == 0
    await core.write("reload_data", 5)
    assert await core.read("errors") == 1 << 4
    assert await crc(core, len(held)) == zlib.crc32(b"")
    for number, memory in enumerate(held):
        assert await crc(core, number) == crc_of(memory)


@cocotb.test(timeout_time=1500, timeout_unit="us")
async def resets_keep_what_was_loaded(dut: Any) -> None:
    core, net = await core_of(dut, "folded")
    ops = net.ops(random(6))
    for number, memory in enumerate(memories(net.stages(ops))):
        await load(core, number, parts(memory))
    await core.write("control", reset=1)
    await core.until("status", "resetting", 0)
    await answers(core, net, ops, 1)
    await axil_bench.reset(dut)
    await answers(core, net, ops, 2)
    # In the middle of a frame.
    x = bench.words(core.around.inputs[0].stream, bench.draw(core.around.inputs[0].stream, 1))
    await core.send(0, x[:2])
    await ClockCycles(dut.aclk, 30)
    await core.write("control", reset=1)
    await core.until("status", "resetting", 0)
    await core.write("errors", frame=1)
    await answers(core, net, ops, 3)


@cocotb.test(timeout_time=1500, timeout_unit="us")
async def a_sum_is_not_disturbed(dut: Any) -> None:
    """While a CRC is computed no frame is let in, and accesses of memories are refused."""
    core, net = await core_of(dut, "folded")
    held = memories(net.stages(FIRST["folded"]))
    await core.write("reload_memory", index=0)
    await core.write("reload_command", sum=1)
    assert await core.read("status", "summing") == 1
    await core.write("reload_memory", index=1)
    await core.write("reload_data", 77)
    assert await core.read("reload_data") == 0
    assert await core.read("errors") == 1 << 3
    await core.write("control", enable=1)
    assert await core.read("status", "enabled") == 0
    await core.until("status", "summing", 0)
    assert await core.read("reload_crc") == crc_of(held[0])
    assert await core.read("reload_memory", "index") == 0
    await core.write("errors", refused=1)
    await answers(core, net, FIRST["folded"], 3)


def test_reload_in_rtl(tmp_path: Path) -> None:
    failed, log = bench.run(axil_bench.files(CORES), __name__, tmp_path)
    assert failed == 0, log[-6000:]


def test_reloadable_is_clean(tmp_path: Path) -> None:
    for core, made in CORES:
        folder = tmp_path / core.name
        folder.mkdir()
        for name, text in axil_bench.files([(core, made)]).items():
            (folder / name).write_text(text, "utf-8")
        expect_clean(folder, "tb")


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.name)
def test_timing_is_the_schedule(net: Net) -> None:
    for stage in net.stages(FIRST[net.name]):
        check_timing(stage)


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.name)
def test_other_numbers_change_nothing_but_memory_images(net: Net) -> None:
    first, other = (
        axil_bench.files([(core, around(core, 7, [Classes()], {"s_axis": "x", "m_axis": "y"}))])
        for core in (design(net), chain(net.name, net.stages(net.ops(random(9)))))
    )
    assert first.keys() == other.keys()
    changed = {name for name, text in first.items() if other[name] != text}
    assert changed == {name for name in first if name.endswith(".mem")}
