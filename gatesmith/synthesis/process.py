"""Programs that may take long: they end with us, and after a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gatesmith.errors import UserError
from gatesmith.templates.tb import toolchain

TOLD = 15  # last lines of a program that failed
_RUNNING: set[int] = set()  # process groups


def run(name: str, command: Sequence[str], folder: Path, seconds: float | None) -> None:
    """Run a command in a folder. Errors: ``synth.failed``, ``synth.timeout``."""
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,  # Yosys starts programs of its own
        preexec_fn=toolchain.die_with_parent,  # noqa: PLW1509 - one call of libc
    ) as started:
        _RUNNING.add(started.pid)
        try:
            said, _ = started.communicate(timeout=seconds)
        except BaseException as error:
            _kill(started.pid)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _too_long(name, error.timeout) from None
            raise
        finally:
            _RUNNING.discard(started.pid)
    if started.returncode:
        lines = said.strip().splitlines()[-TOLD:]
        if started.returncode < 0:
            lines.append(f"killed by signal {-started.returncode}; out of memory?")
        raise UserError(
            "synth.failed",
            f"{name} refuses the design",
            where=f"{name}, exit code {started.returncode}",
            why="\n".join(lines) or "it says nothing",
            fix=("if the RTL is as gatesmith wrote it, report this with build.json",),
        )


def stop() -> None:
    """End all that runs: after Ctrl-C, or where one has failed, nobody waits for the others."""
    for group in tuple(_RUNNING):
        _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _too_long(name: str, seconds: float) -> UserError:
    return UserError(
        "synth.timeout",
        f"{name} has not finished",
        where=f"--timeout {seconds:g}",
        why="it was stopped; what finished before is kept, and not run again",
        fix=("allow more seconds", "a smaller fold (more cycles a frame) is a smaller design"),
    )
