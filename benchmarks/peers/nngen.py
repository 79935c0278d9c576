"""NNgen on the small CNN: its Verilog through the same Yosys run as ours, its cycles in Icarus.

    python benchmarks/peers/nngen.py w3_8.npz [--parallelism 1x1] [--no-synth] [--venv FOLDER]

NNgen 1.3.4 (Apache-2.0) is installed into a virtual environment of its own and run there as a
program. It gets the very weights, biases and shifts of the file, ``--parallelism ICHxOCH`` for
input and output channels of every layer. Its Verilog runs one frame in Icarus with NNgen's own
model of a memory behind AXI, and has to give Y: the cycles are those from start to done. Yosys then
runs ``synth_xilinx -family xcup -flatten -noiopad -noclkbuf``; LUT1 to LUT6 are summed.
``multipliers`` are those of the flattened Verilog, addresses included. Adds an entry to
benchmarks/results/peers-nngen.json.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE
from typing import Any

from da4ml import YOSYS, counted  # the script beside this one

VERSION = "1.3.4"
PACKAGES = (f"nngen=={VERSION}", "setuptools<81")
RESULTS = Path(__file__).parents[1] / "results" / "peers-nngen.json"
TOP = "cnn"

WORKER = r"""
import json, math, sys, time
import nngen as ng
import numpy as np
import veriloggen.types.axi as axi
import veriloggen.thread as vthread
from veriloggen import Module, Seq, simulation

source, out, ich, och = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
data, started = np.load(source), time.process_time()
weight = ng.int4 if source.endswith("_4.npz") else ng.int8
activation, sums = ng.int8, ng.int32


def variable(name, values, kind):
    made = ng.variable(kind, shape=values.shape, name=name)
    made.set_value(values.astype(np.int64))
    return made


h = x = ng.placeholder(activation, shape=(1, 28, 28, 1), name="x")
for i in (0, 1):
    h = ng.conv2d(
        h, variable(f"w{i}", data[f"W{i}"], weight), strides=(1, 1, 1, 1), padding="VALID",
        bias=variable(f"b{i}", data[f"B{i}"], sums), act_func=ng.relu, dtype=activation,
        sum_dtype=sums, rshift_out=variable(f"s{i}", np.array([int(data["S"][i])]), ng.int8),
        par_ich=ich, par_och=och)
    h = ng.max_pool(h, ksize=(1, 2, 2, 1), strides=(1, 2, 2, 1), padding="VALID", par=och)
y = ng.matmul(ng.reshape(h, [1, -1]), variable("w2", data["W2"], weight), transposed_b=True,
              dtype=sums, sum_dtype=sums, par_left_col=ich, par_out_col=och, name="y")
frame = data["X"][0].reshape(1, 28, 28, 1).astype(np.int64)
bus = max(32, 8 * max(ich, och))
core = ng.to_veriloggen([y], "cnn", silent=True, config={"maxi_datawidth": bus})
core.to_verilog(f"{out}/cnn.v")
seconds = time.process_time() - started
evaluated = np.array_equal(ng.eval([y], x=frame)[0].reshape(-1), data["Y"][0].reshape(-1))

