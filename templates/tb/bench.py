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
    "frame-error",  # frame_error is high without a wrong tlast, or low behind one
    "stuck",  # nothing moved for +patience cycles
    "valid-in-reset",
    "stream",  # the sum over a frame of a stream inside the core differs
)


def timing(lines: Iterable[str]) -> dict[str, Any]:
    """What times.txt tells: frames that are good, by output and in all, interval and latency.

    The interval is that between the ends of frames once the pipeline is full: from the frame on
    that came in when the first result had gone out; where there are too few frames for that, every
    pair counts, and ``steady`` is false. ``intervals`` are the shortest, the longest, how many
    there are and their sum; ``ends`` is when each frame ended, in cycles from the first beat on.
    """
    first_in: dict[int, int] = {}
    ends: dict[int, int] = {}
    bad: dict[int, set[int]] = {}
    delivered: dict[int, int] = {}
    resets: list[dict[str, Any]] = []
    for line in lines:
        kind, *numbers = line.split()
        frame, number, *flag = map(int, numbers)
        if kind == "i":
            first_in[frame] = number
        elif kind == "o":
            ends[frame] = number
        elif kind == "b":
            bad.setdefault(number, set()).add(frame)
        elif kind == "e":
            delivered[number] = frame
        else:
            resets.append({"frame": frame, "cycle": number, "mid_frame": flag == [1]})
    start = min(first_in, default=0)
    wrong = set().union(*bad.values())
    result: dict[str, Any] = {
        "good": [frame for frame in sorted(ends) if frame not in wrong],
        "outputs": [
            {"delivered": delivered[k], "bad": sorted(bad.get(k, ()))} for k in sorted(delivered)
        ],
        "resets": resets,
        "latency": None,
        "intervals": None,
        "steady": False,
        "ends": [],
    }
    if start in ends and not resets:
        result["latency"] = ends[start] - first_in[start]
        full = sum(cycle <= ends[start] for cycle in first_in.values())
        steps = [ends[f] - ends[f - 1] for f in sorted(ends) if f - 1 in ends]
        steady = steps[full:]
        result["steady"] = bool(steady)
        counted = steady or steps
        if counted:
            result["intervals"] = [min(counted), max(counted), len(counted), sum(counted)]
        result["ends"] = [ends[frame] - first_in[start] for frame in sorted(ends)]
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
        kind, port = KINDS[int(dut.first_kind.value)], int(dut.first_port.value)
        is_output = kind != "stream" and 0 <= port < len(result["outputs"])
        result["first"] = {
            "kind": kind,
            "output": port if is_output else None,
            "stream": port if kind == "stream" else None,
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
    """Every frame of the input files gives exactly the beats of the expected ones."""
    await Timer(1, "ns")
    poll = int(cocotb.plusargs.get("poll", POLL_CYCLES)) * CYCLE_NS
    dut.start.value = 1
    while not int(dut.done.value):
        await Timer(poll, "ns")
        replace("progress.txt", f"{int(dut.out_frame.value)}\n")
    result = judge(dut)
    replace("result.json", json.dumps(result) + "\n")
    assert result["errors"] == 0, f"{result['errors']} errors, first: {result['first']}"
