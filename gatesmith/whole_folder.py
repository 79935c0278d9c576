"""A folder that appears whole, in the place of an older one or of none.

It is filled under another name beside its place. Where the place is taken, one system call
exchanges the two (Linux: renameat2, macOS: renamex_np), so that a process killed at any moment
leaves the old folder or the new one there. File systems that cannot exchange get two renames, and
the old one is put back when the second fails.

Names beside the place are ``.NAME.PID.*.part``. What a killed process left under such a name is
removed by the next one, unless a process with that number lives.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # renameat2
_RENAME_SWAP = 2  # renamex_np
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}
TRIES = 100
"""Exchanges and renames, each of which another process can make impossible just before."""


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """A new folder, which is in ``place`` once the block is left without an exception.

    A link is followed: what it leads to is replaced. Raises OSError.
    """
    place = place.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_over(place)
    name = f".{_short(place)}.{os.getpid()}."
    work = Path(tempfile.mkdtemp(prefix=name, suffix=".part", dir=place.parent))
    try:
        work.chmod(0o777 & ~_umask())
        yield work
        replace_folder(work, place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def replace_folder(work: Path, place: Path) -> None:
    """Put ``work`` in ``place``; ``work`` is then the old folder, or nothing. Raises OSError."""
    for _ in range(TRIES):
        try:
            os.rename(work, place)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
        else:
            return
        try:
            _exchange(work, place)
        except FileNotFoundError:
            continue  # another process has just taken the old folder away
        return
    raise OSError(errno.EBUSY, "another process replaces the same folder", str(place))


def _exchange(work: Path, place: Path) -> None:
    code = _exchanged(work, place)
    if code == 0:
        return
    if code not in _CANNOT:
        raise OSError(code, os.strerror(code), str(place))
    old = work.with_suffix(".old.part")
    os.rename(place, old)
    try:
        os.rename(work, place)
    except OSError:
        os.rename(old, place)
        raise
    os.rename(old, work)


def _exchanged(one: Path, two: Path) -> int:
    """Exchange two names in one step; 0, or the number of the error."""
    libc = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(two)
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        done = libc.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE)
    elif sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        done = libc.renamex_np(first, second, _RENAME_SWAP)
    else:
        return errno.ENOSYS
    return ctypes.get_errno() if done else 0


def _remove_left_over(place: Path) -> None:
    """What processes left here that were killed."""
    pattern = re.compile(rf"\.{re.escape(_short(place))}\.(\d+)\..*\.part")
    for path in place.parent.iterdir():
        found = pattern.fullmatch(path.name)
        if found and not _lives(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _lives(pid: int) -> bool:
    """Whether a process has this number, on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _short(place: Path) -> str:
    """Its name, or, where others could not be made from that, something as good as one."""
    name = os.fsencode(place.name)
    return place.name if len(name) <= 150 else hashlib.sha256(name).hexdigest()[:32]


def _umask() -> int:
    """The process's: it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
