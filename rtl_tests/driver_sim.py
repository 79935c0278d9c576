"""A build with registers in the simulator, and drivers that are plain blocking code.

The core is DIR/rtl's own text under a wrapper; drivers run in a thread of their own, and each of
their accesses is a transaction of cocotbext-axi on the AXI4-Lite port (cocotb's bridge and resume).
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cocotb.task
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster  # type: ignore[import-untyped]

from gatesmith.rtl_tests import axi_memory, bench

BUILD = "GATESMITH_DRIVEN_BUILD"
"""Environment of the simulator: the build folder."""

FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2")


def files(folder: Path) -> dict[str, str]:
    """RTL of a build and module ``tb`` around it: streams tied off, frames go by the windows."""
    build = json.loads((folder / "build.json").read_text("utf-8"))
    ports = [f"input wire logic {name}{FLAT}" for name in ("aclk", "aresetn")]
    nets = [".aclk(aclk)", ".aresetn(aresetn)"]
    span = (int(build["registers"]["span"]) - 1).bit_length()
    for name, way, bits in (*AXIL, ("awaddr", 1, span), ("araddr", 1, span)):
        kind = "input" if way else "output"
        ports.append(f"{kind} wire logic [{bits - 1}:0] s_axil_{name}{FLAT}")
        nets.append(f".s_axil_{name}(s_axil_{name})")
    ports.append(f"output wire logic irq{FLAT}")
    nets += [".irq(irq)", ".frame_error()"]
    for entry in build["inputs"]:
        p = entry["prefix"]
        nets += [f".{p}_tdata('0)", f".{p}_tvalid(1'b0)", f".{p}_tready()", f".{p}_tlast(1'b0)"]
    for entry in build["outputs"]:
        p = entry["prefix"]
        nets += [f".{p}_tdata()", f".{p}_tvalid()", f".{p}_tready(1'b1)", f".{p}_tlast()"]
    tied = ""
    for bus in build["registers"]["buses"]:
        for name, way, bits in axi_memory.ports(bus["prefix"], reads=bus["reads"]):
            kind = "input" if way else "output"
            ports.append(f"{kind} wire logic [{bits - 1}:0] {name}{FLAT}")
            nets.append(f".{name}({name})")
        asked, answered = axi_memory.ids(bus["prefix"], reads=bus["reads"])
        ports += [f"output wire logic {asked}{FLAT}", f"input wire logic {answered}{FLAT}"]
        tied += f"    assign {asked} = 1'b0;\n"
    module = build["registers"]["module"]
    tb = (
        f"module tb ({', '.join(ports)});\n    {module} dut ({', '.join(nets)});\n{tied}endmodule\n"
    )
    rtl = folder / "rtl"
    texts = {path.name: path.read_text("utf-8") for path in rtl.iterdir() if path.name != "files.f"}
    return texts | {"tb.sv": tb}


def simulate(folder: Path, test_module: str, work: Path, only: str) -> None:
    """Run the cocotb tests of a module on a build; fails where one fails."""
    environment = {BUILD: str(folder), "COCOTB_TEST_FILTER": only}
    with _environment(environment):
        failed, log = bench.run(files(folder), test_module, work)
    assert failed == 0, log[-6000:]


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        yield


# ---- cocotb side --------------------------------------------------------------------------------

FLAT = " /* verilator public_flat_rw */"
AXIL = (
    *(("awvalid", 1, 1), ("awready", 0, 1), ("wdata", 1, 32), ("wstrb", 1, 4), ("wvalid", 1, 1)),
    *(("wready", 0, 1), ("bresp", 0, 2), ("bvalid", 0, 1), ("bready", 1, 1), ("arvalid", 1, 1)),
    *(("arready", 0, 1), ("rdata", 0, 32), ("rresp", 0, 2), ("rvalid", 0, 1), ("rready", 1, 1)),
)


def folder() -> Path:
    """The build that is simulated."""
    return Path(os.environ[BUILD])


class Bus:
    """Blocking reads and writes of registers, for a driver in a thread."""

    def __init__(self, dut: Any) -> None:
        bus = AxiLiteBus.from_prefix(dut, "s_axil")
        self.axil = AxiLiteMaster(bus, dut.aclk, dut.aresetn, reset_active_level=False)
        for half in (self.axil.write_if, self.axil.read_if):
            half.log.setLevel("WARNING")  # a line for each access would be most of the work
        self.read = cocotb.task.resume(self._read)
        self.write = cocotb.task.resume(self._write)
        self.accesses = 0
        build = json.loads((folder() / "build.json").read_text("utf-8"))
        buses = [(bus["prefix"], bus["reads"]) for bus in build["registers"]["buses"]]
        rams = axi_memory.attach(dut, buses, dut.aclk, dut.aresetn, active=False)
        self.memory = rams[0] if rams else None

    async def _read(self, offset: int) -> int:
        self.accesses += 1
        data = await self.axil.read(offset, 4)
        assert int(data.resp) == 0, hex(offset)
        return int.from_bytes(data.data, "little")

    async def _write(self, offset: int, value: int) -> None:
        self.accesses += 1
        done = await self.axil.write(offset, value.to_bytes(4, "little"))
        assert int(done.resp) == 0, hex(offset)


async def start(dut: Any) -> Bus:
    """Clock and reset."""
    Clock(dut.aclk, 10, unit="ns").start()
    bus = Bus(dut)
    dut.aresetn.value = 0
    await ClockCycles(dut.aclk, 5)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 3)
    return bus


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Run blocking code; its accesses of the bus take simulated time."""
    return await cocotb.task.bridge(function)(*args)


def python_driver() -> ModuleType:
    """gs_core.py of the build."""
    place = str(folder() / "ip" / "drivers")
    if place not in sys.path:
        sys.path.insert(0, place)
    return importlib.import_module("gs_core")


# ---- C ------------------------------------------------------------------------------------------

READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)

STUB = """
#include <stdlib.h>
#include "{top}.h"
gs_core *make(gs_read_function read, gs_write_function write, gs_status *status) {{
    gs_core *core = malloc(sizeof *core);
    *status = gs_open(core, &{top}_info, read, write, NULL);
    return core;
}}
void impatient(gs_core *core) {{ core->patience = 200; }}
"""


def c_library(build: Path, work: Path) -> ctypes.CDLL:
    """The C driver of a build as a shared library, with what makes a gs_core of callbacks."""
    drivers = build / "ip" / "drivers"
    top = json.loads((build / "build.json").read_text("utf-8"))["top"]
    stub, out = work / "stub.c", work / "driver.so"
    stub.write_text(STUB.format(top=top))
    sources = [str(drivers / "gs_core.c"), str(drivers / f"{top}.c"), str(stub)]
    command = ["gcc", *FLAGS, "-fPIC", "-shared", f"-I{drivers}", *sources, "-lm", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    library = ctypes.CDLL(str(out))
    library.make.restype = ctypes.c_void_p
    return library
