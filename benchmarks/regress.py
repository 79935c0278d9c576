"""Random networks by the hundred: ``gatesmith regress`` seed after seed, added up.

    python benchmarks/regress.py --seeds 100-162 --networks 32      2,016 networks

Each seed is a run of its own, so that a run that is broken off loses one of them: seeds that are in
benchmarks/results/regress.json with this version of the product's text are not run again. Failures
go to build/regress. Nothing is timed here but the whole; CPU seconds are those of all processes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import gatesmith
from gatesmith.checks import regress

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results") / "regress.json"
PRODUCT = ("gatesmith", "frontend", "quant", "prune", "codegen", "templates", "rtl_tests/regress")
TELLS = ("bundle.py", "junit.py", "report.py")
"""Of the kit: what happens once a network failed or all ran."""

KEPT = ("networks", "mismatches", "frames", "cycles", "refused", "off_schedule", "original")


def digest() -> str:
    """Of the text of the product: results of another one do not count."""
    total = hashlib.sha256()
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.name in TELLS:
                continue
            if path.is_file() and path.suffix in (".py", ".j2", ".sv", ".h", ".cpp"):
                total.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return total.hexdigest()[:16]


def cpu() -> float:
    """CPU seconds of this process and those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def total(runs: list[dict[str, Any]], product: str) -> dict[str, Any]:
    """Of the runs with this product."""
    own = [run for run in runs if run["product"] == product]
    refused: Counter[str] = Counter()
    for run in own:
        refused.update(run["refused"])
    counts = {key: sum(run[key] for run in own) for key in ("networks", "mismatches", "frames")}
    seconds = sum(run["cpu_seconds"] for run in own)
    per = round(seconds / counts["networks"], 2) if counts["networks"] else None
    return {
        **counts,
        "failures": sum(len(run["failures"]) for run in own),
        "seeds": [run["seed"] for run in own],
        "refused": dict(refused),
        "cpu_seconds_a_network": per,
    }


def main() -> int:
    """Exit code 1 if a network failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="100-162", help="FIRST-LAST")
    parser.add_argument("--networks", type=int, default=32, help="of each seed")
    parser.add_argument("--jobs", type=int, default=None)
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    product = digest()
    content = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {"runs": []}
    done = {run["seed"] for run in content["runs"] if run["product"] == product}
    failed = 0
    for seed in range(first, last + 1):
        if seed in done:
            continue
        began = cpu()
        found = regress(
            networks=options.networks,
            seed=seed,
            jobs=options.jobs,
            failures=ROOT / "build" / "regress",
        ).as_json()
        failures = [{key: f[key] for key in ("number", "failure")} for f in found["failures"]]
        run = {"seed": seed, "product": product, "gatesmith": gatesmith.__version__}
        run |= {key: found[key] for key in KEPT} | {"failures": failures}
        content["runs"].append(run | {"cpu_seconds": round(cpu() - began, 1)})
        content["total"] = total(content["runs"], product)
        RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        failed += len(failures)
        print(f"seed {seed}: {run['networks']} networks, {len(failures)} failures", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
