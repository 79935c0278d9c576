"""Mutants of three generated cores: docs/mutation.md and benchmarks/results/mutation.json.

    python benchmarks/mutation.py [--only NAME] [--mutants N] [--no-prove] [--page]

Builds each core, runs ``gatesmith mutate`` on it, and writes the tables behind the words of
docs/mutation.md. Models and proofs are kept in the cache, so that it can be stopped and started
again. Why a survivor survives is said in benchmarks/mutation_survivors.toml, by its key.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gatesmith
from gatesmith.rtl_tests.mutation.mutant import KINDS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/mutation.json"
EXPLAINED = ROOT / "benchmarks/mutation_survivors.toml"
PAGE = ROOT / "docs/mutation.md"
MARK = "<!-- from here on: python benchmarks/mutation.py -->"
DESIGNS: Mapping[str, dict[str, Any]] = {
    "digits": {
        "about": "digits_2w2a, folded: 2-bit dense layers, thresholds, width converters",
        "model": "examples/digits/digits_2w2a.onnx",
        "build": {"cycles": 300, "input_spec": "u5:1/16"},
    },
    "mobile": {
        "about": "depthwise and pointwise convolutions, asymmetric pads, global average pool",
        "model": "examples/exported/mobile.onnx",
        "build": {"cycles": 2000},
    },
    "residual": {
        "about": "4-bit ResNet: forks, joins, FIFOs, and one layer with its weights as wires",
        "model": "examples/exported/residual.onnx",
        "build": {"cycles": 4000, "unroll": ["blocks_blocks_1_shortcut_shortcut_0_Conv"]},
    },
}


def main() -> None:
    """Build, mutate and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=DESIGNS, help="one of the designs")
    parser.add_argument("--mutants", type=int, default=180, help="of each design")
    parser.add_argument("--seed", type=int, default=1, help="of their choice")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for one solver")
    parser.add_argument("--no-prove", action="store_true", help="survivors stay unproven")
    parser.add_argument("--page", action="store_true", help="only write docs/mutation.md")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    names = () if asked.page else (asked.only,) if asked.only else tuple(DESIGNS)
    for name in names:
        found[name] = mutated(name, asked)
        written = {key: found[key] for key in DESIGNS if key in found}
        RESULTS.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    page(found)


def mutated(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """One design."""
    about = DESIGNS[name]
    with tempfile.TemporaryDirectory() as away:
        folder = Path(away) / name
        gatesmith.build(ROOT / about["model"], folder, **about["build"])
        result = gatesmith.mutate(
            folder,
            mutants=asked.mutants,
            seed=asked.seed,
            prove=not asked.no_prove,
            timeout=asked.timeout,
            progress=told,
        )
    return {"about": about["about"], **result.as_json()}


def told(what: str, done: int, total: int) -> None:
    """Progress, for a log."""
    if done == total or done % 20 == 0:
        print(what, done, total, file=sys.stderr, flush=True)


def page(found: Mapping[str, dict[str, Any]]) -> None:
    """The tables, behind the mark."""
    words = PAGE.read_text("utf-8").split(MARK)[0]
    reasons = tomllib.loads(EXPLAINED.read_text("utf-8"))
    columns = ("mutants", "stillborn", "killed", "equivalent", "survivors")
    lines = ["## Designs", "", "| design | | " + " | ".join(columns) + " | killed |"]
    lines.append("| --- | --- |" + " ---: |" * 6)
    totals = dict.fromkeys(columns, 0)
    for name, one in found.items():
        numbers = " | ".join(str(one[key]) for key in columns)
        rate = f"{100 * one['kill_rate']:.1f} %"
        lines.append(f"| {name} | {one['about']} | {numbers} | {rate} |")
        for key in columns:
            totals[key] += one[key]
    able = totals["mutants"] - totals["equivalent"]
    numbers = " | ".join(str(totals[key]) for key in columns)
    lines.append(f"| in all | | {numbers} | {100 * totals['killed'] / max(1, able):.1f} % |")
    lines += ["", "## Kinds", "", "| kind | | mutants | killed | equivalent |"]
    lines.append("| --- | --- |" + " ---: |" * 3)
    for kind, words_of in KINDS.items():
        rows = [one["kinds"].get(kind, {}) for one in found.values()]
        sums = [sum(row.get(key, 0) for row in rows) for key in ("mutants", "killed", "equivalent")]
        if sums[0]:
            told = words_of.replace("|", "\\|")
            lines.append(f"| {kind} | {told} | {' | '.join(map(str, sums))} |")
    lines += ["", "## Equivalent mutants", "", *_mutants(found, "equivalents", None)]
    lines += ["", "## Survivors", "", *_mutants(found, "surviving", reasons)]
    PAGE.write_text(f"{words}{MARK}\n\n" + "\n".join(lines) + "\n", "utf-8")


def _mutants(
    found: Mapping[str, dict[str, Any]], key: str, reasons: Mapping[str, str] | None
) -> list[str]:
    lines = ["| where | change | " + ("why" if reasons is not None else "shown by") + " |"]
    lines.append("| --- | --- | --- |")
    for one in found.values():
        for row in one[key]:
            change = f"`{_code(row['before'])}` to `{_code(row['after'])}`"
            proof = f"{row['how']} on the {row['level']}"
            why = proof if reasons is None else reasons.get(row["key"], f"open ({row['verdict']})")
            lines.append(f"| {row['file']}:{row['line']} | {change} | {why} |")
    return lines if len(lines) > 2 else ["None."]


def _code(text: str) -> str:
    words = " ".join(text.split()).replace("|", "\\|")
    return words if len(words) <= 60 else f"{words[:28]} … {words[-28:]}"


if __name__ == "__main__":
    main()
