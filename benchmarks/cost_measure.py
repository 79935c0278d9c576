"""What Yosys makes of stages and of whole designs, kept by content (gatesmith/synthesis/store.py).

All stages of a list go through one run, each a module of its own that is not flattened into the
others (``keep_hierarchy``): a run of its own for each costs six seconds of start.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gatesmith.codegen import top
from gatesmith.codegen.design import Design
from gatesmith.codegen.stream import Stage
from gatesmith.rtl_tests import bench
from gatesmith.synthesis import store
from gatesmith.synthesis.counts import count
from gatesmith.synthesis.devices import device
from gatesmith.synthesis.rtlil import Rtlil
from gatesmith.synthesis.yosys import find_yosys

_MODULE = re.compile(r"^module (\S+)$", re.MULTILINE)
TB = "tb"


def stages(found: Sequence[Stage], name: str = "xcup") -> dict[str, dict[str, int]]:
    """Figures of each stage by its name, as :func:`figures` has them."""
    rtlil = _elaborate(bench.texts(found), TB)
    inside = rtlil.instances("\\" + TB)
    module_of = {stage.name: inside[f"u_{stage.name}"] for stage in found}
    kept = set(module_of.values())
    text = _MODULE.sub(
        lambda m: "attribute \\keep_hierarchy 1\n" * (m[1] in kept) + m[0],
        rtlil.alone("\\" + TB),
    )
    cells = _cells(text, TB, name)["modules"]
    return {key: figures(cells[module], name) for key, module in module_of.items()}


def whole(design: Design, name: str = "xcup") -> dict[str, int]:
    """Figures of a whole design, flattened."""
    text = dict(top.files(design.stages)) | {f"{design.name}.sv": top.render_top(design)}
    rtlil = _elaborate(text, design.name)
    return figures(_cells(rtlil.alone("\\" + design.name), design.name, name)["design"], name)


def figures(module: Mapping[str, Any], name: str) -> dict[str, int]:
    """LUTs of logic (``logic``) and as memory or shift register (``memory``), and the rest."""
    counts = count(module["num_cells_by_type"], device(name))
    assert not counts.other, counts.other
    big = (counts.bram_kbits - 18 * counts.bram) // 18
    return {
        "logic": counts.lut,
        "memory": counts.lut_memory,
        "ff": counts.ff,
        "carry": counts.carry,
        "dsp": counts.dsp,
        "ramb18": counts.bram - big,
        "ramb36": big,
    }


def _elaborate(files: Mapping[str, str], module: str) -> Rtlil:
    """The design in Yosys' own form."""
    with tempfile.TemporaryDirectory() as away:
        for file, text in files.items():
            (Path(away) / file).write_text(text, "utf-8")
        sources = " ".join(sorted(file for file in files if file.endswith(".sv")))
        passes = [
            f"read_verilog -sv -defer {sources}",
            f"hierarchy -check -top {module}",
            "setattr -unset src",
            "write_rtlil design.il",
        ]
        find_yosys().run(passes, Path(away))
        return Rtlil((Path(away) / "design.il").read_text("utf-8"))


def _cells(text: str, module: str, name: str) -> dict[str, Any]:
    """``stat`` of the synthesised text."""
    yosys = find_yosys()
    passes = [
        "read_rtlil design.il",
        f"{device(name).yosys} -top {module}",
        "tee -q -o cells.json stat -json",
    ]

    def make(work: Path) -> None:
        (work / "design.il").write_text(text, "utf-8")
        yosys.run(passes, work)
        (work / "design.il").unlink()

    folder = store.kept(store.digest(str(yosys), *passes, text), make)
    found: dict[str, Any] = json.loads((folder / "cells.json").read_text("utf-8"))
    return found
