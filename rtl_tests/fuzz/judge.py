"""One case through ``inspect`` and ``build`` in this process, and the verdict on it.

built      both ran, and the new build stands in the place of the old one
refused    the command said what is wrong and ended with 2; the old build is untouched
else       a failure: traceback, output (not one JSON object, control characters, no message),
           memory, stray (files, processes), lost (the old build), leak (a file outside the folder)
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gatesmith.cli import main
from gatesmith.rtl_tests.fuzz.case import SECRET, Case
from gatesmith.rtl_tests.fuzz.watch import Watch

MOST_MEMORY = 1 << 30
"""Bytes of memory that a process may have had at once."""

OLD = {"build.json": '{"gatesmith": "old"}\n', "rtl/old.sv": "// old\n"}
"""The build that stands where the new one goes."""

MOST_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a case.

    Attributes:
        outcome: See above.
        told: What was said, or what is wrong.
        seconds: Of processor time.
        megabytes: Most memory that the process had.
    """

    outcome: str
    told: str
    seconds: float
    megabytes: int


class FailureError(Exception):
    """Outcome and what is wrong."""


def judge(case: Case, folder: Path, watch: Watch, *, keep: bool = False) -> Judged:
    """Run a case.

    Args:
        case: What is run.
        folder: Made for it, and removed.
        watch: Of this process.
        keep: Leave the folder.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True)
    model, made, here = case.write(folder / "in"), folder / "made", folder / "here"
    for name, text in OLD.items():
        place = made / "core" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    here.mkdir()
    before, back = _listing(folder), (Path.cwd(), tempfile.tempdir)
    os.chdir(here)
    tempfile.tempdir = str(made)
    _forget_peak()
    started = time.process_time()
    try:
        outcome, told = _both(case, model, made, watch)
        _untouched(folder, before, outcome)
    except FailureError as failure:
        outcome, told = failure.args
    seconds, megabytes = time.process_time() - started, _peak() >> 20
    os.chdir(back[0])
    tempfile.tempdir = back[1]  # the process may be that of other tests
    if outcome in {"built", "refused"} and megabytes << 20 > MOST_MEMORY:
        outcome, told = "memory", f"{megabytes} MB; {outcome}: {told}"
    if not keep:
        shutil.rmtree(folder)
    return Judged(outcome, told[:MOST_TEXT], round(seconds, 3), megabytes)


def _both(case: Case, model: Path, made: Path, watch: Watch) -> tuple[str, str]:
    """Both commands; outcome and what was said."""
    as_json = case.rng.random() < 0.5
    inspecting, building = ["inspect", str(model)], ["build", str(model), "-o", str(made / "core")]
    if "--input" in case.options:
        at = case.options.index("--input")
        inspecting += case.options[at : at + 2]
    watch.start(model.parent, made, Path.cwd())
    try:
        _command(inspecting, as_json)
        code, told = _command([*building, *case.options], as_json)
    finally:
        seen = watch.stop()
    if seen:
        raise FailureError("stray", "; ".join(dict.fromkeys(seen)))
    if code == 0:
        return "built", ""
    return "refused", told


def _command(words: list[str], as_json: bool) -> tuple[int, str]:
    """Exit code, and the code of the first error."""
    words = [*words, *(["--json"] if as_json else [])]
    with _streams() as (out, err), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        code = main(words)
    said, complained = out.decode("utf-8"), err.decode("utf-8")
    for bad in ("Traceback", "has a bug"):
        if bad in complained:
            raise FailureError("traceback", f"{words[0]}: {complained[:200]}{_traceback()}")
    if "out-of-memory" in complained:
        raise FailureError("memory", f"{words[0]}: {complained}")
    if code not in (0, 2):
        raise FailureError("output", f"{words[0]} ended with {code}: {complained}")
    if warned:
        raise FailureError(
            "warning", f"{warned[0].filename}:{warned[0].lineno} {warned[0].message}"
        )
    odd = {c for c in said + complained if not c.isprintable() and c != "\n"}
    if odd:
        raise FailureError(
            "output", f"control characters {sorted(odd)!r} in {complained or said!r}"
        )
    if code and not complained.strip() and '"problems"' not in said:
        raise FailureError("output", f"{words[0]} ended with {code} and no message")
    if as_json and not (code and "Usage:" in complained):
        try:
            json.loads(said)
        except ValueError as error:
            raise FailureError(
                "output", f"stdout is not one JSON object: {error}: {said!r}"
            ) from error
    first = complained.strip().partition("\n")[0]
    return code, first


def _traceback() -> str:
    """The end of the newest bug report."""
    reports = sorted(Path(tempfile.gettempdir()).glob("gatesmith-bug-*"))
    return "\n" + reports[-1].read_text()[-700:] if reports else ""


class _Stream(io.TextIOWrapper):
    """UTF-8 into memory; what does not fit into UTF-8 is an error, as in a terminal."""

    def __init__(self) -> None:
        self.held = io.BytesIO()
        super().__init__(self.held, encoding="utf-8", write_through=True)


@contextmanager
def _streams() -> Iterator[tuple[bytearray, bytearray]]:
    """What is printed meanwhile, filled in at the end."""
    kept, new = (sys.stdout, sys.stderr), (_Stream(), _Stream())
    told = (bytearray(), bytearray())
    sys.stdout, sys.stderr = new
    try:
        yield told
    finally:
        sys.stdout, sys.stderr = kept
        for stream, content in zip(new, told, strict=True):
            content.extend(stream.held.getvalue())


def _untouched(folder: Path, before: dict[str, tuple[int, ...]], outcome: str) -> None:
    """Nothing outside the build is new, gone or changed; the build is the old or the new one."""
    core = folder / "made" / "core"
    now = _listing(folder)
    if outcome == "built":
        for path in core.rglob("*"):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise FailureError("stray", f"{path} is no file")
            if path.is_file() and SECRET in path.read_bytes():
                raise FailureError(
                    "leak", f"{path.name} holds a file from outside the model's folder"
                )
        if (core / "rtl/old.sv").exists() or not (core / "build.json").is_file():
            raise FailureError("lost", "the new build is not whole")
        before = {name: told for name, told in before.items() if not name.startswith("made/core")}
        now = {name: told for name, told in now.items() if not name.startswith("made/core")}
    before = {name: told for name, told in before.items() if name != "made"}
    now = {name: told for name, told in now.items() if name != "made"}
    if before != now:
        kind = (
            "lost"
            if any(n.startswith("made/core") for n in before.keys() - now.keys())
            else "stray"
        )
        raise FailureError(kind, f"changed: {sorted(dict(before.items() ^ now.items()))}")


def _listing(folder: Path) -> dict[str, tuple[int, ...]]:
    """Everything below a folder: size and time of change of files."""
    found: dict[str, tuple[int, ...]] = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(root, name)
            status = os.lstat(path)
            told = (status.st_mode, status.st_size, status.st_mtime_ns)
            found[os.path.relpath(path, folder)] = told if name in files else (status.st_mode,)
    return found


def _forget_peak() -> None:
    """Memory is measured from here on."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass  # then the peak is that of the process, which is more


def _peak() -> int:
    """Most bytes that the process had in memory."""
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
