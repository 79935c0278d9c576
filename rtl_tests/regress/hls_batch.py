"""The HLS C++ of many cores in one program: compiled together, run one by one.

The headers of the integer types take longer to read than most cores take to compile, so that the
cores of a batch are one unit, each in a namespace of its own (templates/regress/csim.cpp.j2). The
bench of each is the one that its build carries. With ``ap_int`` all arithmetic is in ap_int, as
synthesis sees it; else in the machine's integers.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatesmith.codegen.render import render
from gatesmith.rtl_tests.csim import find_headers
from gatesmith.rtl_tests.regress.case import Case
from gatesmith.rtl_tests.regress.rtl_batch import (
    HEADER,
    LONGEST,
    ToolError,
    call,
    kept,
    precompile,
)
from gatesmith.templates.tb import toolchain

TYPES = {"fast": ("-O0", "-DGS_CHUNKS"), "ap_int": ("-O0", "-DGS_AP_INT")}
HEADERS = ("ap_int.h", "hls_stream.h", "cstdio", "cstdlib", "cstring", "string", "vector")
"""Precompiled."""


def build_hls(cases: Sequence[Case], work: Path, types: str) -> Path:
    """The program. Errors: ToolError, for the batch as a whole."""
    folder = work / "csim"
    (folder / "gs").mkdir(parents=True)
    for case in cases:
        for header in (case.folder / "hls" / "gs").glob("*.h"):
            target = folder / "gs" / header.name
            if not target.exists():
                shutil.copyfile(header, target)
            elif target.read_bytes() != header.read_bytes():
                raise ToolError(f"gs/{header.name} differs from core to core")
    cores = [_core(case) for case in cases]
    headers = sorted(path.name for path in (folder / "gs").glob("*.h"))
    (folder / "csim.cpp").write_text(
        render("regress/csim.cpp.j2", cores=cores, headers=headers), "utf-8"
    )
    flags = ["-std=c++14", "-w", *TYPES[types], "-isystem", str(find_headers())]
    flags.append("-DAP_INT_MAX_W=32768")  # as gs/types.h has it: ap_int.h comes first here
    base = kept(flags, lambda made: precompile(HEADERS, flags, made)) / HEADER
    command = [toolchain.find_compiler(), *flags, "-include", str(base), "-I."]
    command += ["csim.cpp", "-o", "csim"]
    call(command, folder, "the C++ compiler of HLS")
    return folder / "csim"


def _core(case: Case) -> dict[str, Any]:
    folder = case.folder / "hls"
    guards = [
        found[1]
        for path in sorted((folder / "weights").glob("*.h"))
        if (found := re.search(r"#ifndef (\w+)", path.read_text("utf-8")))
    ]
    return {"name": case.name, "folder": str(folder), "build": case.build, "guards": guards}


def run_hls(program: Path, case: Case, work: Path) -> dict[str, Any] | None:
    """The first difference of a core's C simulation; None if every beat is right."""
    found = work / "csim" / case.name
    found.mkdir()
    vectors = case.folder / "vectors"
    command = [str(program), case.name, str(vectors), "0", str(case.frames), str(found)]
    try:
        done = subprocess.run(
            command,
            cwd=found,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LONGEST,
            preexec_fn=toolchain.die_with_parent,
        )
    except subprocess.TimeoutExpired:
        return {"kind": "hls-hangs", "found": f"no end after {LONGEST} s"}
    said = done.stdout + done.stderr
    if done.returncode not in (0, 1):
        return {"kind": "hls-crash", "found": f"ended with {done.returncode}: {said[-500:]}"}
    for k, expected in enumerate(case.expected):
        beats = (found / f"found_{k}.bin").read_bytes()
        if beats != expected:
            frame = _first_frame(beats, expected, case.frames)
            return {"kind": "hls-data", "output": k, "frame": frame, "found": said[-500:]}
    warning = next((line for line in said.splitlines() if line.startswith("WARNING")), None)
    if done.returncode or warning:
        return {"kind": "hls-stream", "found": warning or said[-500:]}
    return None


def _first_frame(found: bytes, expected: bytes, frames: int) -> int:
    size = len(expected) // frames
    for frame in range(frames):
        part = slice(frame * size, (frame + 1) * size)
        if found[part] != expected[part]:
            return frame
    return frames