chunk = 64
params = ng.export_ndarray([y], chunk)
up = lambda n: math.ceil(n / chunk) * chunk
at = up(max(x.addr + x.memory_size, y.addr + y.memory_size))
temporary = up(at + len(params))
image = np.zeros([1 << 18], np.int64)
axi.set_memory(image, frame, 32, 8, x.addr, max(bus // 8, ich))
axi.set_memory(image, params, 32, 8, at)

m = Module("test")
m.copy_params(core)
ports = m.copy_sim_ports(core)
clk, resetn = ports["CLK"], ports["RESETN"]
rst = m.Wire("RST")
rst.assign(resetn == 0)
memory = axi.AxiMemoryModel(m, "memory", clk, rst, bus, memimg=image, memimg_datawidth=32,
                            memimg_name=f"{out}/memory.hex")
memory.connect(ports, "maxi")
control = vthread.AXIMLite(m, "_saxi", clk, rst, noio=True)
control.connect(ports, "saxi")
cycles = m.Reg("cycles", 32, initval=0)
Seq(m, "count", clk, rst)(cycles.inc())


def ctrl():
    for i in range(100):
        pass
    ng.sim.set_global_addrs(control, temporary)
    begun = cycles.value
    ng.sim.start(control)
    ng.sim.wait(control)
    print("cycles %d" % (cycles.value - begun))
    for i in range(10):
        got = memory.read_word(i, y.addr, 32)
        print("score %d" % got)
    vthread.finish()


vthread.Thread(m, "th_ctrl", clk, rst, ctrl).start()
m.Instance(core, "uut", params=m.connect_params(core), ports=m.connect_ports(core))
simulation.setup_clock(m, clk, hperiod=5)
simulation.setup_reset(m, resetn, m.make_reset(), period=100, polarity="low")
m.to_verilog(f"{out}/test.v")
print(json.dumps({"evaluated": bool(evaluated), "cpu_seconds": round(seconds, 1), "axi_bits": bus}))
"""


def installed(venv: Path) -> Path:
    """Python of the environment that has NNgen."""
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


def simulated(folder: Path) -> tuple[int, list[int]]:
    """Cycles from start to done, and the scores of the frame."""
    subprocess.run(
        ["iverilog", "-g2012", "-o", "sim", "-s", "test", "test.v"], cwd=folder, check=True
    )
    said = subprocess.run(
        ["vvp", "-N", "sim"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    (cycles,) = re.findall(r"^cycles\s+(\d+)", said, re.MULTILINE)
    return int(cycles), [int(n) for n in re.findall(r"^score\s+(-?\d+)", said, re.MULTILINE)]


def cells(folder: Path, *passes: str) -> dict[str, int]:
    """Cells by kind behind some passes of Yosys."""
    report = folder / "cells.json"
    given = [f"read_verilog -defer -sv {folder}/{TOP}.v", *passes, f"tee -q -o {report} stat -json"]
    subprocess.run([sys.executable, "-c", YOSYS, *given], check=True, stdout=subprocess.DEVNULL)
    found: dict[str, int] = json.loads(report.read_text("utf-8"))["design"]["num_cells_by_type"]
    return found


def measured(source: Path, parallelism: str, venv: Path, *, synth: bool) -> dict[str, Any]:
    """Generate, simulate, synthesise."""
    if shutil.which("iverilog") is None:
        raise SystemExit("needs iverilog on PATH: apt-get install iverilog")
    import numpy as np

    with tempfile.TemporaryDirectory() as away:
        given = [str(source.resolve()), away, *parallelism.split("x")]
        worker = Path(away) / "worker.py"  # a file, since veriloggen reads the text of threads
        worker.write_text(WORKER, "utf-8")
        said = subprocess.run(
            [str(installed(venv)), worker.name, *given],
            check=True,
            stdout=PIPE,
            text=True,
            cwd=away,
        ).stdout
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        folder = Path(away)
        made = cells(folder, f"hierarchy -top {TOP}", "proc", "flatten", "opt_clean")
        found["multipliers"] = made.get("$mul", 0)
        found["cycles"], scores = simulated(folder)
        found["equal"] = scores == np.load(source)["Y"][0].reshape(-1).tolist()
        if synth:
            flow = "synth_xilinx -family xcup -flatten -noiopad -noclkbuf"
            made = cells(folder, f"{flow} -top {TOP}")
            found |= counted(made) | {"memories": memories(made)}
    return {**found, "version": VERSION}


def memories(made: dict[str, int]) -> dict[str, int]:
    """Block RAMs and memories of LUTs, by primitive."""
    return {kind: n for kind, n in sorted(made.items()) if kind.startswith("RAM")}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="workload, w3_8.npz or w3_4.npz")
    parser.add_argument("--parallelism", default="1x1", help="input x output channels at a time")
    parser.add_argument("--no-synth", action="store_true", help="generate and simulate only")
    default = Path(tempfile.gettempdir()) / "gatesmith-peers" / "nngen"
    parser.add_argument("--venv", type=Path, default=default, help="where NNgen is installed")
    asked = parser.parse_args()
    started = time.monotonic()
    entry = measured(asked.source, asked.parallelism, asked.venv, synth=not asked.no_synth)
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    found[f"{asked.source.stem} {asked.parallelism}"] = entry
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
    print(json.dumps(entry, indent=1), f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
