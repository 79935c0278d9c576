"""The drivers of a build with registers: ip/drivers, by path in the build folder.

core.json           what the core is, for gs_core.py: ports, numbers, registers, memories
gs_core.py, gs_numbers.py, gs_uio.py      Python driver, with Linux UIO
gs_pynq.py          the same in a PYNQ overlay
TOP_registers.h     offsets, masks and shifts
gs_core.h, .c       C driver, bare metal
TOP.h, TOP.c        what it has to know of this core
gs_uio.h, .c        Linux UIO
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gatesmith import __version__
from gatesmith.codegen.ip.core import LIBRARY, VENDOR, VERSION
from gatesmith.codegen.registers.c_driver import c_files
from gatesmith.codegen.registers.described import header, rdl, table
from gatesmith.codegen.registers.fields import RegisterMap
from gatesmith.codegen.render import plain, render
from gatesmith.host_side import quantizer_json
from gatesmith.ir import Graph

FOLDER = "ip/drivers"
PLAIN = (
    "gs_core.py",
    "gs_numbers.py",
    "gs_uio.py",
    "gs_core.h",
    "gs_core.c",
    "gs_uio.h",
    "gs_uio.c",
)


def driver_files(build: Mapping[str, Any], registers: RegisterMap, real: Graph) -> dict[str, str]:
    """Text of each file; also ip/TOP.rdl and ip/registers.md.

    Args:
        build: Content of build.json, with ``registers``.
        registers: The map.
        real: The graph that the model means.
    """
    top, module = str(build["top"]), str(build["registers"]["module"])
    vlnv = f"{VENDOR}:{LIBRARY}:{module}:{VERSION}"
    inputs = [entry | {"quantizer": quantizer_json(real, entry)} for entry in build["inputs"]]
    ends = {"inputs": inputs, "outputs": list(build["outputs"])}
    told = {
        "gatesmith": __version__,
        "name": top,
        "model": build["model"],
        "interval": build["interval"],
        "latency": build["latency"],
        **ends,
        "registers": build["registers"],
    }
    files = {
        "core.json": json.dumps(told, indent=1) + "\n",
        "gs_pynq.py": render("drivers/gs_pynq.py.j2", vlnv=vlnv),
        f"{top}_registers.h": header(registers, top),
        **c_files(build, ends),
        **{name: plain(f"drivers/{name}") for name in PLAIN},
    }
    return {
        f"ip/{top}.rdl": rdl(registers, top),
        "ip/registers.md": table(registers, top),
        **{f"{FOLDER}/{name}": text for name, text in files.items()},
    }
