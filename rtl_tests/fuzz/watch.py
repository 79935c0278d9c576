"""What a process may do while it reads a model: an audit hook that notes everything else.

Python tells its hooks of every file that it opens, moves or deletes, and of every process and
socket. Files opened by C code are not seen: for those there is the canary (case.py) and the
listing of the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    "os.rename": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.mkdir": 1,
    "os.symlink": 2,
    "os.link": 2,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "os.setxattr": 1,
}
"""Events, and how many of their arguments are paths."""

_REFUSED = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
    *("os.forkpty", "os.startfile", "socket.bind", "shutil.unpack_archive"),
)


class Watch:
    """Notes in ``seen`` what happens outside the folders that are allowed.

    Attributes:
        may_read: Files below these may be opened.
        may_write: Files below these may be made, changed and deleted.
        seen: What else was done.
    """

    def __init__(self) -> None:
        self.may_read: tuple[str, ...] = ()
        self.may_write: tuple[str, ...] = ()
        self.seen: list[str] = []
        self._inside = False
        sys.addaudithook(self._hook)

    def start(self, model: Path, made: Path, here: Path) -> None:
        """From now on.

        Args:
            model: Folder of the model.
            made: Folder of the builds.
            here: Where the process is: names beside an open folder look as if they were here.
        """
        packages = {sys.prefix, sys.base_prefix, *filter(None, map(os.path.realpath, sys.path))}
        roots = {str(Path(__file__).parents[2]), str(Path(__file__).resolve().parents[2])}
        own = (str(model), str(made), str(here))
        self.may_read = tuple(f"{p.rstrip('/')}/" for p in (*packages, *roots, *own))
        self.may_write = (f"{made}/",)
        self.seen = []

    def stop(self) -> list[str]:
        """What was noted."""
        seen, self.may_read, self.may_write = self.seen, (), ()
        return seen

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.may_write or self._inside:
            return
        self._inside = True
        try:
            self._judge(event, arguments)
        finally:
            self._inside = False

    def _judge(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes | os.PathLike):
                place = _place(path)
                if flags & _WRITES and not self._below(place, self.may_write):
                    self.seen.append(f"opened for writing: {place}")
                elif not flags & _WRITES and not self._below(place, self.may_read):
                    self.seen.append(f"read: {place}")
        elif event in _CHANGES:
            for path in arguments[: _CHANGES[event]]:
                place = _place(path, arguments[-1])
                if not self._below(place, self.may_write):
                    self.seen.append(f"{event}: {place}")
        elif event in _REFUSED:
            self.seen.append(f"{event}: {arguments!r:.200}")

    @staticmethod
    def _below(place: str, folders: tuple[str, ...]) -> bool:
        return f"{place}/".startswith(folders)


def _place(path: Any, folder: Any = None) -> str:
    """Where a path leads; names beside an open folder (``dir_fd``) are resolved."""
    text = os.fsdecode(path) if not isinstance(path, int) else os.readlink(f"/proc/self/fd/{path}")
    if isinstance(folder, int) and folder >= 0 and not os.path.isabs(text):
        text = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), text)
    if os.path.islink(text):
        return os.path.realpath(text)
    return os.path.join(os.path.realpath(os.path.dirname(text) or "."), os.path.basename(text))
