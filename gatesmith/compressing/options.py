"""Keys of the tables of a recipe: options of the commands, without their dashes.

They are the fields of each command's Settings, under the names of the command line; what the recipe
says once for all steps (data, input) or takes care of itself (checkpoints, reports) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

RENAMED = {"epochs": "train", "rate": "lr", "round_to": "round", "layers": "layer"}
"""Fields whose option has another name."""

HELD = ("labels", "test", "test_labels", "input_spec", "checkpoint", "report")
"""Fields that are set for all steps."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a key may have.

    Attributes:
        low: Least.
        high: Most; None: any.
        open: Whether ``low`` itself is left out.
    """

    low: float
    high: float | None = None
    open: bool = False

    def __contains__(self, number: float) -> bool:
        above = number > self.low if self.open else number >= self.low
        return above and (self.high is None or number <= self.high)

    def __str__(self) -> str:
        least = f"above {self.low:g}" if self.open else f"{self.low:g} or more"
        return least if self.high is None else f"{self.low:g} to {self.high:g}"


SHARE = Range(0, 1)
RANGES = {
    **dict.fromkeys(("ratio", "energy", "most", "distill", "layer"), SHARE),
    **dict.fromkeys(("round", "cycles", "samples"), Range(1)),
    **dict.fromkeys(("train", "seed"), Range(0)),
    **dict.fromkeys(("lr", "fps", "clock_mhz"), Range(0, open=True)),
    "batch": Range(2),
    "choices": Range(2, 16),
}
"""By key; of lists and tables, of each number in them. The same as the command line's."""


@dataclass(frozen=True, slots=True)
class Option:
    """A key.

    Attributes:
        key: In the recipe.
        field: Of the Settings.
        hint: Type of the field.
    """

    key: str
    field: str
    hint: Any

    def read(self, value: Any) -> Any:
        """The value as the field wants it; ValueError says what was expected."""
        return _fit(self.hint, value, RANGES.get(self.key))


def options(settings: type) -> dict[str, Option]:
    """Options of a Settings class, by key.

    >>> from gatesmith.quantizing.settings import Settings
    >>> sorted(options(Settings))[:4], options(Settings)["train"].field
    (['activations', 'augment', 'batch', 'bf16'], 'epochs')
    """
    hints = get_type_hints(settings)
    found = {}
    for entry in fields(settings):
        if entry.name not in HELD:
            key = RENAMED.get(entry.name, entry.name)
            found[key] = Option(key, entry.name, hints[entry.name])
    return found


def _fit(hint: Any, value: Any, limits: Range | None) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        hint = next(inner for inner in get_args(hint) if inner is not NoneType)
        return _fit(hint, value, limits)
    if origin is tuple:
        return _list(get_args(hint)[0], value, limits)
    if origin is not None and issubclass(origin, Mapping):
        return _table(get_args(hint)[1], value, limits)
    return _single(hint, value, limits)


def _list(hint: Any, value: Any, limits: Range | None) -> tuple[Any, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list, not {shown(value)}")
    found = [_fit(hint, item, limits) for item in value]
    return tuple(sorted(set(found)))


def _table(hint: Any, value: Any, limits: Range | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a table, {{ NAME = ... }}, not {shown(value)}")
    return {name: _fit(hint, item, limits) for name, item in value.items()}


def _single(hint: Any, value: Any, limits: Range | None) -> Any:
    words = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}
    if hint is Path:
        raise AssertionError("paths are set for all steps: add the field to HELD")
    if type(value) is int and hint is float:
        value = float(value)
    if type(value) is not hint:
        raise ValueError(f"expected {words[hint]}, not {shown(value)}")
    if hint is float and not math.isfinite(value):
        raise ValueError(f"expected {words[hint]}, not {shown(value)}")
    if hint in (int, float) and limits is not None and value not in limits:
        raise ValueError(f"expected {limits}, not {shown(value)}")
    return value


def shown(value: Any) -> str:
    """A value of a TOML file, short.

    >>> shown(True), shown("a"), shown({"a": 1})
    ('true', '"a"', 'a table')
    """
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"' if len(value) < 40 else f'"{value[:36]}..."'
        case dict():
            return "a table"
        case list():
            return "a list"
        case _:
            return str(value)
