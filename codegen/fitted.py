"""LUTs that follow from structure only up to a factor: features and their coefficients.

What a formula knows exactly (LUT-RAM, ROMs by content, registers, block RAM, DSP blocks) it counts.
The rest it gives as features, amounts of something (bits added, bits compared, bits of counters);
each costs so many LUTs as codegen/coefficients.py says, which ``python benchmarks/costs.py --fit``
writes from synthesised blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gatesmith.codegen.coefficients import COEFFICIENTS

_recorders: list[dict[str, float]] = []
SUM = "luts"
"""Under this name a recording has the LUTs of all its features together, as they were rounded."""


def luts(features: Mapping[str, float]) -> int:
    """LUTs of these features.

    >>> luts({"skid.bit": 8, "skid.one": 1})
    12
    """
    result = round(sum(COEFFICIENTS[name] * amount for name, amount in features.items()))
    for recorder in _recorders:
        for name, amount in (*features.items(), (SUM, result)):
            recorder[name] = recorder.get(name, 0.0) + amount
    return result


@contextmanager
def recording() -> Iterator[dict[str, float]]:
    """Features by name of everything that is asked for meanwhile, added up."""
    found: dict[str, float] = {}
    _recorders.append(found)
    try:
        yield found
    finally:
        _recorders.remove(found)
