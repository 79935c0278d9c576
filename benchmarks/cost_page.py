"""docs/costs.md from benchmarks/results/costs.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cost_designs import CALIBRATION, HELD_OUT, ROOT

from gatesmith.codegen.coefficients import COEFFICIENTS, GUESSED

PAGE = ROOT / "docs/costs.md"
INTRO = """\
# What blocks cost: predicted and synthesised

Written by `python benchmarks/costs.py --page` from `benchmarks/results/costs.json` ({yosys},
`synth_xilinx -family xcup -flatten -noiopad -noclkbuf`). LUT is LUT1 to LUT6 and LUTs used as
memory or shift register, FF flip-flops, RAM block RAMs of 18 + 36 kbit. *Predicted* is
`Stage.cost()`, added up over a design, what `build.json` and the folding search go by.

Formulas know from structure: block RAMs and DSP blocks (the rules by which Yosys chooses them:
`codegen/memories.py`, `codegen/arithmetic.py`), LUT-RAM, ROMs in LUTs by their content, registers.
The rest are features, amounts of something, whose price in LUTs is fitted (`codegen/fitted.py`,
`benchmarks/cost_fit.py`), {coefficients} coefficients in all, on {stages} stages of {designs}
networks and {blocks} single blocks. The held-out designs were chosen, with their folds, before;
nothing was fitted to them. Two of the rules (zeros at the end of a constant are not multiplied by;
constant columns of a ROM are not stored) were added when a held-out design was off by a block.

## Held-out designs

The whole design, flattened, against the sum of its stages' predictions.

"""
HEAD = (
    *("design", "what", "frame every", "LUT", "predicted", "error", "FF", "predicted", "error"),
    *("DSP", "predicted", "RAM", "predicted"),
)
AFTER = """
{verdict}

The whole is not the sum of its stages: logic is shared across borders, and a path that is the
longest of its stage may have time to spare in the design, so that abc9 saves area there. The sum of
the stages synthesised by themselves is {sums} the whole.

## By kind of stage

Stages by themselves: error of the sum, and mean of the errors' magnitudes over the sum of LUTs.

"""
KINDS = (
    "kind",
    "held out",
    "LUT",
    "error",
    "magnitude",
    "calibration",
    "LUT",
    "error",
    "magnitude",
)
BLOCKS = """
## Block RAMs and DSP blocks, stage by stage

Of {rows} stages and blocks, {exact} have exactly the predicted block RAMs and DSP blocks
({with_any} have any).

## Coefficients

LUTs of a feature; names as in the formulas. A guess is one that no synthesised block has yet.

"""
LIMITS = """
## What it is not

