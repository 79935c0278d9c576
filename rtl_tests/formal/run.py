"""``gatesmith prove``: proofs one after the other, and what they found.

One solver at a time: a proof that does not fit into the memory and time of one processor is not
made better by another that competes with it.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from gatesmith.errors import UserError
from gatesmith.rtl_tests.formal.blocks import Block
from gatesmith.rtl_tests.formal.netlist import reset_verdict
from gatesmith.rtl_tests.formal.proof import FAILED, TOLD, UNDECIDED, Proof, Verdict
from gatesmith.rtl_tests.formal.solve import solve
from gatesmith.rtl_tests.formal.tools import Tools, find_tools

Progress: TypeAlias = Callable[[str, int, int], None]
FALLBACK = 10
"""Cycles that are looked at where the solver finds no end in time."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A stage of a build that nothing was proven about, and why."""

    stage: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Proved:
    """All verdicts.

    Attributes:
        verdicts: On every property of every instance, in order.
        skipped: Stages without one.
        tools: What proved.
        seconds: Wall time.
    """

    verdicts: tuple[Verdict, ...]
    skipped: tuple[Skipped, ...]
    tools: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing is undecided."""
        return not any(v.verdict in (FAILED, UNDECIDED) for v in self.verdicts)

    def as_json(self) -> dict[str, Any]:
        """What ``gatesmith prove --json`` prints."""
        return {
            "ok": self.ok,
            "counts": dict(sorted(Counter(v.verdict for v in self.verdicts).items())),
            "properties": [{**v.as_json(), "told": TOLD[v.property]} for v in self.verdicts],
            "skipped": [{"stage": s.stage, "why": s.why} for s in self.skipped],
            "tools": list(self.tools),
            "seconds": round(self.seconds, 1),
        }


def prove(
    blocks: Sequence[Block],
    progress: Progress,
    *,
    only: str | None = None,
    timeout: float = 120.0,
    traces: Path | None = None,
    skipped: Sequence[Skipped] = (),
) -> Proved:
    """Prove every block.

    Args:
        blocks: What is to be proven.
        progress: Told what is being done.
        only: Those whose name has this in it.
        timeout: Seconds for one solver; behind it the first FALLBACK cycles are looked at.
        traces: Folder for counterexamples; made where there are any.
        skipped: Stages that no proof is made of.

    Errors: ``prove.*``, ``cli.bad-value``, ``synth.failed``, ``synth.no-cache``.
    """
    if timeout < 1:
        raise UserError(
            "cli.bad-value",
            "a solver needs some time",
            where=f"--timeout {timeout:g}",
            why="expected 1 second or more",
            fix=("give more seconds, or leave it out",),
        )
    tools = find_tools()
    chosen = [block for block in blocks if only is None or only.lower() in block.name.lower()]
    if not chosen and only is not None:
        raise UserError(
            "prove.nothing",
            "no block has that in its name",
            where=f"--only {only}",
            why=f"there are {', '.join(sorted({b.name.split()[0] for b in blocks}))}",
            fix=("give a part of one of these names, or leave --only out",),
        )
    started = time.monotonic()
    verdicts: list[Verdict] = []
    for number, block in enumerate(chosen):
        progress("proofs", number, len(chosen))
        verdicts += _one(block.make(), tools, timeout)
    progress("proofs", len(chosen), len(chosen))
    kept = [_keep(verdict, traces) for verdict in verdicts]
    seconds = time.monotonic() - started
    return Proved(tuple(kept), tuple(skipped), tools.versions, seconds)


def _one(proof: Proof, tools: Tools, timeout: float) -> list[Verdict]:
    found = solve(proof, tools, timeout)
    if proof.depth is None and any(v.verdict == UNDECIDED for v in found):
        bounded = solve(replace(proof, depth=FALLBACK), tools, timeout)
        better = {v.property: v for v in bounded}
        found = [better[v.property] if v.verdict == UNDECIDED else v for v in found]
    if proof.data:
        found.append(reset_verdict(proof, proof.data, tools.versions[1]))
    return found


def _keep(verdict: Verdict, traces: Path | None) -> Verdict:
    """A counterexample beside what it is about, where it is not forgotten."""
    if verdict.trace is None or traces is None or not verdict.trace.endswith(".vcd"):
        return verdict
    name = "".join(c if c.isalnum() else "_" for c in f"{verdict.block}_{verdict.instance}")
    traces.mkdir(parents=True, exist_ok=True)
    target = traces / f"{name}_{verdict.property}.vcd"
    shutil.copyfile(verdict.trace, target)
    return replace(verdict, trace=str(target))
