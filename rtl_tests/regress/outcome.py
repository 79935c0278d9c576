"""What became of one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EQUAL, MISMATCH, CRASH, REFUSED = "equal", "mismatch", "crash", "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one network of a run.

    Attributes:
        number: In the run.
        family: Of its recipe.
        state: ``equal``: every bit of RTL and HLS is the reference's; ``mismatch``; ``crash``: the
            product or a tool ended in something that is no answer; ``refused``: no attempt could
            be built.
        recipe: As Recipe.as_json.
        options: Of the build that stood.
        failure: What was wrong first: ``engine`` (rtl, hls, original, build, timing), ``kind``,
            and more.
        refusals: Code of each attempt that the product refused.
        marks: What the network covers (coverage.py).
        original: Codes ``compared`` with the float model, ``differing``, ``explained``,
            ``unexplained``; or ``skipped``: why they could not be.
        timing: Interval or latency that is not the predicted one: kind, expected, found.
        cycles: Simulated.
        frames: Compared, each in several runs.
        seconds: Of the build, and its share of the batch.
    """

    number: int
    family: str
    state: str
    recipe: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    failure: Mapping[str, Any] | None = None
    refusals: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    original: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] | None = None
    cycles: int = 0
    frames: int = 0
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it needs looking at."""
        return self.state in (MISMATCH, CRASH)

    @property
    def ran(self) -> bool:
        """Whether it went through everything."""
        return self.state in (EQUAL, MISMATCH)

    def signature(self) -> tuple[str, str]:
        """What is the same in two networks that fail for one reason, most probably."""
        failure = self.failure or {}
        kind = str(failure.get("kind"))
        if failure.get("engine") == "build":
            kind = str(failure.get("found", "")).strip().splitlines()[-1][:60]
        return str(failure.get("engine")), kind
