"""hls4ml in a process of its own: output captured, time limited, results cached by content."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gatesmith
from gatesmith.errors import UserError
from gatesmith.hls4ml_bridge.layers import Layer, load
from gatesmith.hls4ml_bridge.settings import Settings
from gatesmith.templates.tb import cache
from gatesmith.templates.tb.toolchain import die_with_parent

KEEP = 24
"""Compiled projects in the cache; the longest unused go first."""

LAST_LINES = 12
SOURCES = ("worker.py", "precision.py", "evaluate.py", "fixed.py", "layers.py")
_DOING = {
    "import": "hls4ml cannot be imported",
    "convert": "hls4ml cannot convert the network",
    "types": "hls4ml cannot convert the network",
    "write": "hls4ml cannot write the project",
    "compile": "g++ cannot compile hls4ml's project",
    "simulate": "hls4ml's C simulation failed",
}


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """What hls4ml made of the network.

    Attributes:
        layers: Its layers with the types that they were given.
        places: By name of a node that was handed over the layer that gives its value.
        outputs: Layers that give the outputs.
        trace: By name of a layer its values, (frames, *shape), float64; None: not simulated.
        results: Each output as the simulation returned it.
        seconds: ``compile`` and ``simulate``.
    """

    layers: list[Layer]
    places: Mapping[str, str | None]
    outputs: list[str]
    trace: Mapping[str, NDArray[np.float64]] | None
    results: list[NDArray[np.float64]]
    seconds: Mapping[str, float]


def run(
    job: Mapping[str, Any],
    model: bytes,
    frames: NDArray[np.float64] | None,
    folder: Path,
    settings: Settings,
) -> Ran:
    """Convert, write the project to ``folder/project``, and simulate ``frames``.

    Args:
        job: What the worker needs beside files (worker.py).
        model: The QONNX file.
        frames: Input of the network, or None.
        folder: Empty; the worker's.
        settings: Options.

    Errors: ``hls.failed``, ``hls.time``, ``hls.no-cache``.
    """
    (folder / "model.onnx").write_bytes(model)
    key = _key(model, job)
    given = None
    if frames is not None:
        twice = np.concatenate([frames, frames]) if len(frames) == 1 else frames
        given = folder / "frames.npz"
        np.savez(given, x=twice)
    whole = {
        **job,
        "model": str(folder / "model.onnx"),
        "key": key,
        "cache": str(_cache(key)),
        "frames": None if given is None else str(given),
    }
    (folder / "job.json").write_text(json.dumps(whole))
    _worker(folder, settings)
    places = json.loads((folder / "places.json").read_text())
    if frames is None:
        return Ran(load(folder), places["quants"], places["outputs"], None, [], {})
    with np.load(folder / "trace.npz") as stored:
        arrays = {name: stored[name][: len(frames)] for name in stored.files}
    trace = {n.removeprefix("layer:"): a for n, a in arrays.items() if n.startswith("layer:")}
    results = [a for n, a in arrays.items() if n.startswith("output:")]
    seconds = json.loads((folder / "times.json").read_text())
    return Ran(load(folder), places["quants"], places["outputs"], trace, results, seconds)


def _key(model: bytes, job: Mapping[str, Any]) -> str:
    """Names what the compiled project is made from."""
    digest = hashlib.sha256(model)
    asked = {name: job[name] for name in sorted(job) if name != "out"}
    for part in (json.dumps(asked), importlib.metadata.version("hls4ml"), gatesmith.__version__):
        digest.update(part.encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


def _cache(key: str) -> Path:
    """Where the compiled project of a key is; the longest unused go."""
    home = cache.folder("hls4ml")
    try:
        home.mkdir(parents=True, exist_ok=True)
        place = home / key[:32]
        done = place.with_suffix(".txt")
        if done.is_file():
            os.utime(done)
        marks = sorted(home.glob("*.txt"), key=lambda p: p.stat().st_mtime)
        for old in marks[:-KEEP]:
            old.unlink(missing_ok=True)
            for folder in home.glob(f"{old.stem}.*"):
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise UserError(
            "hls.no-cache",
            "the cache of compiled projects cannot be written",
            where=str(home),
            why=str(error),
            fix=("name a folder that can be written: GATESMITH_CACHE=DIR",),
        ) from error
    return place


def _worker(folder: Path, settings: Settings) -> None:
    log = folder / "log.txt"
    package = str(Path(gatesmith.__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "gatesmith.hls4ml_bridge.worker", str(folder / "job.json")]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - no threads here
        )
        try:
            code = process.wait(settings.timeout)
        except subprocess.TimeoutExpired as error:
            _stop(process)
            raise UserError(
                "hls.time",
                f"hls4ml and g++ took more than {settings.timeout:g} seconds",
                where=f"--timeout {settings.timeout:g}",
                why="a large network that is unrolled is a large C++ function",
                fix=("raise --timeout", "take the streaming form: --io stream"),
            ) from error
        except BaseException:
            _stop(process)
            raise
    if code:
        raise _failed(folder, code, log.read_text(errors="replace"), settings)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The worker and the compilers that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(folder: Path, code: int, log: str, settings: Settings) -> UserError:
    said = {"phase": "simulate", "type": f"exit code {code}", "message": ""}
    if (folder / "error.json").is_file():
        said = json.loads((folder / "error.json").read_text())
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    wanted = (" error: ",) if said["phase"] == "compile" else ("Failed to", "ERROR")
    hints = [line for line in lines if any(text in line for text in wanted)]
    message = " ".join(said["message"].split()) or (lines[-1] if lines else "no message")
    why = f"{said['type']}: {message[:300]}"
    if hints:
        why += f" ({hints[0].rpartition('Warning: ')[2][:200]})"
    fix = ["try another --backend or --io"]
    if settings.form == "real":
        fix.insert(0, "hand over the integers: --form codes")
    return UserError(
        "hls.failed",
        _DOING.get(said["phase"], "hls4ml failed"),
        where=f"--backend {settings.vendor} --io {settings.io} --form {settings.form}",
        why=why,
        fix=tuple(fix),
    )
