"""Stream ../vectors through the core and compare every beat: python run.py [--stall].

Plain Python with no import of gatesmith; needs cocotb, Verilator and a C++ compiler.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Exit code: 0 if all is equal, 1 if not, 2 if it could not run."""
    sys.path.insert(0, str(HERE))
    toolchain, shards = importlib.import_module("toolchain"), importlib.import_module("shards")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stall", action="store_true", help="random stalls and resets as well")
    parser.add_argument("--seed", type=int, default=1, help="of the stalls (default 1)")
    parser.add_argument("--strict-timing", action="store_true", help="late frames are a failure")
    parser.add_argument("--vectors", type=Path, default=HERE.parent / "vectors")
    options = parser.parse_args()

    build = json.loads((HERE.parent / "build.json").read_text("utf-8"))
    frame_bytes = build["inputs"][0]["beats"] * build["inputs"][0]["tdata_bits"] // 8
    if not (options.vectors / "input_0.bin").exists():
        parser.error(f"there is no input_0.bin in {options.vectors}: give --vectors FOLDER")
    frames = (options.vectors / "input_0.bin").stat().st_size // frame_bytes
    rtl = HERE.parent / "rtl"
    sources = [rtl / name for name in (rtl / "files.f").read_text("utf-8").split()]
    work = HERE / "run"
    shutil.rmtree(work, ignore_errors=True)
    jobs = shards.plain_jobs(build, frames)
    plain = len(jobs)
    if options.stall:
        jobs += shards.stall_jobs(build, frames, options.seed)
    try:
        bench = [HERE / name for name in ("tb.sv", "streams.svh")]
        simulator = toolchain.build(
            [*bench, *sources], defines=["GATESMITH_ASSERT", "GATESMITH_STREAMS"]
        )
        files = shards.Files(options.vectors, rtl, HERE)
        results = shards.run(simulator, jobs, files, work)
    except toolchain.ToolError as error:
        print(f"error[{error.code}]: {error}", *(f"  fix  {fix}" for fix in error.fix), sep="\n")
        return 2
    names = [sink["wire"] for _, sink in shards.compared(build)]
    for result in results:
        state = "equal" if not result["wrong"] else f"DIFFERENT: {result['first']}"
        if result["first"] and result["first"]["kind"] == "stream":
            state = f"DIFFERENT inside: {names[result['first']['stream']]} first"
        equal = result["frames"] - len(result["wrong"])
        print(f"{result['job']:18} {equal:6} of {result['frames']:6} frames  {state}")
    total = shards.total(results)
    measured = shards.total(results[:plain])
    if build.get("data_dependent"):
        mean = measured["interval_mean"]
        interval = f"{mean if mean is None else format(mean, '.1f')} cycles on average"
        most = "at most "
    else:
        interval, most = f"{measured['interval_max']} cycles", ""
    print(
        f"{frames - len(total['wrong'])} of {frames} frames equal; interval"
        f" {interval} (predicted {most}{build['interval']}),"
        f" latency {measured['latency']} (predicted {most}{build['latency']})"
    )
    if shards.on_time(build, results[:plain]) is False:
        print("frames come later than predicted")
        if options.strict_timing:
            return 1
    return int(total["errors"] != 0 or bool(total["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
