"""What is to be proven, and what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

PROVEN, BOUNDED, FAILED, UNDECIDED = "proven", "bounded", "failed", "undecided"
TOP = "gs_proof"

TOLD = {
    "valid_holds": "tvalid stays high until the beat is taken",
    "data_stable": "tdata does not change while its beat waits",
    "reset_clears": "tvalid is low behind a reset, whatever was before",
    "nothing_extra": "no beat is given that was not taken: nothing is doubled",
    "nothing_lost": "no more frames are inside than there is room for: nothing is swallowed",
    "in_order": "each element leaves in its place, with the value that the operator gives it",
    "never_stuck": "something moves where every reader takes and every source offers or is done",
    "takes_when_room": "tready is high while there is room",
    "taken_together": "a decision is taken with the first beat of its frame",
    "mark_consistent": "the frame that is followed is where the proof thinks it is",
    "reset_only_control": "no register that data runs through is reset",
    "have_right": "have is high exactly when all that the slot needs was written",
    "ready_right": "ready is high exactly when a place is free",
    "never_both_wait": "the writer and the reader do not wait for each other",
    "counts_fit": "no count leaves its range",
    "sum_right": "the sum is that of the terms so many steps ago",
}
"""Properties in words."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Assertions about one instance of a block.

    Attributes:
        block: Which block.
        instance: Which instance of it.
        module: Its Verilog module.
        files: Text of each file that it needs, by name.
        harness: Text of the module ``gs_proof`` around it.
        depth: Cycles from reset that are looked at; None: all there ever are.
        parameters: Of the instance.
        data: Inputs whose registers must not be reset.
    """

    block: str
    instance: str
    module: str
    files: Mapping[str, str]
    harness: str
    depth: int | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    data: tuple[str, ...] = ()

    @property
    def properties(self) -> list[str]:
        """Names of the assertions, in the order of the text."""
        return re.findall(r"\b(\w+): assert ", self.harness)

    def alone(self, name: str, depth: int) -> Proof:
        """One of the assertions, for the first cycles: the quickest way to a counterexample."""
        lines = self.harness.splitlines()
        kept = [line for line in lines if ": assert " not in line or f" {name}: " in line]
        return replace(self, harness="\n".join(kept) + "\n", depth=depth)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about one property of one instance.

    Attributes:
        block: Which block.
        instance: Which instance.
        property: Which property, a key of TOLD.
        verdict: proven (in every reachable state), bounded (in the first ``depth`` cycles behind a
            reset), failed (after ``depth`` cycles, if that is known), undecided.
        depth: Cycles, or None: unbounded.
        method: ``pdr``, ``bmc``, ``netlist``: how.
        trace: Counterexample (VCD), or None.
    """

    block: str
    instance: str
    property: str
    verdict: str
    depth: int | None
    method: str
    trace: str | None = None

    def as_json(self) -> dict[str, Any]:
        """An entry of ``gatesmith prove --json``."""
        return asdict(self)
