"""What a reset reaches, read off the elaborated module.

Only what says that data is there (valid flags, counts, addresses) may be reset: a reset on a data
register costs routing, and hides that somebody reads data which nobody wrote. A data register is
one that a bit of an input's tdata can reach through logic, registers and memories. A decision that
comes on a stream of its own is control.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gatesmith.rtl_tests.formal.proof import FAILED, PROVEN, Proof, Verdict
from gatesmith.synthesis import process, store
from gatesmith.synthesis.yosys import YOSYS

RESET = ("$sdff", "$sdffe", "$sdffce", "$adff", "$adffe", "$aldff", "$aldffe", "$dffsr")
SETS = ("ALOAD", "SET", "CLR")
REGISTERS = ("$dff", "$sdff", "$adff", "$aldff", "$sr", "$mem")
PASSES = ("proc", "flatten", "opt_clean", "memory_collect", "opt_dff", "opt_clean")


def reset_verdict(proof: Proof, data: Iterable[str], version: str) -> Verdict:
    """Whether no register that ``data`` (inputs of the module) reaches is reset.

    Errors: ``synth.failed``, ``synth.no-cache``.
    """
    sources = [name for name in sorted(proof.files) if name.endswith(".sv")]
    chosen = [f"chparam -set {n} {v} {proof.module}" for n, v in sorted(proof.parameters.items())]
    passes = [
        f"read_verilog -sv {' '.join(sources)}",
        *chosen,
        f"hierarchy -check -top {proof.module}",
        *PASSES,
        "write_json netlist.json",
    ]
    texts = [text for name in sorted(proof.files) for text in (name, proof.files[name])]

    def make(work: Path) -> None:
        for name, text in proof.files.items():
            (work / name).write_text(text, "utf-8")
        process.run("Yosys", [sys.executable, "-c", YOSYS, *passes], work, None)

    folder = store.kept(store.digest("netlist", version, *passes, *texts), make, kind="prove")
    netlist = json.loads((folder / "netlist.json").read_text("utf-8"))
    (top,) = [m for m in netlist["modules"].values() if int(m["attributes"].get("top", "0"), 2)]
    reset = data_registers_reset(top, data)
    verdict = FAILED if reset else PROVEN
    return Verdict(
        proof.block, proof.instance, "reset_only_control", verdict, None, "netlist",
        ", ".join(reset) or None,
    )  # fmt: skip


def data_registers_reset(module: Mapping[str, Any], data: Iterable[str]) -> list[str]:
    """Names of the registers that a bit of ``data`` reaches and that have a reset.

    Args:
        module: Of Yosys' write_json.
        data: Names of inputs.
    """
    readers: dict[int, list[str]] = defaultdict(list)
    drives: dict[str, list[int]] = {}
    for name, cell in module["cells"].items():
        outs = cell["port_directions"]
        bits = cell["connections"].items()
        drives[name] = [b for port, every in bits if outs[port] == "output" for b in every]
        for port, every in bits:
            if outs[port] == "input" and not port.startswith(("CLK", "EN", "SRST", "ARST")):
                for bit in every:
                    readers[bit].append(name)
    waiting = [bit for name in data for bit in module["ports"][name]["bits"]]
    seen, reached = set(waiting), set()
    while waiting:
        for name in readers[waiting.pop()]:
            reached.add(name)
            fresh = [bit for bit in drives[name] if bit not in seen]
            seen.update(fresh)
            waiting += fresh
    wrong = {name for name in reached if _reset_by(module, name, "rst")}
    outputs = {bit for name in wrong for bit in drives[name]}
    return sorted(n for n, net in module["netnames"].items()
                  if not net["hide_name"] and outputs & set(net["bits"]))  # fmt: skip


def _reset_by(module: Mapping[str, Any], name: str, reset: str) -> bool:
    """Whether a register is reset by something that ``reset`` reaches through logic alone.

    Yosys also takes a choice between data and a constant for a reset, by whatever chooses.
    """
    cells = module["cells"]
    if cells[name]["type"] not in RESET:
        return False
    driver = {
        bit: cell
        for cell in cells.values()
        if not cell["type"].startswith(REGISTERS)
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for bit in bits
    }
    source = set(module["ports"][reset]["bits"])
    ports = cells[name]["connections"].items()
    waiting = [b for port, bits in ports if port.endswith("RST") or port in SETS for b in bits]
    seen = set(waiting)
    while waiting:
        bit = waiting.pop()
        if bit in source:
            return True
        cell = driver.get(bit)
        if cell is not None:
            ins = (
                other
                for port, bits in cell["connections"].items()
                if cell["port_directions"][port] == "input"
                for other in bits
            )
            fresh = [other for other in ins if other not in seen]
            seen.update(fresh)
            waiting += fresh
    return False
