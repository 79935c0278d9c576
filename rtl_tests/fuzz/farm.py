"""Many cases in processes that are forked warm, watched, and replaced when they die or hang.

The parent has gatesmith loaded, has built once, and has no threads. A child runs a batch of cases
and tells of each one when it begins and when it ends; what it does not survive is counted against
the case it was in.
"""

from __future__ import annotations

import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import typer

from gatesmith.rtl_tests.fuzz.case import Case
from gatesmith.rtl_tests.fuzz.judge import Judged, judge
from gatesmith.rtl_tests.fuzz.stock import Model, make_case
from gatesmith.rtl_tests.fuzz.watch import Watch

BATCH = 25
"""Cases of one child."""

MOST_SECONDS = 10.0
"""Of processor time in one case: the machine may be shared."""

MOST_WALL_SECONDS = 300.0
"""By the clock, for a case that waits and does not compute: the machine may be overloaded."""

MOST_ADDRESSES = 4 << 30
"""Bytes of address space: behind it, allocations fail. Far above the bound of judge.py."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A case that was run."""

    index: int
    model: str
    kind: str
    judged: Judged


@dataclass(slots=True)
class _Child:
    """A process, its pipe, the cases it has still to run, and the one it is in."""

    pid: int
    pipe: int
    todo: list[int]
    text: bytes = b""
    current: int = -1
    told: tuple[str, str] = ("", "")
    since: float = 0.0
    cpu: float = 0.0


def run(
    indices: Sequence[int], seed: int, models: Sequence[Model], work: Path, processes: int
) -> Iterator[Ran]:
    """Run cases, in any order. ``work`` is a folder for them."""
    watch = warm(models, work)
    waiting = [list(indices[k : k + BATCH]) for k in range(0, len(indices), BATCH)][::-1]
    children: dict[int, _Child] = {}
    try:
        while waiting or children:
            while waiting and len(children) < processes:
                child = _fork(waiting.pop(), seed, models, work, watch)
                children[child.pipe] = child
            ready, _, _ = select.select(list(children), [], [], 0.2)
            for pipe in ready:
                child = children[pipe]
                data = os.read(pipe, 1 << 16)
                if data:
                    yield from _hear(child, data)
                    continue
                del children[pipe]
                yield from _buried(child, waiting, "crash")
            for child in list(children.values()):
                if _hangs(child):
                    os.kill(child.pid, signal.SIGKILL)
                    del children[child.pipe]
                    yield from _buried(child, waiting, "hang")
    finally:
        for child in children.values():
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)


def warm(models: Sequence[Model], work: Path) -> Watch:
    """Do once what every child would do again: imports, templates, the command's parser."""
    typer.main.get_command = cache(typer.main.get_command)
    watch = Watch()
    model = min(models, key=lambda model: len(model.data))
    parsed = onnx.ModelProto.FromString(model.data)
    case = Case(parsed, random.Random(0), parsed, options=model.options)
    judged = judge(case, work / "warm", watch)
    if judged.outcome != "built":
        raise RuntimeError(f"the good model {model.name} does not build: {judged}")
    return watch


def _fork(todo: list[int], seed: int, models: Sequence[Model], work: Path, watch: Watch) -> _Child:
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _Child(pid, reading, list(todo))
    os.close(reading)
    code = 1
    try:
        _batch(todo, seed, models, work, watch, say=lambda said: _say(writing, said))
        code = 0
    finally:
        os._exit(code)


def _say(pipe: int, said: dict[str, Any]) -> None:
    os.write(pipe, json.dumps(said).encode() + b"\n")


def _batch(
    todo: list[int],
    seed: int,
    models: Sequence[Model],
    work: Path,
    watch: Watch,
    *,
    say: Callable[[dict[str, Any]], None],
) -> None:
    """In the child."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    for index in todo:
        case, model, kind = make_case(index, seed, models)
        say({"begins": index, "model": model, "kind": kind})
        judged = judge(case, work / str(index), watch)
        say({"ended": index, "judged": asdict(judged)})


def _hear(child: _Child, data: bytes) -> Iterator[Ran]:
    """What a child says."""
    *lines, child.text = (child.text + data).split(b"\n")
    for line in lines:
        said = json.loads(line)
        if "begins" in said:
            child.current, child.told = said["begins"], (said["model"], said["kind"])
            child.since, child.cpu = time.monotonic(), _cpu(child.pid)
        else:
            child.todo.remove(said["ended"])
            yield Ran(said["ended"], *child.told, Judged(**said["judged"]))
            child.current = -1


def _buried(child: _Child, waiting: list[list[int]], outcome: str) -> Iterator[Ran]:
    """A child that ended: before its time, where it was in a case."""
    spent = time.monotonic() - child.since
    _, status = os.waitpid(child.pid, 0)
    os.close(child.pipe)
    if child.current >= 0:
        child.todo.remove(child.current)
        told = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {status}"
        yield Ran(child.current, *child.told, Judged(outcome, told, round(spent, 3), 0))
    elif child.todo:
        raise RuntimeError(f"the fuzzer itself failed before case {child.todo[0]}")
    if child.todo:
        waiting.append(child.todo)


def _hangs(child: _Child) -> bool:
    if child.current < 0:
        return False
    waits = time.monotonic() - child.since > MOST_WALL_SECONDS
    return waits or _cpu(child.pid) - child.cpu > MOST_SECONDS


def _cpu(pid: int) -> float:
    """Processor seconds of a process and of its children."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")


def clear(work: Path) -> None:
    """Remove what cases left that were killed."""
    shutil.rmtree(work, ignore_errors=True)
