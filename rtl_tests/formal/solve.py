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
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

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


def solve(proof: Proof, tools: Tools, seconds: float) -> list[Verdict]:
    """Verdict on each assertion; counterexamples are files of the cache.

    Args:
        proof: What is to be proven.
        tools: What proves it.
        seconds: Longest time of the solver; behind it the verdict is undecided, and not kept.

    Errors: ``prove.failed``, ``synth.no-cache``.
    """
    texts = [text for name in sorted(proof.files) for text in (name, proof.files[name])]
    key = store.digest(FORMAT, *tools.versions, str(proof.depth), proof.harness, *texts)
    try:
        folder = store.kept(key, lambda work: _run(proof, tools, seconds, work), kind="prove")
    except _Undecided:
        method = "pdr" if proof.depth is None else "bmc"
        return [_verdict(proof, name, UNDECIDED, 0, method, None) for name in proof.properties]
    found = json.loads((folder / "verdicts.json").read_text("utf-8"))
    return [
        _verdict(proof, e["property"], e["verdict"], e["depth"], e["method"],
                 e["trace"] and str(folder / e["trace"]))
        for e in found
    ]  # fmt: skip


class _Undecided(Exception):
    """Time is over: nothing to be kept."""


def _verdict(
    proof: Proof, name: str, verdict: str, depth: int | None, method: str, trace: str | None
) -> Verdict:
    return Verdict(proof.block, proof.instance, name, verdict, depth, method, trace)


def _run(proof: Proof, tools: Tools, seconds: float, work: Path) -> None:
    """Run sby in a folder; leaves verdicts.json and traces there."""
    for name, text in proof.files.items():
        (work / name).write_text(text, "utf-8")
    (work / f"{TOP}.sv").write_text(proof.harness, "utf-8")
    (work / "yosys.py").write_text(YOSYS, "utf-8")
    (work / "run.sby").write_text(_script(proof, seconds), "utf-8")
    environment = {k: v.format(folder=work) for k, v in tools.environment.items()}
    log = _call([tools.sby, "-f", "run.sby"], work, {**os.environ, **environment})
    (work / "log.txt").write_text(log, "utf-8")
    if "TIMEOUT" in log.rsplit("DONE", 1)[-1]:
        raise _Undecided
    verdicts = _read(proof, work, log)
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


def _script(proof: Proof, seconds: float) -> str:
    """For sby."""
    bounded = proof.depth is not None
    sources = [name for name in sorted(proof.files) if name.endswith(".sv")]
    lines = ["[options]", f"mode {'bmc' if bounded else 'prove'}", f"timeout {int(seconds)}"]
    lines += ["aigsmt z3"]
    lines += [f"depth {proof.depth}"] if bounded else []
    lines += ["[engines]", "abc bmc3" if bounded else "abc --keep-going pdr", "[script]"]
    lines += [f"read_verilog -formal -sv -defer {' '.join(sources)} {TOP}.sv"]
    # A constant x, as of a slice beyond the end of a vector, is any value, at every edge another.
    lines += [f"prep -flatten -top {TOP}", "techmap t:$shiftx", "setundef -anyseq"]
    return "\n".join([*lines, "[files]", *sorted(proof.files), f"{TOP}.sv", ""])


def _read(proof: Proof, work: Path, log: str) -> list[dict[str, object]]:
    """Verdict on each assertion from what sby left behind."""
    method = "pdr" if proof.depth is None else "bmc"
    report = work / "run" / "run.xml"
    done = re.search(r"DONE \((\w+)", log)
    if done is None or done[1] not in ("PASS", "FAIL") or not report.is_file():
        told = [line for line in log.splitlines() if "ERROR" in line or "error" in line]
        raise UserError(
            "prove.failed",
            f"SymbiYosys gives no verdict on {proof.block}, {proof.instance}",
            where="yowasp-sby",
            why="\n".join(told[-5:] or log.splitlines()[-5:]) or "it says nothing",
            fix=("if the RTL is as gatesmith wrote it, report this with build.json",),
        )
    failed = _failed(report)
    traces = {t.stem.removeprefix("trace").strip("_"): t for t in (work / "run").rglob("*.vcd")}
    found: list[dict[str, object]] = []
    for name in proof.properties:
        if name in failed:
            trace = next(iter(sorted(traces.values())), None) if traces else None
            place = None if trace is None else str(trace.relative_to(work))
            found.append(_entry(name, FAILED, None, method, place))
        elif done[1] == "PASS":
            verdict = PROVEN if proof.depth is None else BOUNDED
            found.append(_entry(name, verdict, proof.depth, method, None))
        else:
            found.append(_entry(name, UNDECIDED, None, method, None))
    return found


def _entry(
    name: str, verdict: str, depth: int | None, method: str, trace: str | None
) -> dict[str, object]:
    return {"property": name, "verdict": verdict, "depth": depth, "method": method, "trace": trace}


def _failed(report: Path) -> set[str]:
    """Assertions that failed, from sby's JUnit file."""
    found = set()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None:
            found.add(case.get("id", ""))
    return found
