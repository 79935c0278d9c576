"""From the runs of a core to what is wrong first: data, protocol; and time, which is told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gatesmith.rtl_tests.regress.case import Case
from gatesmith.rtl_tests.regress.rtl_batch import Ran
from gatesmith.templates.tb import shards
from gatesmith.templates.tb.bench import timing


def rtl_failure(case: Case, runs: Sequence[Ran]) -> dict[str, Any] | None:
    """What was wrong first in the RTL; None if nothing was."""
    for run in runs:
        if run.first is not None:
            return {"engine": "rtl", "run": run.job, **run.first}
    return None


def off_schedule(build: Mapping[str, Any], plain: Ran) -> dict[str, Any] | None:
    """Where interval or latency is not what build.json predicts; bits are right even so."""
    found = timing(plain.times)
    interval, latency = int(build["interval"]), int(build["latency"])
    if build["data_dependent"]:
        late = shards.late(build, [found])
        if late is not None and late > 0:
            return _late("late", 0, late)
        return None
    if found["intervals"] is not None:
        least, most, *_ = found["intervals"]
        if (least, most) != (interval, interval):
            return _late("interval", interval, most if most != interval else least)
    if found["latency"] is not None and found["latency"] != latency:
        return _late("latency", latency, int(found["latency"]))
    return None


def _late(kind: str, expected: int, found: int) -> dict[str, Any]:
    return {"engine": "timing", "run": "plain", "kind": kind, "expected": expected, "found": found}
