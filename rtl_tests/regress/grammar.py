"""Draws recipes: a network, how it is built, and what it is run on.

Everything follows from the seed of a run, the number of the network and the number of the attempt
(networks that cannot be built are drawn again): the same seed gives the same networks in the same
order, however many processes there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

from gatesmith.codegen.matrix_units import ROMS, UNITS
from gatesmith.rtl_tests.regress import corpus
from gatesmith.rtl_tests.regress.kinds import KINDS, SIZES, WIDTHS, draw_quant, pick
from gatesmith.rtl_tests.regress.recipe import GRAMMAR, Recipe, Step

MOST_STEPS = 5
SPECS = (
    "u1:1",
    "u4:1/16",
    "u8:1/255",
    "i4:0.5",
    "i8:1/8:3",
    "bipolar:1",
    "ternary:0.5",
    "u5:1/3:2",
)
CYCLES = (1, 2, 5, 10, 30, 100, 300, 1000, 3000)
WORDS = (*UNITS, *ROMS)


def draw(seed: int, number: int, attempt: int = 0) -> Recipe:
    """The recipe of a network of a run.

    >>> draw(1, 7) == draw(1, 7), draw(1, 7) == draw(2, 7)
    (True, False)
    """
    rng = np.random.default_rng([seed, number, attempt])
    own = int(rng.integers(1 << 31))
    family = _family(rng)
    if family != GRAMMAR:
        traits: dict[str, Any] = corpus.FAMILIES[family][1](rng)
        options = {**_options(rng, range(6)), **_reloads(own)}
        if family == "exits":
            options = {**options, "exit_at": f"early:{traits.pop('margin')}"}
        return Recipe(family, own, traits=traits, options=options, frames=int(rng.integers(4, 11)))
    traits = {"dyadic": bool(rng.integers(2)), "dialect": pick(rng, ("qonnx",) * 5 + ("qdq",))}
    steps = _steps(rng)
    if rng.random() < 0.12 and len(steps) > 1:
        traits["taps"] = [steps[int(rng.integers(len(steps) - 1))].number]
    return Recipe(
        family,
        own,
        _shape(rng),
        _given(rng, steps, traits),
        traits,
        steps,
        {**_options(rng, range(len(steps) + 2)), **_reloads(own)},
        frames=int(rng.integers(4, 13)),
    )


def _family(rng: Generator) -> str:
    left = rng.random()
    for name, share in corpus.families():
        left -= share
        if left < 0:
            return name
    return GRAMMAR


def _shape(rng: Generator) -> tuple[int, ...]:
    channels = pick(rng, (1, 2, 3, 3, 4, 5, 6, 8))
    match pick(rng, (1, 2, 3, 3, 3)):
        case 1:
            return (pick(rng, WIDTHS),)
        case 2:
            return (channels, pick(rng, SIZES))
        case _:
            return (channels, pick(rng, SIZES), pick(rng, SIZES))


def _given(rng: Generator, steps: tuple[Step, ...], traits: dict[str, Any]) -> dict[str, Any]:
    several = any(step.kind == "second" for step in steps)
    if rng.random() < 0.35 and not several and traits["dialect"] == "qonnx":
        return {"spec": pick(rng, SPECS)}
    return {**draw_quant(rng), "zero": 0}


def _steps(rng: Generator) -> tuple[Step, ...]:
    names = [name for name, kind in KINDS.items() if not kind.last]
    shares = np.array([KINDS[name].share for name in names])
    count = int(rng.integers(1, MOST_STEPS + 1))
    found = []
    for number in range(count):
        name = str(rng.choice(names, p=shares / shares.sum()))
        found.append(Step(name, number, KINDS[name].draw(rng), draw_quant(rng)))
    if not any(step.kind in ("conv", "dense") for step in found) or rng.random() < 0.4:
        found.append(Step("dense", count, KINDS["dense"].draw(rng), draw_quant(rng)))
    end = rng.random()
    if end < 0.3 and found[-1].kind in ("conv", "dense", "pool", "join"):
        found[-1] = Step(found[-1].kind, found[-1].number, found[-1].args, None)
    elif end < 0.5:
        name = pick(rng, ("argmax", "top"))
        found.append(Step(name, count + 1, KINDS[name].draw(rng), None))
    return tuple(found)


def _options(rng: Generator, layers: range) -> dict[str, Any]:
    """Options of the build; what a layer cannot be is left out when it is built (case.py)."""
    options: dict[str, Any] = {}
    how = rng.random()
    if how < 0.75:
        options["cycles"] = pick(rng, CYCLES)
    elif how < 0.82:
        options |= {"latency_us": pick(rng, (0.3, 1.0, 5.0)), "clock_mhz": 100.0}
    elif how < 0.88:
        options["budget"] = pick(rng, ("lut=800", "lut=3000", "lut=20000,dsp=8"))
    else:
        options["by_hand"] = {str(k): int(rng.integers(1 << 16)) for k in layers}
    if rng.random() < 0.55:
        options["fold"] = {str(k): pick(rng, WORDS) for k in layers if rng.random() < 0.7}
    if rng.random() < 0.1:
        options["unroll"] = "all"
    if rng.random() < 0.2:
        options["input_lanes"] = pick(rng, (1, 2, 3, 4, 6))
    return options


def _reloads(seed: int) -> dict[str, Any]:
    """Options of one network in eight, so that it becomes another one while it runs."""
    if np.random.default_rng([seed, 3]).random() < 0.125:
        return {"registers": True, "reloadable": "all"}
    return {}
