"""Results of long runs, kept by the content of what went in: $GATESMITH_CACHE/synth, /prove."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from gatesmith.errors import UserError
from gatesmith.templates.tb import toolchain

KEEP = 512
"""Results of a kind; the longest unused go first."""


def cache_folder(kind: str = "synth") -> Path:
    """Beside that of the simulators."""
    return toolchain.cache_folder().parent / kind


def digest(*parts: str | bytes) -> str:
    """Of parts that cannot run into each other."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(b"%d:" % len(data) + data)
    return total.hexdigest()[:32]


def kept(key: str, make: Callable[[Path], None], kind: str = "synth") -> Path:
    """The folder of a result; ``make`` fills a new one, which appears whole or not at all.

    Args:
        key: A digest of everything that the result depends on.
        make: Is given the folder.
        kind: Results of different kinds do not push each other out.

    Errors: ``synth.no-cache``, and those of ``make``.
    """
    home = cache_folder(kind)
    ready = home / key
    try:
        if ready.is_dir():
            os.utime(ready)
            return ready
        home.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".new-", dir=home))
    except OSError as error:
        raise UserError(
            "synth.no-cache",
            "the cache cannot be written",
            where=str(home),
            why=error.strerror or str(error),
            fix=("set GATESMITH_CACHE to a folder that can be written",),
        ) from error
    try:
        make(work)
        if not ready.is_dir():
            _move(work, ready)
            _forget_oldest(home)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return ready


def _move(work: Path, ready: Path) -> None:
    """Unless another process was faster: its result is the same."""
    try:
        work.rename(ready)
    except OSError:
        if not ready.is_dir():
            raise


def _forget_oldest(home: Path) -> None:
    results = [entry for entry in home.iterdir() if not entry.name.startswith(".")]
    for entry in sorted(results, key=lambda entry: entry.stat().st_mtime)[:-KEEP]:
        shutil.rmtree(entry, ignore_errors=True)
