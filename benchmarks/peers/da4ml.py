"""da4ml on the unrolled MLP workloads: its Verilog through the same Yosys run as ours.

    python benchmarks/peers/da4ml.py w1.npz [--stages 7] [--venv FOLDER]

da4ml 0.6.0 (LGPL-3.0) is installed into a virtual environment of its own and run there as a
program; nothing of it is used otherwise. It gets the very weights, biases, shifts and clamps of the
file, its answers are compared with Y on all of X by its own emulation, and its delay limit is
raised until its pipeline has as many stages as asked or fewer. Yosys then runs ``synth_xilinx
-family xcup -flatten -noiopad -noclkbuf``; LUT1 to LUT6 are summed. Adds an entry to
benchmarks/results/peers-da4ml.json.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

VERSION = "0.6.0"
RESULTS = Path(__file__).parents[1] / "results" / "peers-da4ml.json"
CUTOFFS = [4 + step / 2 for step in range(60)]

WORKER = r"""
import json, sys, time
import numpy as np
from da4ml.codegen import VerilogModel
from da4ml.trace import FixedVariableArray, HWConfig, comb_trace, to_pipeline

source, out, stages = sys.argv[1], sys.argv[2], int(sys.argv[3])
cutoffs = json.loads(sys.argv[4])
data, started = np.load(source), time.process_time()
inputs = len(data["W0"])
ones = np.ones(inputs, int)
h = x = FixedVariableArray.from_kif(ones, 7 * ones, 0 * ones, hwconf=HWConfig(1, -1, -1))
layers = sum(name.startswith("W") for name in data.files)
for i in range(layers):
    h = h @ data[f"W{i}"].astype(np.float64) + data[f"B{i}"].astype(np.float64)
    if i < layers - 1:
        h = h * 2.0 ** -int(data["S"][i])
        kif = [np.full(h.shape, n) for n in (0, 6, 0)]
        h = h.quantize(*kif, overflow_mode="SAT", round_mode="RND")
comb = comb_trace(x, h)
for cutoff in cutoffs:
    pipeline = to_pipeline(comb, cutoff, verbose=False)
    if len(pipeline.solutions) <= stages:
        break
VerilogModel(pipeline, "da", out).write()
seconds = time.process_time() - started
equal = np.array_equal(comb.predict(data["X"].astype(np.float64)), data["Y"])
found = {"equal": bool(equal), "cost_estimate": float(comb.cost), "cutoff": cutoff}
print(json.dumps(found | {"stages": len(pipeline.solutions), "cpu_seconds": round(seconds, 1)}))
"""

YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.argv[1:]:
    libyosys.run_pass(command, design)
"""


def installed(venv: Path) -> Path:
    """Python of the environment that has da4ml."""
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", f"da4ml=={VERSION}"], check=True)
    return python


def measured(source: Path, stages: int, venv: Path) -> dict[str, Any]:
    """Generate, compare, synthesise."""
    with tempfile.TemporaryDirectory() as away:
        project = Path(away) / "da"
        given = [str(source.resolve()), str(project), str(stages), json.dumps(CUTOFFS)]
        said = subprocess.run(
            [str(installed(venv)), "-c", WORKER, *given], check=True, capture_output=True, text=True
        ).stdout
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        if not found["equal"]:
            raise SystemExit("da4ml's network is not what Y says")
        # Tables and the wrapper with pins are not part of the core.
        files = sorted((project / "src").glob("da*.v")) + sorted(
            (project / "src/static").glob("*.v")
        )
        names = " ".join(str(f) for f in files if "wrapper" not in f.name)
        report = Path(away) / "cells.json"
        passes = [
            f"read_verilog -defer -sv {names}",
            "synth_xilinx -family xcup -flatten -noiopad -noclkbuf -top da",
            f"tee -q -o {report} stat -json",
        ]
        subprocess.run(
            [sys.executable, "-c", YOSYS, *passes], check=True, stdout=subprocess.DEVNULL
        )
        cells = json.loads(report.read_text("utf-8"))["design"]["num_cells_by_type"]
    return {**found, "version": VERSION, **counted(cells)}


def counted(cells: dict[str, int]) -> dict[str, int]:
    """Cells by kind."""
    lut = sum(n for kind, n in cells.items() if re.fullmatch(r"LUT\d", kind))
    kinds = {"ff": "FD", "carry": "CARRY", "inverters": "INV", "lut_memory": "SRL", "dsp": "DSP"}
    return {
        "lut": lut,
        **{name: sum(n for k, n in cells.items() if k.startswith(v)) for name, v in kinds.items()},
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="workload, an .npz file")
    parser.add_argument("--stages", type=int, default=7, help="most stages of its pipeline")
    default = Path(tempfile.gettempdir()) / "gatesmith-peers" / "da4ml"
    parser.add_argument("--venv", type=Path, default=default, help="where da4ml is installed")
    asked = parser.parse_args()
    started = time.monotonic()
    entry = measured(asked.source, asked.stages, asked.venv)
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    found[asked.source.stem] = entry
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
    print(json.dumps(entry, indent=1), f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
