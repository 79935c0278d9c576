"""Builds that are ended at a chosen step: after so many files, folders, renames and removals.

    python -m gatesmith.rtl_tests.fuzz.killed MODEL OUT SIGNAL SEED POINTS [OPTION ...]

Builds twice, with and without ``--cycles 64``, for the two contents that OUT may have. Then, time
and again, a forked process builds the one that is not there over the one that is, and gets the
signal at some step. Prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatesmith.cli import main

OPTIONS = ((), ("--cycles", "64"))
CLOSE = 24
"""Steps before the end that are all tried: the folders are exchanged there."""

_STEPS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "ctypes.dlsym"}


def contents(folder: Path) -> str:
    """Hash of every name and byte below a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        if path.is_file():
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def build(
    model: Path, out: Path, words: Sequence[str], number: int = 0, step: int = 0
) -> tuple[int, int]:
    """Build in a forked process, which gets signal ``number`` at ``step``.

    Returns how it ended (as ``subprocess`` has it) and, where there was no signal, its steps.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        _child(model, out, words, number=number, step=step, pipe=writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code, int(said or 0)


def _child(
    model: Path, out: Path, words: Sequence[str], *, number: int, step: int, pipe: int
) -> None:
    counted = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal counted
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_WRONLY
        if writes or event in _STEPS:
            counted += 1
            if counted == step:
                os.kill(os.getpid(), number)

    sys.addaudithook(hook)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    code = main(["build", str(model), "-o", str(out), *words])
    os.write(pipe, str(counted).encode())
    os._exit(code)


def run(
    model: Path, out: Path, number: int, seed: int, *, points: int, options: Sequence[str] = ()
) -> dict[str, Any]:
    """What is described above."""
    known: list[str] = []
    steps = 0
    words = [(*options, *different) for different in OPTIONS]
    for which in (1, 0):
        code, steps = build(model, out, words[which])
        assert code == 0, f"the good build ends with {code}"
        known.insert(0, contents(out))
    assert known[0] != known[1], "the two builds must differ"
    rng = random.Random(seed)
    chosen = sorted(rng.sample(range(1, steps - CLOSE), points))
    chosen += range(steps - CLOSE, steps + 1)
    torn, codes, left = [], Counter[int](), 0
    for step in chosen:
        there = known.index(contents(out)) if contents(out) in known else 0
        code, _ = build(model, out, words[1 - there], number, step)
        codes[code] += 1
        if contents(out) not in known:
            torn.append(step)
        left += len(list(out.parent.glob(f".{out.name}.*")))
        if number != signal.SIGKILL and list(out.parent.glob(f".{out.name}.*")):
            torn.append(step)
    code, _ = build(model, out, words[0])
    end = code == 0 and contents(out) == known[0]
    kept = sorted(path.name for path in out.parent.iterdir())
    return {"torn": torn, "codes": dict(codes), "left": left, "end": end, "kept": kept}


if __name__ == "__main__":
    model, out, number, seed, points, *options = sys.argv[1:]
    told = run(Path(model), Path(out), int(number), int(seed), points=int(points), options=options)
    print(json.dumps(told))
