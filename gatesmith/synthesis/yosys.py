"""Yosys in a process of its own: pyosys, or a ``yosys`` on PATH where that is newer."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gatesmith.errors import UserError
from gatesmith.synthesis.process import run

# It prints where Python cannot catch it, and an error ends the process.
YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.argv[1:]:
    libyosys.run_pass(command, design)
"""


@dataclass(frozen=True, slots=True)
class Yosys:
    """A Yosys.

    Attributes:
        version: As it says itself.
        program: None for pyosys.
    """

    version: str
    program: str | None = None

    def __str__(self) -> str:
        return f"Yosys {self.version}" + ("" if self.program is None else f" ({self.program})")

    def run(self, passes: Sequence[str], folder: Path, *, seconds: float | None = None) -> None:
        """Run passes in a folder. Errors: ``synth.failed``, ``synth.timeout``."""
        if self.program is None:
            command = [sys.executable, "-c", YOSYS, *passes]
        else:
            command = [self.program, "-p", "; ".join(passes)]
        run("Yosys", command, folder, seconds)


def find_yosys() -> Yosys:
    """The newest there is. Errors: ``synth.no-yosys``."""
    found: list[Yosys] = []
    if importlib.util.find_spec("pyosys") is not None:
        found.append(Yosys(importlib.metadata.version("pyosys")))
    program = shutil.which("yosys")
    if program is not None:
        said = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"Yosys (\d+\.\d+\S*)", said)
        found += [Yosys(version[1], program)] if version else []
    if not found:
        raise UserError(
            "synth.no-yosys",
            "there is no Yosys",
            where="gatesmith synth",
            why="the package pyosys is not installed, and no yosys is on PATH",
            fix=("pip install 'gatesmith[synth]'",),
        )
    return max(found, key=lambda yosys: release(yosys.version))


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, to compare.

    >>> release("0.70") < release("0.101+12")
    True
    """
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
