"""How the ratio rises to its final value while a network is pruned and trained.

one-shot          all at once, then training
iterative:N       N equal steps with training behind each (Han et al., 2015)
gradual[:SHARE]   final * (1 - (1 - t)**3) while training, t from 0 to 1 in the first SHARE
                  (0.75) of it (Zhu and Gupta, 2017, "To prune, or not to prune")
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from gatesmith.errors import UserError

_TEXT = re.compile(r"(one-shot)|iterative:(\d{1,4})|gradual(?::(\d?\.\d{1,6}|\d))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule.

    Attributes:
        kind: ``one-shot``, ``iterative`` or ``gradual``.
        rounds: Times that the network is pruned; 0 of gradual: all the while.
        share: Of the training in which the ratio of gradual rises.

    >>> Schedule.parse("iterative:3").rounds, str(Schedule.parse("gradual:0.5"))
    (3, 'gradual:0.5')
    """

    kind: str
    rounds: int = 1
    share: Fraction = Fraction(1)

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read the text form; UserError cli.bad-schedule."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise _bad_schedule(text, "it is none of one-shot, iterative:N, gradual[:SHARE]")
        if found[1]:
            return cls("one-shot")
        if found[2]:
            if not int(found[2]):
                raise _bad_schedule(text, "there is one step at least")
            return cls("iterative", int(found[2]))
        share = Fraction(found[3] or "0.75")
        if not 0 < share <= 1:
            raise _bad_schedule(text, f"{found[3]} is no share of the training")
        return cls("gradual", 0, share)

    def reached(self, time: Fraction) -> Fraction:
        """Part of the final ratio that holds at a time from 0, the start, to 1, the end."""
        match self.kind:
            case "one-shot":
                return Fraction(1)
            case "iterative":
                return min(Fraction(1), Fraction(int(time * self.rounds) + 1, self.rounds))
            case "gradual":
                return 1 - (1 - min(Fraction(1), time / self.share)) ** 3
            case _:
                raise AssertionError(f"{self.kind}: add it to prune/schedule.py")

    def __str__(self) -> str:
        match self.kind:
            case "iterative":
                return f"iterative:{self.rounds}"
            case "gradual":
                return f"gradual:{float(self.share):g}"
        return self.kind


def ratio_at(schedule: Schedule | str, final: float, step: int, steps: int) -> float:
    """Ratio while step ``step`` of ``steps`` is trained; ``final`` itself at the end.

    Args:
        schedule: Or its text.
        final: The ratio that is wanted.
        step: From 0; ``steps`` and more is the end.
        steps: Epochs, or steps of the optimizer; 0: there is no training.

    >>> [ratio_at("iterative:2", 0.8, step, 4) for step in range(5)]
    [0.4, 0.4, 0.8, 0.8, 0.8]
    >>> [ratio_at("gradual:1", 0.5, step, 2) for step in range(3)]
    [0.0, 0.4375, 0.5]
    """
    plan = Schedule.parse(schedule) if isinstance(schedule, str) else schedule
    reached = plan.reached(Fraction(step, steps) if 0 <= step < steps else Fraction(1))
    return final if reached == 1 else final * float(reached)


def count_at(ratio: float, count: int) -> int:
    """How many of ``count`` a ratio removes: to the nearest, half to even, of what is written.

    >>> count_at(0.8, 10), count_at(0.5, 5)
    (8, 2)
    """
    return round(Fraction(repr(float(ratio))) * count)


def _bad_schedule(text: str, why: str) -> UserError:
    return UserError(
        "cli.bad-schedule",
        f"{text!r} is no schedule",
        where=f"--schedule {text}",
        why=why,
        fix=("one-shot", "iterative:3 for three equal steps", "gradual while training"),
    )
