"""Time of a call: warm-up, then many samples, of which the median and the quartiles are told.

A sample is one call, or as many as take :data:`SAMPLE` seconds where a call is shorter: the clock
and the loop around it must not count. Medians hold where other work runs on the machine; the
smallest sample says what an idle one would do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SAMPLE = 5e-4
"""Seconds a sample at least."""

LEAST, MOST = 5, 10_000
"""Samples, however long or short they are."""

WARM = 0.2
"""Of the time, for warming up."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds a call.

    Attributes:
        median: Of the samples.
        low: First quartile.
        high: Third quartile.
        least: Smallest.
        samples: How many.
        calls: In all, without those that warmed up.
    """

    median: float
    low: float
    high: float
    least: float
    samples: int
    calls: int


def measure(call: Callable[[], object], seconds: float) -> Timing:
    """Time ``call`` for about ``seconds``; longer where five samples take longer."""
    inner = _warm(call, seconds * WARM)
    found: list[float] = []
    end = time.perf_counter() + seconds * (1 - WARM)
    while len(found) < LEAST or (time.perf_counter() < end and len(found) < MOST):
        found.append(sample(call, inner))
    low, median, high = (float(q) for q in np.quantile(found, (0.25, 0.5, 0.75)))
    return Timing(median, low, high, min(found), len(found), len(found) * inner)


def sample(call: Callable[[], object], inner: int) -> float:
    """Seconds a call, of ``inner`` calls in a row."""
    numbers = range(inner)
    begin = time.perf_counter()
    for _ in numbers:
        call()
    return (time.perf_counter() - begin) / inner


def _warm(call: Callable[[], object], seconds: float) -> int:
    """Call for some time; how many calls make a sample."""
    call()  # the first one allocates, compiles, tunes
    begin, calls = time.perf_counter(), 0
    while calls < 2 or time.perf_counter() - begin < seconds:
        call()
        calls += 1
    each = (time.perf_counter() - begin) / calls
    return max(1, round(SAMPLE / each))
