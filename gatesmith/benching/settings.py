"""What is measured, and for how long; checked before anything is read."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatesmith.cpu_gpu_baselines.engines import Engine, all_engines
from gatesmith.errors import UserError, raise_all

BATCHES = (1, 4, 16, 64, 256, 1024)
SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to measure.

    Attributes:
        engines: Names; all of them by default.
        batches: Frames at a time; those that are more than the data has are left out.
        threads: Numbers of threads; one and all by default.
        seconds: Measuring time of a row, warm-up included.
        frames: Only the first so many frames.
        labels: Labels of the data.
        input_spec: What the codes of the input stand for, of a model.
        clock_mhz: Clock for the figures of the FPGA, of a build.
        measure: Frames of a short verification that measures the cycles of a build; 0: none.
        energy: Whether energy is measured too.
    """

    engines: Sequence[str] | None = None
    batches: Sequence[int] = BATCHES
    threads: Sequence[int] | None = None
    seconds: float = SECONDS
    frames: int | None = None
    labels: Path | None = None
    input_spec: str | None = None
    clock_mhz: float | None = None
    measure: int = 0
    energy: bool = True

    def check(self) -> None:
        """Errors: ``bench.engine``, ``cli.bad-value``, all at once."""
        errors = _unknown(self.engines or (), all_engines())
        below = {
            "--batches": min(self.batches, default=0) < 1,
            "--threads": self.threads is not None and min(self.threads, default=0) < 1,
            "--seconds": not self.seconds > 0,
            "--frames": self.frames is not None and self.frames < 1,
            "--clock-mhz": self.clock_mhz is not None and not self.clock_mhz > 0,
            "--measure": self.measure < 0,
        }
        errors += [_too_small(option) for option, wrong in below.items() if wrong]
        raise_all(errors)

    def chosen(self) -> dict[str, Engine]:
        """Engines by name, in the order of the table."""
        known = all_engines()
        return {n: known[n] for n in known if self.engines is None or n in self.engines}

    def thread_counts(self) -> tuple[int, ...]:
        """Each once, ascending."""
        found = self.threads or (1, len(os.sched_getaffinity(0)))
        return tuple(sorted(set(found)))


def _unknown(names: Sequence[str], known: Collection[str]) -> list[UserError]:
    return [
        UserError(
            "bench.engine",
            f'there is no engine "{name}"',
            where=f"--engines {','.join(names)}",
            why=f"the engines are {', '.join(known)}",
            fix=("use some of these names, with commas between them",),
        )
        for name in names
        if name not in known
    ]


def _too_small(option: str) -> UserError:
    return UserError(
        "cli.bad-value",
        f"the value of {option} is too small",
        where=option,
        why="it has to be above 0" if option != "--measure" else "it has to be 0 or more",
        fix=(f"give {option} a larger number",),
    )
