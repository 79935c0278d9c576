"""The machine and the versions that figures were measured with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from typing import Any

from gatesmith import __version__
from gatesmith.cpu_gpu_baselines.native.compiler import (
    CannotCompile,
    compiler_version,
    processor,
)

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "torch", "triton")
FLAGS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512bw",
    "avx512_vnni",
    "avx512_vpopcntdq",
    "amx_int8",
    "asimd",
)


def machine() -> dict[str, Any]:
    """Processor, GPU, cores, load, and versions of what computes."""
    model, flags = processor()
    there = set(flags.split())
    try:
        compiler: str | None = compiler_version()
    except CannotCompile:
        compiler = None
    return {
        "cpu": model,
        "cpu_flags": [flag for flag in FLAGS if flag in there],
        "cores": len(os.sched_getaffinity(0)),
        "gpu": gpu(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 2),
        "gatesmith": __version__,
        "python": platform.python_version(),
        "compiler": compiler,
        **{name: _version(name) for name in PACKAGES},
    }


def gpu() -> str | None:
    """Name of the first GPU, as nvidia-smi tells it; None where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().splitlines()[0] if not done.returncode and done.stdout else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
