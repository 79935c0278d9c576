"""The files that make a build an IP core, by their path in the build folder.

ip/TOP.xml                  IP-XACT, IEEE 1685-2014
ip/component.xml            IP-XACT, IEEE 1685-2009 with Xilinx's extensions: Vivado's catalogue
ip/TOP_hw.tcl               component of Platform Designer
ip/vivado_project.tcl, vivado_package.tcl, quartus_project.tcl
ip/TOP.f                    file list
ip/TOP.sdc, TOP_ooc.xdc     clock
ip/datasheet.html, datasheet.md, timing.svg, README.md
TOP.core                    FuseSoC; at the root, since a core's files must lie below it

rtl/, tb/ and vectors/ are referred to, by relative paths: the folder as a whole can be moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatesmith.codegen.ip.core import Core, core_of
from gatesmith.codegen.ip.formats import Format, input_format, output_format
from gatesmith.codegen.ip.timing_svg import timing_svg
from gatesmith.codegen.render import render
from gatesmith.ir import Graph

EXAMPLE = 2
"""Frame of vectors/ that the data sheet shows: the first of random values (vectors.py)."""

SHORTEST = 12
"""Most stages that the data sheet lists one by one: it is one page."""


@dataclass(frozen=True, slots=True)
class File:
    """An entry of a file set.

    Attributes:
        path: From ip/.
        kind: File type in IP-XACT.
        user: Type of a file for which IP-XACT has none; ``kind`` is ``user`` then.
    """

    path: str
    kind: str
    user: str = ""


def ip_files(
    build: Mapping[str, Any],
    real: Graph,
    rtl: Mapping[str, str],
    vectors: Mapping[str, bytes],
    patience: Mapping[str, int],
) -> dict[str, str]:
    """Text of each file, by its path in the build folder.

    Args:
        build: Content of build.json.
        real: The graph that the model means.
        rtl: Files below rtl/.
        vectors: Files below vectors/: beats of the sample frames.
        patience: What the bench is told of the design (shards.patience).
    """
    frames = len(vectors["input_0.bin"]) // _frame_bytes(build["inputs"][0])
    core = core_of(build, rtl, frames, patience)
    sets = _file_sets(core)
    top = core.top
    context = {"core": core, **sets}
    files = {
        f"{top}.core": render("ip/fusesoc.core.j2", core=core),
        f"ip/{top}.xml": render("ip/ipxact_2014.xml.j2", **context),
        "ip/component.xml": render("ip/component.xml.j2", **context),
        f"ip/{top}_hw.tcl": render("ip/platform_designer_hw.tcl.j2", core=core),
        f"ip/{top}.f": render("ip/files.f.j2", core=core),
        f"ip/{top}.sdc": render("ip/core.sdc.j2", core=core),
        f"ip/{top}_ooc.xdc": render("ip/core_ooc.xdc.j2", core=core),
        "ip/timing.svg": timing_svg(core),
        "ip/README.md": render("ip/README.md.j2", core=core),
    }
    for script in ("vivado_project.tcl", "vivado_package.tcl", "quartus_project.tcl"):
        files[f"ip/{script}"] = render(f"ip/{script}.j2", core=core)
    sheet = {
        "core": core,
        "build": build,
        "formats": _formats(build, real, vectors),
        "stages": build["stages"][:SHORTEST],
        "more": max(0, len(build["stages"]) - SHORTEST),
    }
    svg = files["ip/timing.svg"].rstrip("\n")
    files["ip/datasheet.html"] = render("ip/datasheet.html.j2", svg=svg, **sheet)
    files["ip/datasheet.md"] = render("ip/datasheet.md.j2", **sheet)
    return files


def _formats(
    build: Mapping[str, Any], real: Graph, vectors: Mapping[str, bytes]
) -> tuple[Format, ...]:
    """Of every stream, with a frame of the samples as the example."""

    def sample(name: str, entry: Mapping[str, Any]) -> bytes:
        size = _frame_bytes(entry)
        return vectors[name][EXAMPLE * size : (EXAMPLE + 1) * size]

    return (
        *(
            input_format(entry, real, sample(f"input_{k}.bin", entry))
            for k, entry in enumerate(build["inputs"])
        ),
        *(
            output_format(entry, sample(f"expected_{k}.bin", entry))
            for k, entry in enumerate(build["outputs"])
        ),
    )


def _frame_bytes(entry: Mapping[str, Any]) -> int:
    return int(entry["beats"]) * int(entry["tdata_bits"]) // 8


def _file_sets(core: Core) -> dict[str, list[File]]:
    """What the two IP-XACT files list."""
    bench = [File(f"../tb/{name}", "systemVerilogSource") for name in ("tb.sv", "main.sv")]
    data = [f"input_{k}.bin" for k in range(len(core.inputs))]
    data += [f"expected_{k}.bin" for k in range(len(core.outputs))]
    xdc = File(f"{core.top}_ooc.xdc", "user", "xdc")
    return {
        "rtl_files": [File(f"../rtl/{name}", "systemVerilogSource") for name in core.sources],
        "memory_files": [File(f"../rtl/{name}", "user", "mem") for name in core.memories],
        "constraint_files": [File(f"{core.top}.sdc", "SDC"), xdc],
        "xdc_files": [xdc],
        "bench_files": [*bench, *(File(f"../vectors/{name}", "user", "data") for name in data)],
    }
