"""Exceptions that no stage turned into a message: whose they are, and what is said about them.

An OSError about a file outside gatesmith is the user's (a full disk, a folder without permission).
Everything else is a bug in gatesmith: one line on the terminal, the traceback in a file.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from gatesmith import __version__
from gatesmith.errors import UserError

PACKAGE = Path(__file__).parents[1]
ISSUES = "the project's issue tracker"

REMEDY = {
    errno.EACCES: "choose a folder that you may write, or change its permissions (chmod, chown)",
    errno.EPERM: "choose a folder that you may write, or change its permissions (chmod, chown)",
    errno.EROFS: "choose a folder on a file system that is mounted for writing",
    errno.ENOSPC: "free some space on that disk, or choose a folder on another one",
    errno.EDQUOT: "free some of your quota, or choose a folder on another disk",
    errno.ENOTDIR: "a part of that path is a file; choose a path all of whose parents are folders",
    errno.EISDIR: "that path is a folder; give the name of a file",
    errno.ENOENT: "check the path: it, or one of its parents, does not exist",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
}


def from_os_error(error: OSError) -> UserError | None:
    """The user's message, or None when the file belongs to gatesmith or the system gave no reason.

    >>> print(from_os_error(PermissionError(13, "Permission denied", "/out/build.json")))
    error[cli.file-system]: cannot write or read a file
      at   /out/build.json
      why  the operating system says: Permission denied
      fix  choose a folder that you may write, or change its permissions (chmod, chown)
    """
    if error.errno is None:
        return None
    name = "" if error.filename is None else os.fsdecode(error.filename)
    if name and Path(name).is_relative_to(PACKAGE):
        return None
    return UserError(
        "cli.file-system",
        "cannot write or read a file",
        where=name or "a file that the system does not name",
        why=f"the operating system says: {error.strerror or errno.errorcode.get(error.errno)}",
        fix=(
            REMEDY.get(error.errno, "look at that path and its disk, then run the command again"),
        ),
    )


def from_memory_error(args: Sequence[str]) -> UserError:
    """The machine is too small for what was asked."""
    return UserError(
        "cli.out-of-memory",
        "the machine has not enough memory for this",
        where="gatesmith " + " ".join(args),
        why="an allocation was refused by the operating system",
        fix=(
            "verify fewer frames at a time: --frames N",
            "close other programs, or use a machine with more memory",
        ),
    )


def bug_report(error: Exception, args: Sequence[str], as_json: bool) -> int:
    """Save the traceback to a file, ask for a report, and return the exit code 1."""
    text = "\n".join(
        (
            f"gatesmith {__version__}",
            f"Python {platform.python_version()}, {platform.platform()}",
            "command: gatesmith " + " ".join(args),
            "",
            "".join(traceback.format_exception(error)),
        )
    )
    said = f"{type(error).__name__}: {error}"
    print(f"gatesmith has a bug: {said}", file=sys.stderr)
    if as_json:
        print(json.dumps({"bug": said}))
    try:
        descriptor, path = tempfile.mkstemp(prefix="gatesmith-bug-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        print(text, file=sys.stderr)  # nowhere to write: better here than lost
        return 1
    print(f"Please report it to {ISSUES}, with the model if you can and {path}", file=sys.stderr)
    return 1
