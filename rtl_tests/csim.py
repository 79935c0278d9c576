"""C simulation of a build's hls/ folder: compiled with g++ once for each content, run in shards.

The types of HLS come from open headers (Apache-2.0) that hls4ml carries along; hls4ml itself is not
imported. The program is the test bench of the build, TOP_tb.cpp: it reads the same files as the
bench of the RTL and writes the beats that come out.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from gatesmith.errors import UserError
from gatesmith.rtl_tests.simulator import user_errors
from gatesmith.templates.tb import cache, toolchain

HEADERS = Path("templates") / "vivado" / "ap_types"
"""Where hls4ml keeps ap_int.h and hls_stream.h."""

FLAGS = ("-std=c++14", "-w")
TYPES = {
    "fast": ("-O2", "-DGS_CHUNKS"),
    "ap_int": ("-O1", "-DGS_AP_INT"),
    "tap": ("-O1", "-DGS_CHUNKS", "-DGS_TAP"),
}
"""How it is compiled: for whole data sets; all arithmetic in ap_int, as synthesis sees it; with
taps on every stream."""

KEEP = 64
"""Programs in the cache; the longest unused go first."""

FEW = 16
"""Frames for which a process of its own costs more than it saves."""

MOST_TEXT = 1 << 16
"""Characters of a program's output that are looked at."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a shard left.

    Attributes:
        folder: Of found_K.bin, and of tap_WIRE.bin.
        first: Its first frame in the files.
        frames: How many it ran.
        equal: Whether the bench itself found every beat right.
        warning: What the stream library complained about first, else nothing.
    """

    folder: Path
    first: int
    frames: int
    equal: bool
    warning: str


def find_headers() -> Path:
    """Folder of ap_int.h: $GATESMITH_AP_TYPES, or hls4ml's. Errors: ``verify.no-ap-types``."""
    given = os.environ.get("GATESMITH_AP_TYPES")
    if given:
        folder, where = Path(given), "GATESMITH_AP_TYPES"
        why = f"there is no ap_int.h in {given}"
    else:
        spec = importlib.util.find_spec("hls4ml")
        places = list(spec.submodule_search_locations or ()) if spec else []
        folder, where = Path(places[0] if places else ".") / HEADERS, "this Python environment"
        why = "hls4ml, which carries ap_int.h and hls_stream.h along, is not installed"
        if places:
            why = f"this hls4ml has no {HEADERS / 'ap_int.h'}"
    if (folder / "ap_int.h").is_file() and (folder / "hls_stream.h").is_file():
        return folder.resolve()
    raise UserError(
        "verify.no-ap-types",
        "the types of HLS are missing, so its C++ cannot be compiled",
        where=where,
        why=why,
        fix=(
            "pip install 'gatesmith[hls]'",
            "set GATESMITH_AP_TYPES to a folder with ap_int.h and hls_stream.h",
        ),
    )


def build_csim(directory: Path, types: str = "fast") -> Path:
    """Program of the test bench in ``directory``/hls.

    Args:
        directory: Build folder.
        types: One of :data:`TYPES`.

    Errors: ``verify.no-hls``, ``verify.no-ap-types``, ``verify.no-compiler``, ``verify.no-cache``,
    ``verify.hls-failed``.
    """
    sources = _sources(directory)
    headers = find_headers()
    with user_errors(directory):
        compiler = toolchain.find_compiler()
        flags = [*FLAGS, *TYPES[types], "-isystem", str(headers)]
        said = toolchain.said([compiler, "--version"])
        key = cache.digest(said, *flags, *_contents(headers, "*.h"), *sources)

        def make(ready: Path) -> None:
            with tempfile.TemporaryDirectory(dir=ready) as work:
                _compile(compiler, flags, directory, Path(work))
                os.replace(Path(work) / "csim", ready / "csim")

        return toolchain.kept(cache.folder("hls"), key, make, KEEP) / "csim"


def run_csim(program: Path, vectors: Path, first: int, frames: int, work: Path) -> list[Ran]:
    """Frames of ``vectors`` through the program, as many processes as there are processors.

    Args:
        program: Of :func:`build_csim`.
        vectors: Folder of input_K.bin and expected_K.bin.
        first: First frame.
        frames: How many.
        work: Gets a folder for each process.

    Errors: ``verify.hls-failed``.
    """
    count = max(1, min(os.cpu_count() or 1, frames // FEW))
    edges = [first + frames * k // count for k in range(count + 1)]
    with ThreadPoolExecutor(count) as pool:
        jobs = [
            pool.submit(_run, program, vectors, start, end - start, work / f"hls{start}")
            for start, end in pairwise(edges)
        ]
        return [job.result() for job in jobs]


def _run(program: Path, vectors: Path, first: int, frames: int, folder: Path) -> Ran:
    folder.mkdir(parents=True)
    command = [str(program), str(vectors), str(first), str(frames), str(folder)]
    with (folder / "log.txt").open("wb") as log:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            preexec_fn=toolchain.die_with_parent,
        )
    with (folder / "log.txt").open(encoding="utf-8", errors="replace") as log_file:
        text = log_file.read(MOST_TEXT)
    if done.returncode not in (0, 1):
        code = done.returncode
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        raise _failed("the C simulation stopped before its verdict", f"it {ended}:\n{_tail(text)}")
    lines = [line for line in text.splitlines() if line.startswith("WARNING")]
    return Ran(folder, first, frames, done.returncode == 0, lines[0] if lines else "")


def _sources(directory: Path) -> list[bytes]:
    """Names and contents of the C++ files. Errors: ``verify.no-hls``."""
    folder = directory / "hls"
    if not list(folder.glob("*_tb.cpp")):
        raise UserError(
            "verify.no-hls",
            "the build has no HLS project",
            where=str(directory),
            why=f"there is no test bench in {folder}; builds of older versions have none",
            fix=("run gatesmith build again",),
        )
    return [part for pattern in ("*.cpp", "*.h") for part in _contents(folder, pattern)]


def _contents(folder: Path, pattern: str) -> list[bytes]:
    found = sorted(path for path in folder.rglob(pattern))
    return [
        part
        for path in found
        for part in (path.relative_to(folder).as_posix().encode(), path.read_bytes())
    ]


def _compile(compiler: str, flags: Sequence[str], directory: Path, work: Path) -> None:
    """Each unit in a process of its own, then link."""
    units = sorted((directory / "hls").glob("*.cpp"))
    objects = [work / f"{unit.stem}.o" for unit in units]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [
            pool.submit(_command, [compiler, *flags, "-c", str(unit.resolve()), "-o", str(target)])
            for unit, target in zip(units, objects, strict=True)
        ]
        for job in jobs:
            job.result()
    _command([compiler, *map(str, objects), "-o", str(work / "csim")])


def _command(command: Sequence[str]) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        preexec_fn=toolchain.die_with_parent,
    )
    if done.returncode:
        code = done.returncode
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        why = f"{Path(command[0]).name} {ended}:\n{_tail(done.stderr)}"
        raise _failed("the HLS C++ does not compile", why)


def _failed(what: str, why: str) -> toolchain.ToolError:
    fix = ("if hls/ is as gatesmith wrote it, report this with build.json",)
    return toolchain.ToolError("verify.hls-failed", what, why, fix)


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-20:])
