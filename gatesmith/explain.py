"""Why a design is as it is: what limits it, what the next step would cost, the whole curve.

As JSON (``folding`` in build.json, ``gatesmith explore --json``):

    asked       the target in the words of the options
    cycles      most cycles a frame that a stage was allowed
    interval    cycles a frame of the slowest stage
    proven      the cheapest, or the fastest within the limits, FIFOs aside; null: not known
    gap         within limits: what a cheaper design could save at most, a part of the price
    limits      most of each resource, or null
    used        what the design takes, FIFOs included: lut, ff, dsp, bram (18 kbit), ram_bits
    limiting    stages that take ``interval`` cycles: faster only with a faster one of these
    faster      the cheapest design at the next fewer cycles: interval, what it takes more, and
                layers whose fold changes, or null
    layers      of each matrix-vector unit: how it is built (unit, rom, pe, simd), cycles, amounts
    curve       the cheapest design at each interval: interval, used, limiting; or null

``curve`` and ``faster`` leave FIFOs out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatesmith.codegen.design import Design
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.fold_model import Choice, Memory
from gatesmith.codegen.fold_search import curve, faster, intervals
from gatesmith.codegen.fork import ForkStage
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.folding import WORDS, Folded, used

POINTS = 96
"""Intervals of a curve; where more of them matter, these are spread evenly in the logarithm."""

BETWEEN = (FifoStage, ForkStage, SkidBufferStage, WidthConverterStage)
"""Stages that are as fast as what is around them."""


def explained(folded: Folded, *, with_curve: bool) -> dict[str, Any]:
    """All of it.

    Args:
        folded: A design that was chosen.
        with_curve: Whether to compute the curve, too.
    """
    choice, memory = folded.choice, folded.memory
    candidates = intervals(memory)
    limits = folded.target.limits
    return {
        "asked": folded.target.said,
        "cycles": choice.cycles,
        "interval": folded.design.interval,
        "proven": folded.proven,
        "gap": round(folded.gap, 4),
        "limits": None if limits is None else dict(limits),
        "used": used(folded.design),
        "limiting": limiting(folded.design),
        "faster": _faster(memory, choice, candidates),
        "layers": _layers(choice),
        "curve": curve_json(memory, candidates) if with_curve else None,
    }


def limiting(design: Design) -> list[str]:
    """Stages that take as many cycles as the design; those that compute, where there are such."""
    slowest = [stage for stage in design if stage.interval == design.interval]
    computing = [stage for stage in slowest if not isinstance(stage, BETWEEN)]
    return [stage.name for stage in computing or slowest]


def curve_json(memory: Memory, candidates: tuple[int, ...]) -> list[dict[str, Any]]:
    """The points of the curve, the fastest first."""
    return [
        {
            "interval": choice.interval,
            **amounts(choice),
            "limiting": [
                node.name for node, t in choice.taken.items() if t.cycles == choice.interval
            ],
            "unrolled": sum(t.fold.unit == "unrolled" for t in choice.taken.values()),
        }
        for choice in curve(memory, candidates, POINTS)
    ]


def amounts(choice: Choice) -> dict[str, int]:
    """What a choice takes, without FIFOs."""
    return {name: choice.of(name) for name in WORDS}


def _faster(memory: Memory, choice: Choice, candidates: tuple[int, ...]) -> dict[str, Any] | None:
    if any(wish.folds for wish in memory.wishes.values()):
        return None  # who sets PE and SIMD sets the speed
    found = faster(memory, choice.interval, candidates)
    if found is None:
        return None
    more = {name: found.of(name) - choice.of(name) for name in WORDS}
    changed = {
        node.name: [str(taken.fold), str(found.taken[node].fold)]
        for node, taken in choice.taken.items()
        if taken.fold != found.taken[node].fold
    }
    return {"interval": found.interval, "more": more, "changed": changed}


def _layers(choice: Choice) -> list[dict[str, Any]]:
    return [
        {
            "name": node.name,
            "unit": taken.fold.unit,
            "rom": taken.fold.rom,
            "pe": taken.fold.pe,
            "simd": taken.fold.simd,
            "cycles": taken.cycles,
            **{name: int(n) for name, n in zip(_NAMES, taken.amounts, strict=False)},
        }
        for node, taken in choice.taken.items()
    ]


_NAMES = ("lut", "ff", "dsp", "bram", "ram_bits")


def in_words(folding: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The explanation for a terminal: a heading and a line each."""
    lines = [("slowest", f"{', '.join(folding['limiting'])}: {folding['interval']:,} cycles")]
    faster_by = folding["faster"]
    if faster_by is not None:
        more = ", ".join(
            f"{amount:+,} {WORDS[name]}"
            for name, amount in faster_by["more"].items()
            if amount and name != "ram_bits"
        )
        changed = "; ".join(f"{name} {a} -> {b}" for name, (a, b) in faster_by["changed"].items())
        lines.append(("next step", f"{faster_by['interval']:,} cycles: {more or 'nothing more'}"))
        lines.append(("", changed))
    if folding["limits"] is not None:
        used_of = ", ".join(
            f"{folding['used'][name]:,} of {most:,} {WORDS[name]}"
            for name, most in folding["limits"].items()
        )
        lines.append(("within", f"{used_of} ({folding['asked']})"))
    if folding["proven"] is False:
        lines.append(("note", f"not proven to be the best: at most {folding['gap']:.1%} dearer"))
    return lines
