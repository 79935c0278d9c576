"""What generated SystemVerilog costs: cells of a netlist that Yosys made, for 6-input LUTs.

The steps of ``synth_xilinx`` up to the mapping of LUTs, without DSP blocks, block RAM left as it
is; the LUTs are mapped by ``abc -lut 6``, which takes a tenth of the time of synth_xilinx' own
abc9. Of an unrolled layer of 802 digits that found 3,805 LUTs, abc9 3,691 and 45 inverters.
Synthesis only: nothing is placed, and vendors' tools find other numbers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from gatesmith.codegen.cost import Cost
from gatesmith.synthesis.yosys import YOSYS
from gatesmith.templates.tb import toolchain

FLOW = (
    "synth_xilinx -family xcup -flatten -noiopad -noclkbuf -nodsp -nosrl -run begin:map_luts",
    "opt_expr -mux_undef",
    "abc -lut 6",
    "clean",
)
"""Yosys' passes, of which the first is told the top module."""

WHOLE = ("synth_xilinx -family xcup -flatten -noiopad -noclkbuf -nodsp",)
"""All of synth_xilinx: its abc9 knows carry chains, and merges functions into their LUTs."""


def measure(files: Mapping[str, str], top: str, flow: Sequence[str] = FLOW) -> Cost:
    """LUTs and flip-flops of module ``top`` by FLOW or WHOLE; needs the package pyosys."""
    with tempfile.TemporaryDirectory() as away:
        for name, text in files.items():
            (Path(away) / name).write_text(text, "utf-8")
        sources = " ".join(sorted(name for name in files if name.endswith(".sv")))
        synth, *rest = flow
        passes = [f"read_verilog -sv {sources}", f"{synth} -top {top}", *rest]
        done = subprocess.run(
            [sys.executable, "-c", YOSYS, *passes, "tee -q -o cells.json stat -json"],
            cwd=away,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=toolchain.die_with_parent,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        found = json.loads((Path(away) / "cells.json").read_text("utf-8"))
    cells: dict[str, int] = found["design"]["num_cells_by_type"]
    luts = [*_of(cells, "$lut"), *_of(cells, "LUT")]
    return Cost(lut=sum(luts), ff=sum(_of(cells, "FD")))


def _of(cells: Mapping[str, int], prefix: str) -> list[int]:
    return [count for kind, count in cells.items() if kind.startswith(prefix)]
