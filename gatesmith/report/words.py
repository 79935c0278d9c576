"""Numbers and options as the text of a report."""

from __future__ import annotations

from typing import Any

NOTHING = "\u2013"

RESOURCES = {
    "lut": "LUT",
    "ff": "FF",
    "dsp": "DSP",
    "block_rams": "block RAMs (18 kbit)",
    "weight_bits": "bits of weight ROM",
    "cycles": "cycles a frame",
    "energy_nj": "energy a frame, nJ",
}
"""What hardware is counted in (gatesmith/pruning/hardware.py), and how it is called."""


def number(value: Any, form: str = ",d") -> str:
    """A number in a format; a dash where there is none."""
    return NOTHING if value is None else format(value, form)


def percent(value: Any) -> str:
    """A share from 0 to 1.

    >>> percent(0.9712)
    '97.12 %'
    """
    return NOTHING if value is None else f"{100 * value:.2f} %"


def points(value: float | None, against: float | None) -> str:
    """Difference in percentage points, with its sign.

    >>> points(0.9312, 0.9), points(0.95, 0.95)
    ('+3.12', '0.00')
    """
    if value is None or against is None:
        return NOTHING
    text = f"{100 * (value - against):+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "\u2212")


def part(value: float | None, whole: float | None) -> str:
    """What is left of a whole, in percent.

    >>> part(41280, 84224), part(1, 0)
    ('49 %', '\u2013')
    """
    if value is None or not whole:
        return NOTHING
    share = 100 * value / whole
    return f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"


def said(value: Any) -> str:
    """An option, as a user would say it."""
    if value is None or value in ((), {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
