"""Options of a synthesis."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.errors import UserError, raise_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Options of ``gatesmith synth``.

    Attributes:
        place: Place and route too.
        stages: Each stage by itself too.
        seed: Of the placement.
        freq: Clock that nextpnr tries to reach, MHz.
        timeout: Longest time of one run of a program, seconds; None for no limit.
        jobs: Programs at a time; None for one a core.
        anyway: Run also where the prediction says that it does not fit.
    """

    place: bool = False
    stages: bool = True
    seed: int = 1
    freq: float = 100.0
    timeout: float | None = None
    jobs: int | None = None
    anyway: bool = False

    def check(self) -> None:
        """Errors: ``cli.bad-value``."""
        numbers = {"freq": self.freq, "timeout": self.timeout, "jobs": self.jobs}
        wrong = [
            UserError(
                "cli.bad-value",
                f"--{name} is too small",
                where=f"--{name} {value:g}",
                why="expected a number above 0",
                fix=(f"give --{name} a number above 0",),
            )
            for name, value in numbers.items()
            if value is not None and not value > 0
        ]
        raise_all(wrong)
