"""The simulator of a build folder: built once for each content, run in shards.

The work is done by gatesmith/templates/tb/toolchain.py and shards.py, which every build carries
along; here their errors become UserErrors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gatesmith.errors import UserError
from gatesmith.templates.tb import shards, toolchain
from gatesmith.templates.tb.shards import Files, Job, Progress

DEFINES = ("GATESMITH_ASSERT",)


def build_simulator(directory: Path, *, probe: bool = False) -> Path:
    """Simulator of the bench in ``directory``.

    Args:
        directory: Build folder, with rtl/files.f and tb/.
        probe: With taps on every stage (tb/probe.svh) and VCD.

    Errors: ``verify.no-simulator``, ``verify.no-compiler``, ``verify.no-cocotb``,
    ``verify.build-failed``, ``verify.incomplete-build``.
    """
    bench = [directory / "tb" / name for name in (("tb.sv", "probe.svh") if probe else ("tb.sv",))]
    defines = (*DEFINES, "GATESMITH_PROBE") if probe else DEFINES
    with user_errors(directory):
        listed = (directory / "rtl" / "files.f").read_text("utf-8").split()
        sources = [directory / "rtl" / name for name in listed]
        return toolchain.build([*bench, *sources], defines=defines, waves=probe)


def simulate(
    simulator: Path,
    jobs: Sequence[Job],
    directory: Path,
    work: Path,
    *,
    data: Path,
    progress: Progress = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Result of each job over the files in ``data``; ``work`` gets a folder for each.

    Errors: ``verify.simulator-failed``.
    """
    files = Files(data=data, images=directory / "rtl", bench=directory / "tb")
    with user_errors(directory):
        return shards.run(simulator, jobs, files, work, progress)


@contextmanager
def user_errors(directory: Path) -> Iterator[None]:
    """Tool errors and missing files of a build, as errors that say what to do."""
    try:
        yield
    except toolchain.ToolError as error:
        raise UserError(
            error.code, error.what, where=str(directory), why=error.why, fix=error.fix
        ) from error
    except FileNotFoundError as error:
        raise UserError(
            "verify.incomplete-build",
            "the build folder is not complete",
            where=str(directory),
            why=f"there is no {error.filename}",
            fix=("run gatesmith build again", "give the folder that gatesmith build -o wrote"),
        ) from error
