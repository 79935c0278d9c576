"""A Tcl interpreter in which the commands of a vendor's tool are recorded and do nothing.

It shows that a script is Tcl, that it calls nothing but commands that the tool has, and with which
words: the tool itself does not run. Commands that would reach beyond the script are errors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

VIVADO = (
    *("create_project", "add_files", "set_property", "get_files", "get_filesets", "create_clock"),
    *(
        "update_compile_order",
        "get_ports",
        "current_project",
        "current_fileset",
        "read_verilog",
        "read_mem",
        "read_xdc",
    ),
    *("ipx::package_project", "ipx::current_core", "ipx::infer_bus_interface"),
    *("ipx::associate_bus_interfaces", "ipx::add_bus_parameter", "ipx::get_bus_interfaces"),
    *("ipx::get_bus_parameters", "ipx::create_xgui_files", "ipx::update_checksums"),
    *("ipx::check_integrity", "ipx::save_core"),
)
QUARTUS = (
    *("project_new", "project_close", "export_assignments", "set_global_assignment"),
    *("set_instance_assignment", "create_clock", "get_ports"),
)
PLATFORM_DESIGNER = (
    *("set_module_property", "add_fileset", "set_fileset_property", "add_fileset_file"),
    *("add_interface", "add_interface_port", "set_interface_property"),
)
FORBIDDEN = ("exec", "open", "socket", "source", "exit", "load", "cd", "eval", "subst", "uplevel")


def run_script(
    script: Path,
    commands: Sequence[str],
    work: Path,
    packages: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[tuple[str, ...]]:
    """Words of every call of a tool's command, in order.

    Args:
        script: The file.
        commands: What the tool has.
        work: Folder to run in.
        packages: Names and versions of packages that the script asks for.
        environment: Variables that it looks at.
    """
    tkinter = pytest.importorskip("tkinter", reason="this Python has no Tcl")
    tcl = tkinter.Tcl()
    calls: list[tuple[str, ...]] = []

    def record(*words: str) -> str:
        calls.append(words)
        return "" if "-quiet" in words else f"<{' '.join(words)}>"  # -quiet: nothing was found

    refused: list[str] = []

    def refuse(*words: str) -> str:
        refused.append(" ".join(words))
        raise ValueError(words)

    before = Path.cwd()
    tcl.call("cd", str(work))
    try:
        for name in commands:
            if "::" in name:
                tcl.call("namespace", "eval", name.rpartition("::")[0], "")
            tcl.createcommand(f"gs {name}", lambda *words, name=name: record(name, *words))
            tcl.call("interp", "alias", "", name, "", f"gs {name}")
        for name, version in (packages or {}).items():
            tcl.call("package", "provide", name, version)
        for name, value in (environment or {}).items():
            tcl.call("set", f"env({name})", value)
        text = script.read_text("utf-8")
        assert tcl.call("info", "complete", text), f"{script.name} ends within a command"
        tcl.call("rename", "unknown", "")  # nothing is loaded by its name
        for name in FORBIDDEN:
            if tcl.call("info", "commands", name):
                tcl.call("rename", name, f"gs_{name}")
            tcl.createcommand(name, lambda *words, name=name: refuse(name, *words))
        tcl.call("info", "script", str(script))
        tcl.call("gs_eval", text)
    except tkinter.TclError:
        assert not refused, f"{script.name} calls {refused[0]}"
        raise
    finally:
        os.chdir(before)
    return calls


def values(calls: Sequence[tuple[str, ...]], *begin: str) -> list[str]:
    """Last word of each call that begins with these words."""
    return [call[-1] for call in calls if call[: len(begin)] == begin]
