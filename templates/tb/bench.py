"""cocotb bench: start tb.sv, wait, judge, write result.json.

The beats move inside the simulator (tb.sv); Python looks in once every few thousand cycles.
Reads only its working directory; needs nothing but cocotb.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import Timer

POLL_CYCLES = 5000  # unless +poll=CYCLES is given
CYCLE_NS = 10  # the clock of tb.sv
KINDS = (
    "none",
    "data",  # an output beat differs
    "tlast",  # tlast is not exactly at the end of a frame
    "extra-beat",  # more output than input calls for
    "unknown",  # an X or Z on tvalid
    "not-held",  # tvalid fell, or data changed, before the beat was taken
    "frame-error",  # the core reports a frame of the wrong length
    "stuck",  # nothing moved for +patience cycles
    "valid-in-reset",
)


def timing(lines: Iterable[str]) -> dict[str, Any]:
    """Interval and latency from times.txt: cycles between the ends of frames, once full.

    The pipeline is full from the frame on that came in when the first result had gone out; where
    there are too few frames for that, every pair counts.
    """
    first_in: dict[int, int] = {}
    ends: dict[int, tuple[int, bool]] = {}
    resets: list[dict[str, Any]] = []
    for line in lines:
        kind, frame, cycle, *flag = line.split()
        if kind == "i":
            first_in[int(frame)] = int(cycle)
        elif kind == "o":
            ends[int(frame)] = (int(cycle), flag[0] == "0")
        else:
            resets.append({"frame": int(frame), "cycle": int(cycle), "mid_frame": flag[0] == "1"})
    result: dict[str, Any] = {
        "good": [frame for frame, (_, good) in sorted(ends.items()) if good],
        "resets": resets,
        "latency": None,
        "intervals": None,
    }
    start = min(first_in, default=0)
    if start in ends and not resets:
        result["latency"] = ends[start][0] - first_in[start]
        full = sum(cycle <= ends[start][0] for cycle in first_in.values())
        steps = [ends[f][0] - ends[f - 1][0] for f in sorted(ends) if f - 1 in ends]
        steady = steps[full:] or steps
        if steady:
            result["intervals"] = [min(steady), max(steady), len(steady)]
    return result


def judge(dut: Any) -> dict[str, Any]:
    """What tb.sv found, as JSON."""
    with open("times.txt", encoding="ascii") as lines:
        result = timing(lines)
    result |= {
        "cycles": int(dut.cycle.value),
        "errors": int(dut.errors.value),
        "first": None,
    }
    if result["errors"]:
        result["first"] = {
            "kind": KINDS[int(dut.first_kind.value)],
            "frame": int(dut.first_frame.value),
            "beat": int(dut.first_beat.value),
            "cycle": int(dut.first_cycle.value),
            "expected": str(dut.first_want.value),
            "found": str(dut.first_found.value),
        }
    return result


def replace(path: str, text: str) -> None:
    """Write whole files only: others read them while this runs."""
    Path(f"{path}.new").write_text(text, encoding="ascii")
    os.replace(f"{path}.new", path)


@cocotb.test()
async def frames_equal_the_reference(dut: Any) -> None:
    """Every frame of input.bin gives exactly the beats of expected.bin."""
    await Timer(1, "ns")
    poll = int(cocotb.plusargs.get("poll", POLL_CYCLES)) * CYCLE_NS
    dut.start.value = 1
    while not int(dut.done.value):
        await Timer(poll, "ns")
        replace("progress.txt", f"{int(dut.out_frame.value)}\n")
    result = judge(dut)
    replace("result.json", json.dumps(result) + "\n")
    assert result["errors"] == 0, f"{result['errors']} errors, first: {result['first']}"
