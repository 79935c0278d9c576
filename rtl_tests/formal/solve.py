"""One proof, by SymbiYosys.

All assertions of a proof go to ABC together: property directed reachability (Bradley, VMCAI 2011;
Een, Mishchenko, Brayton, FMCAD 2011) for all reachable states, or bounded model checking for the
first cycles. Registers begin with any value (yosys formalff -ff2anyinit), so that what a proof
needs to be reset is reset. Verdicts are kept by the content of what went in.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gatesmith.errors import UserError
from gatesmith.rtl_tests.formal.proof import (
    BOUNDED,
    FAILED,
    PROVEN,
    TOP,
    UNDECIDED,
    Proof,
    Verdict,
)
from gatesmith.rtl_tests.formal.tools import YOSYS, Tools
from gatesmith.synthesis import store

FORMAT = "1"
ASKED = 10
"""Seconds that sby has to stop what it started."""


def solve(proof: Proof, tools: Tools, seconds: float, *, traces: bool = True) -> list[Verdict]:
    """Verdict on each assertion; counterexamples are files of the cache.

    Args:
        proof: What is to be proven.
        tools: What proves it.
        seconds: Longest time of the solver; behind it the verdict is undecided, and not kept.
        traces: Whether counterexamples become waveforms (VCD).

    Errors: ``prove.failed``, ``synth.no-cache``.
    """
    texts = [text for name in sorted(proof.files) for text in (name, proof.files[name])]
    how = (FORMAT, *tools.versions, str(proof.depth), *(() if traces else ("no traces",)))
    script = _script(proof, seconds, traces)
    try:
        folder = store.kept(
            store.digest(*how, re.sub(r"//.*", "", proof.harness), *texts),
            lambda work: _run(proof, tools, script, work),
            kind="prove",
        )
    except _NoEndError:
        return [_verdict(proof, _entry(proof, name, UNDECIDED)) for name in proof.properties]
    found: list[dict[str, Any]] = json.loads((folder / "verdicts.json").read_text("utf-8"))
    for entry in found:
        entry["trace"] = entry["trace"] and str(folder / entry["trace"])
    return [_verdict(proof, entry) for entry in found]


class _NoEndError(Exception):
    """Time is over: nothing to be kept."""


def _entry(
    proof: Proof, name: str, verdict: str, depth: int | None = None, trace: str | None = None
) -> dict[str, Any]:
    method = "pdr" if proof.depth is None else "bmc"
    told = {"verdict": verdict, "depth": depth, "method": method, "trace": trace}
    return {"property": name, **told}


def _verdict(proof: Proof, entry: Mapping[str, Any]) -> Verdict:
    return Verdict(proof.block, proof.instance, **entry)


def _run(proof: Proof, tools: Tools, script: str, work: Path) -> None:
    """Run sby in a folder; leaves verdicts.json and traces there."""
    for name, text in proof.files.items():
        (work / name).write_text(text, "utf-8")
    (work / f"{TOP}.sv").write_text(proof.harness, "utf-8")
    (work / "yosys.py").write_text(YOSYS, "utf-8")
    (work / "run.sby").write_text(script, "utf-8")
    environment = {k: v.format(folder=work) for k, v in tools.environment.items()}
    log = _call([tools.sby, "-f", "run.sby"], work, {**os.environ, **environment})
    (work / "log.txt").write_text(log, "utf-8")
    done = re.search(r"DONE \((\w+)", log)
    if done is not None and done[1] in ("TIMEOUT", "UNKNOWN"):
        raise _NoEndError
    # aiw2yw fails on some counterexamples; that there is one was said before.
    lost = len(proof.properties) == 1 and "was asserted in frame" in log
    if done is None or (done[1] not in ("PASS", "FAIL") and not lost):
        raise _no_verdict(proof, log)
    verdicts = _read(proof, log, passed=done[1] == "PASS")
    (work / "verdicts.json").write_text(json.dumps(verdicts, indent=1) + "\n", "utf-8")


def _call(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """What sby says. It has to be asked to stop: what it starts are groups of their own."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as started:
        try:
            return started.communicate()[0]
        except BaseException:
            started.terminate()
            started.wait(ASKED)
            raise


def _script(proof: Proof, seconds: float, traces: bool) -> str:
    """For sby."""
    bounded = proof.depth is not None
    sources = [name for name in sorted(proof.files) if name.endswith(".sv")]
    lines = ["[options]", f"mode {'bmc' if bounded else 'prove'}", f"timeout {int(seconds)}"]
    lines += [f"vcd {'on' if traces else 'off'}", "aigsmt z3"]
    lines += [*([f"depth {proof.depth}"] if bounded else [])]
    lines += ["[engines]", "abc bmc3" if bounded else "abc --keep-going pdr", "[script]"]
    lines += [f"read_verilog -formal -sv -defer {' '.join(sources)} {TOP}.sv"]
    # A constant x, as of a slice beyond the end of a vector, is any value, at every edge another.
    lines += [f"prep -flatten -top {TOP}", "techmap t:$shiftx", "setundef -anyseq"]
    return "\n".join([*lines, "[files]", *sorted(proof.files), f"{TOP}.sv", ""])


def _read(proof: Proof, log: str, passed: bool) -> list[dict[str, Any]]:
    """Verdict on each assertion from what sby says at its end."""
    if passed:
        verdict = PROVEN if proof.depth is None else BOUNDED
        return [_entry(proof, name, verdict, proof.depth) for name in proof.properties]
    failed: dict[str, tuple[int | None, str | None]] = {}
    trace: str | None = None
    for line in log.splitlines():
        if found := re.search(r"counterexample trace[^:]*: (\S+)", line):
            trace = found[1] if found[1].endswith(".vcd") else None
        elif found := re.search(rf"failed assertion {TOP}\.(\w+) at \S+(?: step (\d+))?", line):
            failed.setdefault(found[1], (int(found[2]) if found[2] else None, trace))
    frame = re.search(r"was asserted in frame (\d+)", log)
    if not failed and frame and len(proof.properties) == 1:  # without a trace sby names none
        failed[proof.properties[0]] = (int(frame[1]), None)
    if not failed:
        raise _no_verdict(proof, log)
    # Where every other assertion was decided too, it was proven.
    others = PROVEN if "Undecided = 0." in log else UNDECIDED
    return [
        _entry(proof, name, FAILED, *failed[name])
        if name in failed
        else _entry(proof, name, others)
        for name in proof.properties
    ]


def _no_verdict(proof: Proof, log: str) -> UserError:
    told = [line for line in log.splitlines() if "error" in line.lower()]
    return UserError(
        "prove.failed",
        f"SymbiYosys gives no verdict on {proof.block}, {proof.instance}",
        where="yowasp-sby",
        why="\n".join((told or log.splitlines())[-5:]) or "it says nothing",
        fix=("if the RTL is as gatesmith wrote it, report this with build.json",),
    )