Yosys' figures, not a vendor's, and of synthesis only. Units for pruned weights, coded memories,
softmax, layer norm, exits and gates keep formulas by hand, beside the features that they share.
Other families are not calibrated: on ECP5 a LUT has four inputs, and the same stages take other
numbers. Logic depth is not predicted. Carry cells are counted from the widths of additions and
comparisons and come out low (`carry` in `benchmarks/results/costs.json`): Yosys makes chains also
of what it adds up otherwise. Counts hang a little on names and order of cells, for a design of
1,200 LUTs about 1 %.
"""


def page(found: dict[str, Any]) -> None:
    """Write docs/costs.md."""
    PAGE.write_text(text_of(found), "utf-8")


def text_of(found: dict[str, Any]) -> str:
    """Of docs/costs.md."""
    designs = {name: found["designs"].get(name, {}) for name in HELD_OUT}
    done = {name: row for name, row in designs.items() if "whole" in row}
    calibration = [
        found["designs"][n] for n in CALIBRATION if "stages" in found["designs"].get(n, {})
    ]
    text = INTRO.format(
        yosys=found["yosys"],
        coefficients=len(COEFFICIENTS),
        stages=sum(len(row["stages"]) for row in calibration),
        designs=len(calibration),
        blocks=sum(map(len, found["blocks"].values())),
    )
    text += _line(*HEAD) + _line(*("---" for _ in HEAD))
    for name, row in done.items():
        text += _line(name, HELD_OUT[name].told, f"{row['interval']:,}", *_whole(row["whole"]))
    if rest := [name for name in HELD_OUT if name not in done]:
        text += f"\nHeld out too, and not yet synthesised: {', '.join(rest)}.\n"
    text += AFTER.format(verdict=verdict(done), sums=_sums(done))
    text += _kinds(list(_stages(done.values())), [*_stages(calibration), *_blocks(found)])
    rows = [*_stages(found["designs"].values()), *_blocks(found)]
    text += BLOCKS.format(
        rows=len(rows),
        exact=sum(exact(row["found"], row["predicted"]) for row in rows),
        with_any=sum(any(row["found"][key] for key in EXACT) for row in rows),
    )
    text += _line("feature", "LUT") + _line("---", "---")
    for name, value in sorted(COEFFICIENTS.items()):
        text += _line(f"`{name}`", f"{value:g}{', a guess' if name in GUESSED else ''}")
    return text + LIMITS


EXACT = ("dsp", "ramb18", "ramb36")


def exact(found: dict[str, int], predicted: dict[str, int]) -> bool:
    """Whether DSP blocks and block RAMs are as predicted."""
    return all(found[key] == predicted[key] for key in EXACT)


def luts(found: dict[str, int]) -> int:
    """All LUTs."""
    return found["logic"] + found["memory"]


def error(found: float, predicted: float) -> str:
    """In percent, with a sign."""
    return f"{100 * (predicted / found - 1):+.1f} %" if found else ""


def verdict(done: dict[str, Any]) -> str:
    """How far off the LUTs of the designs are, and how many have exact RAMs and DSPs."""
    whole = [row["whole"] for row in done.values()]
    errors = [abs(w["predicted"]["lut"] / luts(w["found"]) - 1) for w in whole]
    right = sum(exact(w["found"], w["predicted"]) for w in whole)
    within = sum(e <= 0.1 for e in errors)
    return (
        f"{within} of {len(whole)} within 10 % in LUTs, mean {100 * sum(errors) / len(errors):.1f}"
        f" %, worst {100 * max(errors):.1f} %; block RAMs and DSP blocks exact in {right}."
    )


def _whole(row: dict[str, Any]) -> list[Any]:
    found, said = row["found"], row["predicted"]
    count = luts(found)
    return [
        *(count, said["lut"], error(count, said["lut"])),
        *(found["ff"], said["ff"], error(found["ff"], said["ff"])),
        *(found["dsp"], said["dsp"]),
        *(f"{f['ramb18']} + {f['ramb36']}" for f in (found, said)),
    ]


def _sums(done: dict[str, Any]) -> str:
    """Ratios of the stages' sum to the whole."""
    ratios = [
        sum(luts(stage["found"]) for stage in row["stages"]) / luts(row["whole"]["found"])
        for row in done.values()
        if "stages" in row
    ]
    return f"{min(ratios):.2f} to {max(ratios):.2f} times" if ratios else "near"


def _stages(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield from row.get("stages", ())


def _blocks(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for rows in found["blocks"].values():
        yield from rows


def _kinds(held: list[dict[str, Any]], fitted: list[dict[str, Any]]) -> str:
    text = _line(*KINDS) + _line(*("---" for _ in KINDS))
    for kind in sorted({row["kind"] for row in (*held, *fitted)}):
        values: list[Any] = [kind]
        for rows in (held, fitted):
            own = [row for row in rows if row["kind"] == kind]
            there = sum(luts(row["found"]) for row in own)
            said = sum(row["predicted"]["lut"] for row in own)
            away = sum(abs(row["predicted"]["lut"] - luts(row["found"])) for row in own)
            share = f"{100 * away / there:.1f} %" if there else ""
            values += [len(own), there, error(there, said), share]
        text += _line(*values)
    return text


def _line(*values: Any) -> str:
    texts = [f"{value:,}" if isinstance(value, int) else str(value) for value in values]
    return f"| {' | '.join(texts)} |\n"
