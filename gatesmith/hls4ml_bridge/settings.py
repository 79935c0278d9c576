"""What the user asks of ``gatesmith hls4ml``, checked before any work."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from gatesmith.errors import UserError, raise_all

BACKENDS = {
    "Vitis": None,
    "Vivado": None,
    "VivadoAccelerator": None,
    "Quartus": None,
    "Catapult": None,
    "oneAPI": "icpx",
    "Libero": "shls",
}
"""hls4ml's backends; the vendor's compiler that the C simulation needs, where g++ is not enough."""

IO = ("parallel", "stream")
FORMS = ("codes", "real")
STRATEGIES = ("latency", "resource")
MOST_FRACTION = 40


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of one run; texts are as on the command line.

    Attributes:
        data: Frames to simulate; None only with ``project_only``.
        labels: File of labels for ``data``.
        input_spec: Which integer codes arrive and what they stand for.
        backend: A key of :data:`BACKENDS`, in any case.
        io: ``parallel`` or ``stream``.
        form: ``codes``: the integer network; ``real``: the file with its scales, as it is.
        frames: At most so many frames.
        fraction: Fractional bits of numbers that fixed-point does not hold.
        reuse: hls4ml's reuse factor of every layer.
        strategy: ``latency`` or ``resource``.
        part: The device; None: the backend's default.
        timeout: Seconds that hls4ml and the compiler may take together.
        project_only: Write the project and simulate nothing.
    """

    data: str | None = None
    labels: Path | None = None
    input_spec: str | None = None
    backend: str = "Vitis"
    io: str = "parallel"
    form: str = "codes"
    frames: int | None = None
    fraction: int = 24
    reuse: int = 1
    strategy: str = "latency"
    part: str | None = None
    timeout: float = 1800.0
    project_only: bool = False

    @property
    def vendor(self) -> str:
        """The backend as hls4ml spells it."""
        return next(name for name in BACKENDS if name.lower() == self.backend.lower())

    @property
    def lacks(self) -> str | None:
        """The vendor's compiler, where the simulation needs it and it is not on PATH."""
        tool = BACKENDS[self.vendor]
        return tool if tool is not None and shutil.which(tool) is None else None


def check(settings: Settings) -> None:
    """Options and tools, all problems at once.

    Errors: ``cli.bad-value``, ``cli.missing-option``, ``hls.not-installed``,
    ``hls.no-compiler``, ``hls.vendor-tool``.
    """
    errors = []
    choices = {
        "--backend": (settings.backend.lower(), [name.lower() for name in BACKENDS], BACKENDS),
        "--io": (settings.io, IO, IO),
        "--form": (settings.form, FORMS, FORMS),
        "--strategy": (settings.strategy, STRATEGIES, STRATEGIES),
    }
    for option, (given, known, named) in choices.items():
        if given not in known:
            names = list(named)
            said = f"{', '.join(names[:-1])} and {names[-1]}"
            why = f"there are {said}"
            errors.append(_bad(f"{option} {given!r} is unknown", why, f"write {option} {names[0]}"))
    if not 1 <= settings.fraction <= MOST_FRACTION:
        why = f"--fraction-bits counts from 1 to {MOST_FRACTION}"
        errors.append(_bad(f"{settings.fraction} fractional bits", why, "leave it at 24"))
    for option, number in (("--reuse", settings.reuse), ("--frames", settings.frames)):
        if number is not None and number < 1:
            errors.append(_bad(f"{option} {number} is below 1", "it counts from 1", "leave it out"))
    if settings.timeout <= 0:
        errors.append(_bad("--timeout is not above 0", "it is in seconds", "leave it out"))
    if settings.data is None and not settings.project_only:
        errors.append(
            UserError(
                "cli.missing-option",
                "there are no frames to simulate",
                where="gatesmith hls4ml",
                why="the C simulation is compared on data",
                fix=("add --data FILE", "or write the project alone: --project-only"),
            )
        )
    errors += _tools(settings)
    raise_all(errors)


def _tools(settings: Settings) -> list[UserError]:
    errors = []
    missing = [name for name in ("hls4ml", "qonnx") if importlib.util.find_spec(name) is None]
    if missing:
        errors.append(
            UserError(
                "hls.not-installed",
                f"{' and '.join(missing)} is not installed",
                where="gatesmith hls4ml",
                why="it converts the network and writes the project",
                fix=("pip install 'gatesmith[hls]'",),
            )
        )
    if settings.backend.lower() == "libero" and shutil.which("shls") is None:
        errors.append(
            UserError(
                "hls.vendor-tool",
                "there is no shls on PATH",
                where="--backend Libero",
                why="hls4ml asks Libero's SmartHLS for its folder when it writes the project",
                fix=("install Libero SoC and put shls on PATH", "take another --backend"),
            )
        )
    if not settings.project_only and shutil.which("g++") is None:
        errors.append(
            UserError(
                "hls.no-compiler",
                "there is no g++ on PATH",
                where="gatesmith hls4ml",
                why="hls4ml's C simulation is C++ that g++ compiles",
                fix=("apt-get install g++", "or write the project alone: --project-only"),
            )
        )
    return errors


def _bad(what: str, why: str, fix: str) -> UserError:
    return UserError("cli.bad-value", what, where="gatesmith hls4ml", why=why, fix=(fix,))
