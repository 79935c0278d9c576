"""Every property of every shipped stream block: docs/formal.md and benchmarks/results/formal.json.

    python benchmarks/formal.py [--timeout S] [--page]

Runs ``gatesmith prove`` and writes the table behind the words of docs/formal.md. Verdicts that are
in the cache are not proven again, so that it can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
from itertools import groupby
from pathlib import Path
from typing import Any

from gatesmith.api import prove

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/formal.json"
PAGE = ROOT / "docs/formal.md"
MARK = "<!-- from here on: python benchmarks/formal.py -->"
LEFT_OUT = ("seconds",)


def main() -> None:
    """Prove and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one solver")
    parser.add_argument("--page", action="store_true", help="only write docs/formal.md")
    asked = parser.parse_args()
    if not asked.page:
        found = prove(timeout=asked.timeout, progress=told).as_json()
        kept = {key: value for key, value in found.items() if key not in LEFT_OUT}
        RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")
    page(json.loads(RESULTS.read_text("utf-8")))


def told(what: str, done: int, total: int) -> None:
    """A line a proof."""
    print(f"{what} {done} of {total}", flush=True)


def page(found: dict[str, Any]) -> None:
    """The tables, behind the mark."""
    words = PAGE.read_text("utf-8").split(MARK)[0]
    lines = ["## Properties", "", "| property | |", "| --- | --- |"]
    properties = {entry["property"]: entry["told"] for entry in found["properties"]}
    lines += [f"| `{name}` | {text} |" for name, text in sorted(properties.items())]
    counts = ", ".join(f"{number} {verdict}" for verdict, number in found["counts"].items())
    lines += ["", "## Verdicts", "", f"{len(found['properties'])} properties: {counts}."]
    lines += [f"With {', '.join(found['tools'])}.", ""]
    lines += ["| block | instance | properties | verdict |", "| --- | --- | --- | --- |"]
    for (block, instance), group in groupby(
        found["properties"], key=lambda entry: (entry["block"], entry["instance"])
    ):
        same: dict[str, list[str]] = {}
        for entry in group:
            same.setdefault(verdict(entry), []).append(entry["property"])
        for text, names in same.items():
            several = len(names) if len(names) > 1 else f"`{names[0]}`"
            lines.append(f"| {block} | {instance} | {several} | {text} |")
    PAGE.write_text(words + MARK + "\n\n" + "\n".join(lines) + "\n", "utf-8")


def verdict(entry: dict[str, Any]) -> str:
    """With its depth."""
    if entry["verdict"] == "proven":
        return "proven" if entry["method"] == "pdr" else f"proven ({entry['method']})"
    cycles = "" if entry["depth"] is None else f", {entry['depth']} cycles"
    return entry["verdict"] + cycles


if __name__ == "__main__":
    main()
