"""What the user allows a network to cost, and how good it has to be.

Text form: parts with commas between them.

    lut=20000  lut<=20k      at most so many; also ff, dsp, ram_bits, weight_bits, cycles
    accuracy>=97             percent
    accuracy>=float-0.5      at most so many points below the float network

Suffixes k and M are 10**3 and 10**6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from gatesmith.errors import UserError, raise_all
from gatesmith.quant.mixed.cost import RESOURCES, Cost

OPTION = "--budget"
_NUMBER = r"\d+(?:\.\d+)?"
_LIMIT = re.compile(rf"({_NUMBER})([kM]?)")
_FLOOR = re.compile(rf"({_NUMBER})%?")
_DROP = re.compile(rf"float(?:-({_NUMBER}))?")
_PART = re.compile(r"([a-zA-Z_]+)\s*(<=|>=|==|=|<|>)\s*(.*)")
_FACTOR = {"": 1, "k": 1000, "M": 1_000_000}


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of a design.

    Attributes:
        limits: Most of a resource, by its name in RESOURCES.
        accuracy: Least accuracy, 0 to 1; None when it is not asked for.
        drop: Most that the accuracy may lie below the float network's, 0 to 1; None when it is not
            asked for.
        text: How the user wrote it.

    >>> Budget.parse("lut=20k,accuracy>=97")
    Budget(limits={'lut': 20000}, accuracy=0.97, drop=None, text='lut=20k,accuracy>=97')
    """

    limits: Mapping[str, int] = field(default_factory=dict)
    accuracy: float | None = None
    drop: float | None = None
    text: str = ""

    @classmethod
    def parse(cls, text: str, known: Sequence[str] = RESOURCES) -> Budget:
        """Read the text form. Errors: ``cli.budget``, all of them at once.

        Args:
            text: The limits.
            known: What can be limited.
        """
        limits: dict[str, int] = {}
        floors: dict[str, float] = {}
        errors: list[UserError] = []
        said: dict[str, str] = {}
        for part in text.split(","):
            try:
                name = _read(part.strip(), limits, floors, known)
            except _WrongError as wrong:
                errors.append(_refused(text, part.strip(), str(wrong), known))
                continue
            if name in said:
                why = f'"{said[name]}" says something about {name} already'
                errors.append(_refused(text, part.strip(), why, known))
            said.setdefault(name, part.strip())
        raise_all(errors)
        return cls(limits, floors.get("accuracy"), floors.get("drop"), text)

    def floor(self, float_accuracy: float) -> float | None:
        """Least accuracy, 0 to 1; None when none is asked for."""
        if self.drop is not None:
            return float_accuracy - self.drop
        return self.accuracy

    @property
    def needs_labels(self) -> bool:
        """Whether an accuracy has to be measured."""
        return self.accuracy is not None or self.drop is not None

    def exceeded(self, cost: Cost) -> tuple[str, ...]:
        """Resources of which there is too much."""
        return tuple(name for name, most in self.limits.items() if cost.of(name) > most)


class _WrongError(Exception):
    """Why a part of a budget cannot be read."""


def _read(part: str, limits: dict[str, int], floors: dict[str, float], known: Sequence[str]) -> str:
    """Put what a part says into ``limits`` or ``floors``; the name that it is about."""
    found = _PART.fullmatch(part)
    if found is None:
        raise _WrongError("it is not NAME=NUMBER or accuracy>=PERCENT" if part else "it is empty")
    name, sign, value = found[1].lower(), found[2], found[3].strip()
    if name == "accuracy":
        _read_floor(sign, value, floors)
    elif name in known:
        limits.setdefault(name, _limit(name, sign, value))
    else:
        raise _WrongError(f'"{found[1]}" is nothing that can be limited')
    return name


def _limit(name: str, sign: str, value: str) -> int:
    if sign not in ("=", "<="):
        raise _WrongError(f"of {name} one says the most, with = or <=, not {sign}")
    number = _LIMIT.fullmatch(value)
    if number is None:
        raise _WrongError(f'"{value}" is no number')
    amount = Decimal(number[1]) * _FACTOR[number[2]]
    if amount != amount.to_integral_value():
        raise _WrongError(f'"{value}" is not whole')
    if amount == 0 and name == "cycles":
        raise _WrongError("a frame takes one cycle or more")
    return int(amount)


def _read_floor(sign: str, value: str, floors: dict[str, float]) -> None:
    if sign != ">=":
        raise _WrongError(f"of the accuracy one says the least, with >=, not {sign}")
    number, drop = _FLOOR.fullmatch(value), _DROP.fullmatch(value)
    if number is None and drop is None:
        raise _WrongError(f'"{value}" is neither a percentage nor float-POINTS')
    amount = Decimal((number[1] if number else drop[1] if drop else None) or 0)
    if amount > 100:
        raise _WrongError(f"{amount} is above 100 percent")
    floors.setdefault("accuracy" if number else "drop", float(amount / 100))


def _refused(text: str, part: str, why: str, known: Sequence[str]) -> UserError:
    return UserError(
        "cli.budget",
        f'"{part}" is no part of a budget',
        where=f"{OPTION} {text}",
        why=why,
        fix=(
            f"at most: {', '.join(f'{name}=NUMBER' for name in known)}, with k or M behind it",
            "at least: accuracy>=PERCENT, or accuracy>=float-POINTS below the float network",
            'parts have commas between them: "lut=20k,accuracy>=97"',
        ),
    )
