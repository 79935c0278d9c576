"""Projects for Vivado and Quartus: out-of-context synthesis of a core, for those who have them.

No vendor tool was run on these scripts. They are written to DIR/synth/TOOL/: a Tcl script that
finds the RTL beside it, and constraints with the clock. The reports that they make are read back by
vendor_reports.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from gatesmith.codegen.render import render
from gatesmith.errors import UserError
from gatesmith.synthesis.given import Given

CONSTRAINTS = {"vivado": "xdc", "quartus": "sdc"}
"""Tools, and how files of constraints are called there."""

EXAMPLES = {"vivado": "xczu7ev-ffvc1156-2-e", "quartus": "5CSEBA6U23I7"}


@dataclass(frozen=True, slots=True)
class Project:
    """What the templates are given under the name ``vendor``.

    Attributes:
        top: Module.
        part: Full name of the device, as the tool knows it.
        mhz: Clock.
        sources: Files of rtl/, in the order in which they are read.
        memories: Contents of memories there.
        ports: Of the top module, without the clock.
    """

    top: str
    part: str
    mhz: float
    sources: tuple[str, ...]
    memories: tuple[str, ...]
    ports: tuple[str, ...]

    @property
    def freq(self) -> str:
        """The clock in MHz."""
        return f"{self.mhz:g}"

    @property
    def period(self) -> str:
        """The clock's period in ns, rounded down to a picosecond."""
        picoseconds = int(Fraction(1_000_000) / Fraction(self.mhz))
        return f"{picoseconds // 1000}.{picoseconds % 1000:03d}"


def project(build: Given, part: str, mhz: float) -> Project:
    """The project of a build."""
    ports = ["aresetn", "frame_error"]
    for side in ("inputs", "outputs"):
        for port in build.content[side]:
            # A bus is assigned by its name and all its bits.
            names = ("tdata[*]", "tvalid", "tready", "tlast")
            ports += [f"{port['prefix']}_{name}" for name in names]
    memories = sorted(path.name for path in (build.folder / "rtl").glob("*.mem"))
    return Project(build.top, part, mhz, build.sources, tuple(memories), tuple(ports))


def write_project(build: Given, tool: str, part: str | None, mhz: float) -> list[Path]:
    """Write the script and the constraints; returns the files.

    Errors: ``cli.bad-value`` for an unknown tool, ``cli.missing-option`` without a part.
    """
    if tool not in CONSTRAINTS:
        raise UserError(
            "cli.bad-value",
            f'there is no script for "{tool}"',
            where=f"--write-tcl {tool}",
            why=f"known are {', '.join(CONSTRAINTS)}",
            fix=("take one of these",),
        )
    if part is None:
        raise UserError(
            "cli.missing-option",
            "--write-tcl needs the part",
            where=f"--write-tcl {tool}",
            why="the tool has to know for which device",
            fix=(f"add its full name, such as --part {EXAMPLES[tool]}",),
        )
    if not re.fullmatch(r"[\w.-]+", part, re.ASCII):
        raise UserError(
            "cli.bad-value",
            f'"{part}" is no name of a part',
            where=f"--part {part}",
            why="names of parts are letters, digits, - and .",
            fix=(f"give the full name, such as {EXAMPLES[tool]}",),
        )
    made = project(build, part, mhz)
    folder = build.folder / "synth" / tool
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for suffix in ("tcl", CONSTRAINTS[tool]):
        path = folder / f"{build.top}.{suffix}"
        text = render(f"synth/{tool}.{suffix}.j2", vendor=made)
        path.write_text(text, "utf-8", newline="\n")
        paths.append(path)
    return paths
