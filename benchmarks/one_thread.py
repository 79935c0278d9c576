"""One command of gatesmith as a user types it, on one thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def gatesmith(name: str, words: Sequence[str]) -> tuple[dict[str, Any], list[float]]:
    """What ``gatesmith WORDS --json`` says, and the load of the machine before and after.

    Args:
        name: Of the run, for messages.
        words: The command's.

    Raises:
        SystemExit: it failed; with the end of what it said.
    """
    threads = {key: "1" for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    before = os.getloadavg()[0]
    done = subprocess.run(
        [sys.executable, "-m", "gatesmith", *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | threads,
        cwd=ROOT,
    )
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    return json.loads(done.stdout), [round(before, 1), round(os.getloadavg()[0], 1)]
