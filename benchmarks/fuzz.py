"""Damaged model files through ``inspect`` and ``build``: benchmarks/results/fuzz.json.

    python benchmarks/fuzz.py --files N --seed S [--from I] [--only I] [--small] [--write]

``--only`` runs one case in this process and leaves its folder; ``--write`` also writes the results
and the table of docs/robustness.md. The exit code is 1 when a file was neither built nor refused.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatesmith.rtl_tests.fuzz import farm
from gatesmith.rtl_tests.fuzz.case import DAMAGES
from gatesmith.rtl_tests.fuzz.farm import Ran
from gatesmith.rtl_tests.fuzz.judge import judge
from gatesmith.rtl_tests.fuzz.stock import (
    HEAVY,
    committed,
    generated,
    make_case,
    quantized_by_runtime,
)
from gatesmith.rtl_tests.fuzz.watch import Watch

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/fuzz.json"
PAGE = ROOT / "docs/robustness.md"
MARK = "<!-- from here on: python benchmarks/fuzz.py --write -->"
GOOD = ("built", "refused")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Read when NumPy is loaded: a process that forks must have no threads."""


def main() -> int:
    """Run, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", type=int, default=0, dest="first", help="first case")
    parser.add_argument("--only", type=int, help="run this case here, and leave its folder")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="models of a few kilobytes only")
    parser.add_argument("--write", action="store_true", help="results and page")
    asked = parser.parse_args()
    if os.environ | ONE_THREAD != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    models = generated()
    if asked.small:
        models = [model for model in models if len(model.data) < 4000 and model.name not in HEAVY]
    else:
        models += [*quantized_by_runtime(), *committed(ROOT / "examples")]
    work = Path(tempfile.mkdtemp(prefix="gatesmith-fuzz-"))
    if asked.only is not None:
        case, model, kind = make_case(asked.only, asked.seed, models)
        print(f"{model}, {kind}, {work}/case", flush=True)
        print(judge(case, work / "case", Watch(), keep=True))
        return 0
    began = time.monotonic()
    ran: list[Ran] = []
    for done in farm.run(
        range(asked.first, asked.first + asked.files), asked.seed, models, work, asked.processes
    ):
        ran.append(done)
        if done.judged.outcome not in GOOD:
            print(f"{done.index} {done.model} {done.kind}: {done.judged}", flush=True)
        elif len(ran) % 500 == 0:
            print(f"{len(ran)} done, {time.monotonic() - began:.0f} s", flush=True)
    farm.clear(work)
    told = content(ran, asked.seed, time.monotonic() - began)
    print(
        json.dumps(
            {key: told[key] for key in ("files", "outcomes", "seconds", "slowest", "largest")}
        )
    )
    if asked.write:
        RESULTS.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        page(told)
    return int(any(done.judged.outcome not in GOOD for done in ran))


def content(ran: Sequence[Ran], seed: int, seconds: float) -> dict[str, Any]:
    """The results."""
    kinds: dict[str, Counter[str]] = {name: Counter() for name in DAMAGES}
    for done in ran:
        kinds[done.kind.partition("+")[0]][done.judged.outcome] += 1
    codes = Counter(
        done.judged.told.partition("[")[2].partition("]")[0] or "usage"
        for done in ran
        if done.judged.outcome == "refused"
    )
    return {
        "files": len(ran),
        "seed": seed,
        "seconds": round(seconds),
        "outcomes": dict(Counter(done.judged.outcome for done in ran)),
        "processor_seconds": round(sum(done.judged.seconds for done in ran)),
        "slowest": max((done.judged.seconds for done in ran), default=0),
        "largest": max((done.judged.megabytes for done in ran), default=0),
        "kinds": {name: dict(sorted(found.items())) for name, found in kinds.items()},
        "errors": dict(sorted(codes.items())),
        "models": len({done.model for done in ran}),
    }


def page(told: dict[str, Any]) -> None:
    """The table, behind the mark."""
    words = PAGE.read_text("utf-8").split(MARK)[0]
    lines = [
        f"{told['files']:,} files of seed {told['seed']} from {told['models']} models: "
        + ", ".join(f"{count:,} {name}" for name, count in sorted(told["outcomes"].items()))
        + f". The slowest took {told['slowest']:.1f} s of processor time, the largest "
        f"{told['largest']} MB.",
        "",
        "| damage | files | built | refused | failed |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, found in told["kinds"].items():
        files, (built, refused) = sum(found.values()), (found.get(key, 0) for key in GOOD)
        what = (DAMAGES[name].__doc__ or "").strip().splitlines()[0]
        lines.append(
            f"| `{name}`: {what} | {files} | {built} | {refused} | {files - built - refused} |"
        )
    PAGE.write_text(words + MARK + "\n\n" + "\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
