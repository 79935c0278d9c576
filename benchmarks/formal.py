"""Every property of every shipped stream block: docs/formal.md and benchmarks/results/formal.json.

    python benchmarks/formal.py [--timeout S] [--page]

Runs ``gatesmith prove`` and writes the table behind the words of docs/formal.md. Verdicts that are
in the cache are not proven again, so that it can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatesmith.pipeline import quiet
from gatesmith.rtl_tests.formal.blocks import shipped
from gatesmith.rtl_tests.formal.proof import TOLD
from gatesmith.rtl_tests.formal.run import prove

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/formal.json"
PAGE = ROOT / "docs/formal.md"
MARK = "<!-- from here on: python benchmarks/formal.py -->"


def main() -> None:
    """Prove and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one solver")
    parser.add_argument("--page", action="store_true", help="only write docs/formal.md")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for number, block in enumerate(() if asked.page else shipped()):
        print(number, block.name, flush=True)
        said = prove([block], quiet, timeout=asked.timeout)
        found[block.name] = [verdict.as_json() for verdict in said.verdicts]
        found[block.name] = [{**entry, "trace": None} for entry in found[block.name]]
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    page(found)


def page(found: Mapping[str, list[dict[str, Any]]]) -> None:
    """The tables, behind the mark: of instances that there are, in their order."""
    words = PAGE.read_text("utf-8").split(MARK)[0]
    names = [block.name for block in shipped()]
    entries = [entry for name in names for entry in found.get(name, [])]
    lines = ["## Properties", "", "| property | |", "| --- | --- |"]
    lines += [f"| `{n}` | {TOLD[n]} |" for n in sorted({entry["property"] for entry in entries})]
    counts = Counter(entry["verdict"] for entry in entries)
    told = ", ".join(f"{number} {text}" for text, number in sorted(counts.items()))
    lines += [
        "",
        "## Verdicts",
        "",
        f"{len(entries)} properties of {len(found)} of {len(names)} instances: {told}.",
    ]
    if missing := [name for name in names if name not in found]:
        lines += [f"Not yet run: {'; '.join(missing)}."]
    lines += ["", "| instance | properties | verdict |", "| --- | --- | --- |"]
    for name in names:
        same: dict[str, list[str]] = {}
        for entry in found.get(name, []):
            same.setdefault(verdict(entry), []).append(entry["property"])
        for text, which in same.items():
            several = str(len(which)) if len(which) > 1 else f"`{which[0]}`"
            lines.append(f"| {name} | {several} | {text} |")
    PAGE.write_text(words + MARK + "\n\n" + "\n".join(lines) + "\n", "utf-8")


def verdict(entry: dict[str, Any]) -> str:
    """With its depth."""
    if entry["verdict"] == "proven":
        return "proven" if entry["method"] == "pdr" else f"proven ({entry['method']})"
    cycles = "" if entry["depth"] is None else f", {entry['depth']} cycles"
    return entry["verdict"] + cycles


if __name__ == "__main__":
    main()
