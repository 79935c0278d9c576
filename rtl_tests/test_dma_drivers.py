"""The drivers and frames by address: packed, moved by the core, taken apart, equal to the model.

examples/digits/digits_2w2a.onnx with two words a beat, one memory of cocotbext-axi behind its
buses; the driver for PYNQ runs with a pynq that allocates in that memory.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cocotb
import numpy as np
import pytest

import gatesmith
from gatesmith.build_folder import Built
from gatesmith.rtl_tests import driver_sim
from gatesmith.rtl_tests.driver_sim import READ, WRITE, c_library, in_thread, python_driver
from gatesmith.rtl_tests.test_system import FIRST, pixels, scores

FRAMES = 40
SOURCE, TARGET = 0x1_2000_0FF0, 0x2_0000_0FFC


def given() -> Any:
    """Frames, their codes and their results, in the folder that the simulation runs in."""
    return np.load("frames.npz")


def opened(bus: Any) -> Any:
    """The Python driver, its core ready for frames."""
    core = python_driver().Core(bus, driver_sim.folder() / "ip" / "drivers" / "core.json")
    core.reset()
    core.use_windows()
    core.enable()
    return core


def use_python(bus: Any) -> None:
    core, told = opened(bus), given()
    words = core.pack([core.quantize(x) for x in told["x"]])
    assert words.shape == (FRAMES, core.about["registers"]["inputs"][0]["words"])
    bus.memory.write(SOURCE, words.astype("<u4").tobytes())
    core.enable_interrupt(frame=False)
    core.move(FRAMES, [SOURCE], [TARGET])
    core.moved()
    size = 4 * core.about["registers"]["outputs"][0]["words"]
    found = np.frombuffer(bus.memory.read(TARGET, FRAMES * size), "<u4")
    assert np.array_equal(core.unpack(found), told["y"])
    assert core.counters()["out global_out"] == FRAMES
    assert core.errors() == []
    for inputs, outputs, told_why in (
        ([SOURCE + 2], [TARGET], "is no address of a word"),
        ([SOURCE], [], "1 and 0 addresses: one for each port"),
        ([SOURCE], [1 << 64], "is no address of a word"),
    ):
        with pytest.raises(Exception, match=told_why):
            core.move(1, inputs, outputs)


class Buffer(np.ndarray[Any, Any]):
    """What pynq.allocate gives: the core sees it after a flush, the processor after the other."""

    device_address: int
    ram: Any

    def flush(self) -> None:
        self.ram.write(self.device_address, self.astype("<u4").tobytes())

    def invalidate(self) -> None:
        data = self.ram.read(self.device_address, self.nbytes)
        self[...] = np.frombuffer(data, "<u4").reshape(self.shape)

    def freebuffer(self) -> None:
        self.device_address = -1


def use_pynq(bus: Any) -> None:
    """gs_pynq.py of the build, with a pynq of this test."""
    place, top = opened(bus), 0x1000

    def allocate(shape: tuple[int, ...], dtype: Any) -> Buffer:
        nonlocal top
        made = np.zeros(shape, dtype).view(Buffer)
        made.device_address, made.ram = top, bus.memory
        top += -(-made.nbytes // 4096) * 4096
        return made

    class DefaultIP:
        def __init__(self, description: Any) -> None:
            self.mmio = bus

    fake = ModuleType("pynq")
    fake.__dict__.update(DefaultIP=DefaultIP, allocate=allocate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pynq", fake)
        import gs_pynq  # type: ignore[import-not-found]

        told = given()
        (found,) = gs_pynq.GatesmithDriver({}).infer_many(told["x"])
    wanted = np.stack([place.real(y) for y in told["y"]])
    assert np.array_equal(found, wanted)


def use_c(bus: Any) -> None:
    library = c_library(driver_sim.folder(), Path.cwd())
    told = given()
    about = json.loads((driver_sim.folder() / "build.json").read_text())["registers"]
    size_in, size_out = (about[side][0]["words"] for side in ("inputs", "outputs"))
    read = READ(lambda _context, offset: bus.read(offset))
    write = WRITE(lambda _context, offset, value: bus.write(offset, value))
    status = ctypes.c_int()
    core = ctypes.c_void_p(library.make(read, write, ctypes.byref(status)))
    assert status.value == library.gs_reset(core) == 0
    assert library.gs_use_windows(core, 1) == library.gs_enable(core, 1) == 0
    codes, packed = (ctypes.c_int64 * 64)(), (ctypes.c_uint32 * size_in)()
    for k, x in enumerate(told["x"]):
        assert library.gs_quantize(core, 0, (ctypes.c_double * 64)(*x), codes) == 0
        assert library.gs_pack(core, 0, codes, packed) == 0
        bus.memory.write(SOURCE + 4 * size_in * k, bytes(packed))
    inputs, outputs = (ctypes.c_uint64 * 1)(SOURCE), (ctypes.c_uint64 * 1)(TARGET)
    assert library.gs_move(core, FRAMES, inputs, outputs) == 0
    assert library.gs_moved(core) == 0
    found, words = (ctypes.c_int64 * 10)(), (ctypes.c_uint32 * size_out)()
    for k, y in enumerate(told["y"]):
        data = bus.memory.read(TARGET + 4 * size_out * k, 4 * size_out)
        words[:] = np.frombuffer(data, "<u4").tolist()
        assert library.gs_unpack(core, 0, words, found) == 0
        assert list(found) == y.tolist(), f"frame {k}"
    assert library.gs_move(core, 1, (ctypes.c_uint64 * 1)(SOURCE + 2), outputs) == 3
    codes[5] = 16
    assert library.gs_pack(core, 0, codes, packed) == 3
    assert library.gs_pack(core, 1, codes, packed) == library.gs_unpack(core, 1, words, found) == 3


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def python_moves_frames(dut: Any) -> None:
    await in_thread(use_python, await driver_sim.start(dut))


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def pynq_moves_frames(dut: Any) -> None:
    await in_thread(use_pynq, await driver_sim.start(dut))


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def c_moves_frames(dut: Any) -> None:
    await in_thread(use_c, await driver_sim.start(dut))


# ---- pytest -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("dma") / "build"
    return gatesmith.build(FIRST, folder, cycles=64, input_lanes=16, registers=True, dma=True)


def test_drivers_move_frames(built: Built, tmp_path: Path) -> None:
    x = pixels(FRAMES)
    np.savez(tmp_path / "frames.npz", x=x, y=scores(FIRST, x)[0])
    driver_sim.simulate(built.folder, __name__, tmp_path, "")
