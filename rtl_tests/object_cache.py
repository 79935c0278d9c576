"""For make's OBJCACHE: Verilator's run-time library is compiled once, not in every test.

    OBJCACHE="python object_cache.py" make -f Vtb.mk

Runs the compiler command behind it. Objects of files that are given by absolute path, which is how
Verilator names its own, are kept in the simulators' cache, by command, content and compiler; the
content of headers is not looked at: they come with the file, and the version is in the command.
Imports nothing of gatesmith: it starts once for every object.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main(command: Sequence[str], home: Path) -> int:
    """Exit code of the compiler, or 0 where the object was in the cache."""
    sources = [word for word in command if word.endswith(".cpp")]
    if "-c" not in command or len(sources) != 1 or not Path(sources[0]).is_absolute():
        return subprocess.call(command)
    target = command[command.index("-o") + 1]
    version = subprocess.run([command[0], "--version"], capture_output=True, check=True).stdout
    words = [word for word in command if word != target]
    key = hashlib.sha256(version + repr(words).encode() + Path(sources[0]).read_bytes())
    kept = home / f"object-{key.hexdigest()[:32]}.o"
    if not kept.exists():
        code = subprocess.call(command)
        if code:
            return code
        home.mkdir(parents=True, exist_ok=True)
        handle, new = tempfile.mkstemp(dir=home)
        os.close(handle)
        shutil.copyfile(target, new)
        os.replace(new, kept)
        return 0
    shutil.copyfile(kept, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], Path(sys.argv[1])))
