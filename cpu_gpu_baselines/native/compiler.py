"""C++ to a shared library, cached by everything that decides what is in it."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from gatesmith.templates.tb import cache

HEADERS = ("lanes.h", "bits.h", "products.h", "ints.h", "groups.h", "pool.h")
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread", "-Wall", "-Wextra")
MACHINES = {
    "native": ("-march=native",),
    "avx2": ("-march=native", "-mno-avx512f"),
    "plain": (),
}
"""Instruction sets: all that the machine has; no wider than AVX2; those that every one has."""

PATIENCE = 300
"""Seconds."""

FIRST = """\
#include "bits.h"
#include "groups.h"
#include "ints.h"
#include "pool.h"
#include "products.h"
using namespace gs;

"""


class CannotCompile(Exception):  # noqa: N818 - it becomes the reason of a row
    """No compiler, or one that fails; the text says which, and what to do."""


@functools.cache
def find_compiler() -> str:
    """$CXX, g++ or clang++."""
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and (path := shutil.which(name)):
            return path
    raise CannotCompile("no C++ compiler: neither g++ nor clang++ is on PATH (apt-get install g++)")


@functools.cache
def compiler_version() -> str:
    """First line of --version."""
    said = subprocess.run(
        [find_compiler(), "--version"], capture_output=True, text=True, check=False
    )
    return (said.stdout.splitlines() or ["unknown"])[0]


@functools.cache
def processor() -> tuple[str, str]:
    """Model and flags of the processor, as the system tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        import platform

        return platform.processor() or platform.machine(), ""
    fields = dict(line.partition(":")[::2] for line in reversed(text.splitlines()) if ":" in line)
    known = {key.strip(): value.strip() for key, value in fields.items()}
    return known.get("model name", ""), known.get("flags", known.get("Features", ""))


def has_byte_products(machine: str) -> bool:
    """Whether four products of bytes are one instruction (AVX-512 VNNI)."""
    return machine == "native" and "avx512_vnni" in processor()[1].split()


def library(text: str, machine: str = "native") -> ctypes.CDLL:
    """Compile, or find in the cache, and load. Raises CannotCompile."""
    return ctypes.CDLL(str(build(text, machine)))


def build(text: str, machine: str = "native") -> Path:
    """The library; the name of its file is the hash of its content, compiler and processor."""
    flags = (*FLAGS, *MACHINES[machine])
    here = resources.files("gatesmith.cpu_gpu_baselines.native")
    headers = {name: here.joinpath(name).read_bytes() for name in HEADERS}
    compiler = find_compiler()
    parts = (compiler, compiler_version(), *processor(), *flags, text)
    key = cache.digest(*parts, *headers.values())
    home = cache.folder("native")
    ready = home / f"{key}.so"
    if ready.exists():
        return ready
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=home) as name:
            work = Path(name)
            for header, content in headers.items():
                (work / header).write_bytes(content)
            (work / "network.cpp").write_text(FIRST + text, "utf-8")
            _compile([compiler, *flags, "network.cpp", "-o", "network.so"], work)
            os.replace(work / "network.so", ready)
    except OSError as error:
        raise CannotCompile(
            f"cannot write the cache: {error} (set GATESMITH_CACHE to a folder that can be written)"
        ) from error
    return ready


def _compile(command: list[str], work: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=work, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise CannotCompile(f"{command[0]} did not finish in {PATIENCE} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        first = (said or done.stderr.splitlines() or ["no message"])[0]
        raise CannotCompile(f"{command[0]} fails: {first.strip()}")
