"""Results of long runs, kept by the content of what went in, below $GATESMITH_CACHE.

Plain Python with no import of gatesmith: this file is copied into the tb/ folder of every build.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ABANDONED = 24 * 3600
"""Seconds after which a folder of work belongs to nobody."""

WORK = ".new-"


class UnwritableError(Exception):
    """The cache cannot be written.

    Attributes:
        home: Its folder.
        why: What the system says.
    """

    def __init__(self, home: Path, why: str) -> None:
        super().__init__(f"{home}: {why}")
        self.home = home
        self.why = why


def folder(kind: str) -> Path:
    """$GATESMITH_CACHE/KIND, or ~/.cache/gatesmith/KIND."""
    given = os.environ.get("GATESMITH_CACHE")
    return (Path(given) if given else Path.home() / ".cache" / "gatesmith") / kind


def digest(*parts: str | bytes) -> str:
    """Of parts that cannot run into each other."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(b"%d:" % len(data) + data)
    return total.hexdigest()[:32]


def kept(home: Path, key: str, make: Callable[[Path], None], most: int) -> Path:
    """The folder of a result; ``make`` fills a new one, which appears whole or not at all.

    Two processes that make the same do not disturb each other.

    Args:
        home: Of results of this kind.
        key: A digest of everything that the result depends on.
        make: Is given the folder.
        most: Results of this kind; the longest unused go first.

    Errors: UnwritableError, and those of ``make``.
    """
    ready = home / key
    try:
        if ready.is_dir():
            os.utime(ready)
            return ready
        home.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=WORK, dir=home))
    except OSError as error:
        raise UnwritableError(home, error.strerror or str(error)) from error
    try:
        made = work / "made"
        made.mkdir()  # mkdtemp's own folder is closed to others who share the cache
        make(made)
        try:
            made.rename(ready)
        except OSError:  # another process was first: its result is the same
            if not ready.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _forget_oldest(home, most)
    return ready


def whole(path: Path, text: str) -> None:
    """Write a file that others may be reading, or writing with the same text."""
    if not path.exists():
        handle, new = tempfile.mkstemp(dir=path.parent)
        os.write(handle, text.encode())
        os.close(handle)
        os.replace(new, path)


def _forget_oldest(home: Path, most: int) -> None:
    """Keep the cache from growing for ever; a program that runs is not hurt by it."""
    made: list[tuple[float, Path]] = []
    for entry in home.iterdir():
        age = _age(entry)
        if entry.name.startswith(WORK):  # of a process that was killed
            if age > ABANDONED:
                shutil.rmtree(entry, ignore_errors=True)
        else:
            made.append((age, entry))
    for _, entry in sorted(made)[most:]:
        gone = entry.with_name(f"{WORK}{entry.name}")  # whoever looks finds it whole or not at all
        try:
            entry.rename(gone)
        except OSError:  # another process was first
            continue
        shutil.rmtree(gone, ignore_errors=True)


def _age(path: Path) -> float:
    """Seconds since it was changed; 0 where it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
