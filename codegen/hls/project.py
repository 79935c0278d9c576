"""The hls/ folder of a build: everything for Vitis HLS, Vivado HLS, and C simulation with g++.

TOP.h, TOP.cpp          the top function, the constants of each stage
TOP_tb.cpp              test bench over ../vectors
weights/STAGE.h         memories
gs/*.h                  the library, as far as it is used
vitis_hls.tcl, vivado_hls.tcl, Makefile, README.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gatesmith.codegen.design import Design
from gatesmith.codegen.hls.top import Top, top_of
from gatesmith.codegen.render import plain, render

PART = "xc7z020clg400-1"
"""Device in the Tcl scripts; one that the free edition of the tools knows."""

CLOCK_NS = 5

_INCLUDE = re.compile(r'^#include "(\w+\.h)"$', re.MULTILINE)


def hls_files(design: Design, source: str = "") -> dict[str, str]:
    """Text of each file below hls/, by its path.

    Args:
        design: Stages and streams.
        source: What it was made from (ONNX file and its hash), for the headers.
    """
    hw = top_of(design, source)
    name = hw.name
    files = {
        f"{name}.h": render("hls/top.h.j2", hw=hw),
        f"{name}.cpp": render("hls/top.cpp.j2", hw=hw),
        f"{name}_tb.cpp": render("hls/tb.cpp.j2", hw=hw),
        "Makefile": render("hls/Makefile.j2", hw=hw),
        "README.md": render("hls/README.md.j2", hw=hw),
    }
    for tool in ("vitis_hls", "vivado_hls"):
        text = render(f"hls/{tool}.tcl.j2", hw=hw, part=PART, clock_ns=CLOCK_NS)
        files[f"{tool}.tcl"] = text
    for process in hw.with_roms:
        files[f"weights/{process.stage.name}.h"] = render("hls/rom.h.j2", process=process)
    return {**files, **_library(hw)}


def _library(hw: Top) -> Mapping[str, str]:
    """Headers that are used, with those that they include."""
    made = {p.kernel.header: p.kernel.text for p in hw.processes if p.kernel.text}
    left, found = ["bench.h", *hw.headers], {}
    while left:
        name = left.pop()
        if f"gs/{name}" not in found:
            text = made.get(name) or plain(f"hls/{name}")
            found[f"gs/{name}"] = text
            left += _INCLUDE.findall(text)
    return dict(sorted(found.items()))
