"""The drivers against the RTL: frames over AXI4-Lite, counters, other weights, another network.

examples/digits/digits_2w2a.onnx is built with registers and every layer reloadable; real pixels go
through the drivers, quantized by them. Then digits_2w2a_other.onnx is loaded, by an image of
``gatesmith reload``, in whole, and the weights of one layer alone. Wanted is what the models mean:
the other network is lowered as usual, not as a guest of the first.
"""

from __future__ import annotations

import ctypes
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles
from numpy.typing import NDArray

import gatesmith
from gatesmith.build_folder import Built
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Graph, Ints, Node, Reals
from gatesmith.ir.execute import execute
from gatesmith.ir.store import load
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.pipeline import to_integers
from gatesmith.rtl_tests import driver_sim
from gatesmith.rtl_tests.driver_sim import READ, WRITE, c_library, in_thread, python_driver

EXAMPLES = Path(gatesmith.__file__).parents[1] / "examples" / "digits"
FIRST, OTHER = EXAMPLES / "digits_2w2a.onnx", EXAMPLES / "digits_2w2a_other.onnx"
if not EXAMPLES.is_dir():
    pytest.skip("examples/ is not beside the package", allow_module_level=True)


# ---- what is wanted -----------------------------------------------------------------------------


def pixels(count: int) -> Reals:
    """Images of the data set, and random ones: all ties of the quantizer, beyond its ends."""
    images = np.load(EXAMPLES / "digits_test.npz")["x"].astype(np.float64) / 16
    rng = np.random.default_rng(7)
    random = rng.integers(-8, 44, (count, 64)) / 32
    random[::3] += rng.normal(0, 0.1, random[::3].shape)
    return np.concatenate([images[: count // 2], random])[:count]


def scores(model: Path, x: Reals) -> tuple[Ints, list[list[Fraction]]]:
    """Integers of a model's output, lowered as usual, and what they stand for."""
    imported = import_model(model)
    lowered, integer = to_integers(imported, model)
    (port,) = lowered.inputs
    nodes = {node.name: node for node in imported.graph}
    quantizer = nodes[port.host_quantizer or ""]
    part = Graph((quantizer,))
    (given,) = (node for node in part if isinstance(node.op, Input))
    n = np.asarray(execute(part, {given.name: x})[quantizer], np.int64)
    y = np.asarray(execute(integer, {port.node: n})[integer.outputs[0]], np.int64)
    meaning = integer.outputs[0].meaning
    assert meaning is not None
    ((scale, offset),) = set(meaning.per_channel(y.shape[-1]))
    return y, [[int(v) * scale + offset for v in row] for row in y]


def mixed(built: Built, x: Reals) -> Ints:
    """Integers of the first network with the last weights of the other one."""
    graph = load(built.folder / "ir" / "integer")
    imported = import_model(OTHER)
    _, other = to_integers(imported, OTHER)
    last = [node for node in other if isinstance(node.op, Dense)][-1].op
    mine = [node for node in graph if isinstance(node.op, Dense)][-1]
    assert isinstance(last, Dense)

    def rule(node: Node, _users: object) -> Node | None:
        if node.name != mine.name or not isinstance(node.op, Dense):
            return None
        new = replace(node.op, weights=last.weights)
        return None if new == node.op else replace(node, op=new)

    changed = graph.rewrite(rule)
    codes = np.clip(np.rint(x * 16), 0, 15).astype(np.int64)  # halves to even
    (given,) = (node for node in changed if isinstance(node.op, Input))
    return np.asarray(execute(changed, {given.name: codes})[changed.outputs[0]], np.int64)


def tell(built: Built, place: Path, count: int) -> None:
    """Frames, results and images for the simulator, in its folder."""
    place.mkdir(exist_ok=True)
    x = pixels(count)
    y, real = scores(FIRST, x)
    other, other_real = scores(OTHER, x)
    np.savez(place / "frames.npz", x=x, y=y, other=other, mixed=mixed(built, x))
    told = {"first": real, "other": other_real}
    text = {name: [[str(v) for v in row] for row in rows] for name, rows in told.items()}
    (place / "reals.json").write_text(json.dumps(text))
    made = gatesmith.reload(built.folder, OTHER, place / "other.gsr")
    assert all(entry["changed"] for entry in made.memories)
    gatesmith.reload(built.folder, FIRST, place / "first.gsr")


# ---- cocotb side --------------------------------------------------------------------------------


def frames() -> tuple[Any, dict[str, list[list[Fraction]]]]:
    """What :func:`tell` wrote, in the folder that the simulation runs in."""
    real = json.loads(Path("frames/reals.json").read_text())
    exact = {name: [[Fraction(v) for v in row] for row in rows] for name, rows in real.items()}
    return np.load("frames/frames.npz"), exact


def best(rows: list[list[Fraction]]) -> list[int]:
    """The first of the largest."""
    return [row.index(max(row)) for row in rows]


def use_python(bus: Any) -> dict[str, int]:
    """All that the Python driver can do, in a thread beside the simulation."""
    gs = python_driver()
    given, wanted = frames()
    core = gs.Core(bus, driver_sim.folder() / "ip" / "drivers" / "core.json")
    core.reset()
    layer = max(k for k, entry in enumerate(core.memories) if entry["what"] == "weights")
    equal = 0

    def answers(name: str, want: NDArray[Any]) -> int:
        found = 0
        for k, x in enumerate(given["x"]):
            (y,) = core.run(core.quantize(x))
            assert np.array_equal(y, want[k]), f"{name}, frame {k}: {y}, not {want[k]}"
            if name in wanted:
                assert list(core.exact(y)) == wanted[name][k], f"{name}, frame {k}"
                assert core.last_class() == best([wanted[name][k]])[0]
            found += 1
        return found

    core.use_windows()
    core.enable()
    equal += answers("first", given["y"])
    counters = core.counters()
    ends = [counters[name] for name in counters if name.startswith(("in ", "out "))]
    assert ends == [len(given["x"])] * 2
    assert sum(name.startswith("stalled ") for name in counters) == len(
        core.about["registers"]["streams"]
    )
    assert core.errors() == []
    # Another network.
    assert core.load_image("frames/other.gsr") == list(range(len(core.memories)))
    equal += answers("other", given["other"])
    (scores,) = core.infer(given["x"][0])
    assert scores.tolist() == [float(v) for v in wanted["other"][0]]
    # Back, and the weights of one layer.
    core.load_image("frames/first.gsr")
    core.load_image("frames/other.gsr", only=[layer])
    equal += answers("mixed", given["mixed"])
    core.disable()
    for number, entry in enumerate(core.memories):
        if number != layer:
            assert core.memory_crc(number) == entry["crc"]
    words = core.read_memory(layer)
    core.enable()
    core.load_image("frames/first.gsr")
    equal += answers("first", given["y"])
    assert core.errors() == []
    core.disable()
    assert not np.array_equal(core.read_memory(layer), words)
    return {"equal": equal}


def refuse_python(bus: Any) -> None:
    """What the Python driver does not do."""
    gs = python_driver()
    place = driver_sim.folder() / "ip" / "drivers" / "core.json"
    core = gs.Core(bus, place, patience=1000)
    core.reset()
    about = json.loads(place.read_text())
    about["registers"]["content"] = "0" * 16
    with pytest.raises(gs.CoreError, match=r"^content is"):
        gs.Core(bus, about)
    data = bytearray(Path("frames/other.gsr").read_bytes())
    for at, told in ((0, "this is no image"), (40, "the image is damaged: its CRC is wrong")):
        broken = bytearray(data)
        broken[at] ^= 1
        Path("broken.gsr").write_bytes(broken)
        with pytest.raises(gs.CoreError, match=f"^{told}"):
            core.load_image("broken.gsr")
    with pytest.raises(ValueError, match=r"^a value of global_in is outside of u4$"):
        core.run(np.full(64, 16))
    with pytest.raises(gs.CoreError, match=r"^the core is stuck; errors: none$"):
        core.run(np.zeros(64, np.int64))  # the windows are not in use
    core.reset()
    with pytest.raises(gs.CoreError, match=r"^this core moves no frames: gatesmith build"):
        core.move(1, [0], [0])
    # While enabled nothing is written, and the driver sees that.
    core.enable()
    with pytest.raises(gs.CoreError, match=r"^memory 0 of MatMul_0 was not written: CRC is"):
        core.write_memory(0, np.zeros(core.read_memory(0).shape, np.uint32))
    core.disable()
    assert core.memory_crc(0) == core.memories[0]["crc"]
    core.reset()


def use_c(bus: Any) -> int:
    """The C driver, compiled, on callbacks that are transactions."""
    library = c_library(driver_sim.folder(), Path.cwd())
    given, wanted = frames()
    read = READ(lambda _context, offset: bus.read(offset))
    write = WRITE(lambda _context, offset, value: bus.write(offset, value))
    status = ctypes.c_int()
    core = ctypes.c_void_p(library.make(read, write, ctypes.byref(status)))
    assert status.value == 0
    assert library.gs_reset(core) == 0
    assert library.gs_use_windows(core, 1) == 0
    assert library.gs_enable(core, 1) == 0
    codes, found, real = (ctypes.c_int64 * 64)(), (ctypes.c_int64 * 10)(), (ctypes.c_double * 10)()
    pointer = ctypes.POINTER(ctypes.c_int64)
    ins = (pointer * 1)(ctypes.cast(codes, pointer))
    outs = (pointer * 1)(ctypes.cast(found, pointer))
    index, crc = ctypes.c_uint32(), ctypes.c_uint32()

    def answers(want: NDArray[Any], real_wanted: list[list[Fraction]] | None) -> int:
        for k, x in enumerate(given["x"]):
            assert library.gs_quantize(core, 0, (ctypes.c_double * 64)(*x), codes) == 0
            assert library.gs_run(core, ins, outs) == 0
            assert list(found) == want[k].tolist(), f"frame {k}"
            if real_wanted is not None:
                assert library.gs_real(core, 0, found, real) == 0
                exact = [float(v) for v in real_wanted[k]]
                np.testing.assert_array_max_ulp(np.array(list(real)), np.array(exact), 2)
            assert library.gs_last_class(core, 0, ctypes.byref(index)) == 0
            assert index.value == int(np.argmax(want[k]))
        return len(given["x"])

    equal = answers(given["y"], wanted["first"])
    assert library.gs_frames_in(core, 0) == library.gs_frames_out(core, 0) == equal
    for name, key in (("other", "other"), ("first", "y")):
        data = np.fromfile(f"frames/{name}.gsr", "<u4").astype(np.uint32)
        words = (ctypes.c_uint32 * len(data))(*data.tolist())
        assert library.gs_load_image(core, words, len(data)) == 0
        equal += answers(given[key], None)
        words[30] ^= 1
        assert library.gs_load_image(core, words, len(data)) == 5
    assert library.gs_enable(core, 0) == 0
    told = json.loads((driver_sim.folder() / "build.json").read_text())["registers"]["memories"]
    memory = (ctypes.c_uint32 * (told[0]["depth"] * told[0]["chunks"]))()
    assert library.gs_read_memory(core, 0, memory) == 0
    assert library.gs_memory_crc(core, 0, ctypes.byref(crc)) == 0
    assert library.gs_crc32(memory, len(memory)) & 0xFFFFFFFF == crc.value
    assert library.gs_memory_crc(core, len(told), ctypes.byref(crc)) == 3
    nowhere = (ctypes.c_uint64 * 1)()
    assert library.gs_move(core, 1, nowhere, nowhere) == 4  # not built with --dma
    assert library.gs_errors(core) == 0
    # Stuck: the windows are empty and the core is shut.
    library.impatient(core)
    assert library.gs_run(core, ins, outs) == 2
    assert library.gs_reset(core) == 0
    codes[0] = 16
    assert library.gs_run(core, ins, outs) == 3
    return equal


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def python_driver_works(dut: Any) -> None:
    bus = await driver_sim.start(dut)
    found = await in_thread(use_python, bus)
    cocotb.log.info("EQUAL %d frames, %d accesses", found["equal"], bus.accesses)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def python_driver_refuses(dut: Any) -> None:
    bus = await driver_sim.start(dut)
    await in_thread(refuse_python, bus)


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def c_driver_works(dut: Any) -> None:
    bus = await driver_sim.start(dut)
    equal = await in_thread(use_c, bus)
    cocotb.log.info("EQUAL %d frames, %d accesses", equal, bus.accesses)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def the_interrupt_wakes(dut: Any) -> None:
    """A frame by the driver raises the line, its acknowledge lowers it."""
    bus = await driver_sim.start(dut)

    def send() -> None:
        core = python_driver().Core(bus, driver_sim.folder() / "ip" / "drivers" / "core.json")
        core.use_windows()
        core.enable_interrupt()
        core.enable()
        core.run(np.zeros(64, np.int64))

    def acknowledge() -> tuple[bool, bool]:
        core = python_driver().Core(bus, driver_sim.folder() / "ip" / "drivers" / "core.json")
        seen: tuple[bool, bool] = core.acknowledge()
        return seen

    assert int(dut.irq.value) == 0
    await in_thread(send)
    await ClockCycles(dut.aclk, 3)
    assert int(dut.irq.value) == 1
    assert await in_thread(acknowledge) == (True, False)
    await ClockCycles(dut.aclk, 3)
    assert int(dut.irq.value) == 0


# ---- pytest -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return gatesmith.build(
        FIRST,
        tmp_path_factory.mktemp("system") / "build",
        cycles=64,
        input_lanes=8,
        registers=True,
        reloadable="all",
    )


def run(built: Built, work: Path, count: int, only: str) -> None:
    work.mkdir()
    tell(built, work / "frames", count)
    driver_sim.simulate(built.folder, __name__, work, only)


def test_drivers_on_a_few_frames(built: Built, tmp_path: Path) -> None:
    run(built, tmp_path / "sim", 8, "")


@pytest.mark.slow
def test_a_thousand_frames_by_the_python_driver(built: Built, tmp_path: Path) -> None:
    run(built, tmp_path / "sim", 1000, "python_driver_works")


@pytest.mark.slow
def test_a_thousand_frames_by_the_c_driver(built: Built, tmp_path: Path) -> None:
    run(built, tmp_path / "sim", 1000, "c_driver_works")
