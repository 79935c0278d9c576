"""Example networks on FPGAs: what Yosys and nextpnr find, and what was predicted.

    python benchmarks/synthesis.py [--only NAME] [--device NAME] [--jobs N] [--page]

Builds each network, runs ``gatesmith synth`` on it, with placement where there is an open tool, and
writes benchmarks/results/synthesis.json after every run, so that it can be stopped and started
again. docs/hardware.md is written from it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from gatesmith.api import build, synth

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/synthesis.json"
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "TFC_1W1A": ("examples/tfc/TFC_1W1A.onnx", {"cycles": 784}),
    "digits_2w2a": ("examples/digits/digits_2w2a.onnx", {"cycles": 64, "input_spec": "u5:1/16"}),
    "kws_mlp_w3a3": ("../shared/models/kws_mlp_w3a3_QONNX.onnx", {}),
}
"""File and options of the build."""

DEVICES = {"ecp5-85k": True, "xcup": False}
"""Whether it is placed."""

LEFT_OUT = ("report", "seconds")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=NETWORKS, help="only this network")
    parser.add_argument("--device", action="append", choices=DEVICES, help="only this device")
    parser.add_argument("--jobs", type=int, help="programs at a time")
    parser.add_argument("--page", action="store_true", help="only write docs/hardware.md")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for device in () if asked.page else asked.device or DEVICES:
        for name in asked.only or NETWORKS:
            found.setdefault(name, {})[device] = one(name, device, asked.jobs)
            RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
    page(found)


def one(name: str, device: str, jobs: int | None) -> dict[str, Any]:
    """One network on one device."""
    model, options = NETWORKS[name]
    with tempfile.TemporaryDirectory() as away:
        folder = Path(away) / "build"
        built = build(ROOT / model, folder, **options)
        said = synth(folder, device, place=DEVICES[device], jobs=jobs).as_json()
    kept = {key: value for key, value in said.items() if key not in LEFT_OUT}
    if kept["place"] is not None:
        kept["place"]["critical_path"].pop("steps")
    return {"interval": built.content["interval"], "latency": built.content["latency"], **kept}


PAGE = ROOT / "docs/hardware.md"
INTRO = """\
# On hardware

Written by `python benchmarks/synthesis.py` with `gatesmith synth`, Yosys {yosys} and nextpnr
{nextpnr} from PyPI (figures in `benchmarks/results/synthesis.json`). UltraScale+ is
synthesis only, `synth_xilinx -family xcup -flatten -noiopad -noclkbuf`: not comparable with
Vivado's figures.

- *LUT* is LUT1 to LUT6 summed, of at most 4 inputs on ECP5 and 6 on UltraScale+; *memory* are
  LUTs used as memory or shift register, beside it.
- *Predicted* is build.json's formula, in 6-input LUTs, memory included.
- *MHz* is after routing, out of context: pins do not limit it. Seed 1, 100 MHz tried.
- Counts hang a little on the order and names of cells: TFC on UltraScale+ had 1,200 LUTs read as
  Yosys wrote it, 1,216 with the numbers and the order of `gatesmith/synthesis/rtlil.py`.

"""
HEAD = (
    *("network", "frame every", "device", "LUT", "memory", "predicted", "carry cells"),
    *("FF", "predicted", "DSP", "RAM kbit (predicted)", "MHz", "frames/s"),
)
STAGES = """
## {network} on {device}: stages by themselves

| stage | kind | LUT | memory | predicted | FF | predicted | RAM kbit |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def page(found: dict[str, Any]) -> None:
    """Write docs/hardware.md."""
    runs = [(network, device) for device in DEVICES for network in NETWORKS]
    done = [(n, d, found[n][d]) for n, d in runs if d in found.get(n, {})]
    versions = {row["place"]["nextpnr"] for _, _, row in done if row["place"]}
    yosys = {row["yosys"].removeprefix("Yosys ") for _, _, row in done}
    text = INTRO.format(yosys=", ".join(sorted(yosys)), nextpnr=", ".join(sorted(versions)))
    text += _line(*HEAD) + _line(*("---" for _ in HEAD))
    for network, _, row in done:
        text += _line(network, f"{row['interval']:,} cycles", row["device"]["about"], *_all(row))
    for network, device, row in done:
        if row["place"] is not None:
            text += "\n" + _critical(network, device, row)
    for network, device, row in done:
        text += STAGES.format(network=network, device=device)
        for stage in row["stages"]:
            luts = (stage["lut"], stage["lut_memory"], stage["lut_predicted"])
            rest = (stage["ff"], stage["ff_predicted"], stage["bram_kbits"])
            text += _line(stage["name"], stage["kind"], *luts, *rest)
    PAGE.write_text(text, "utf-8")


def _all(row: dict[str, Any]) -> list[Any]:
    luts = (row["lut"], row["lut_memory"], row["lut_predicted"], row["carry"])
    ram = f"{row['bram_kbits']:,} ({row['ram_bits_predicted'] / 1024:,.0f})"
    rate = row["fmax_mhz"]
    speed = ("not placed", "") if rate is None else (rate, round(rate * 1e6 / row["interval"]))
    return [*luts, row["ff"], row["ff_predicted"], row["dsp"], ram, *speed]


def _critical(network: str, device: str, row: dict[str, Any]) -> str:
    path = row["place"]["critical_path"]
    return (
        f"{network} on {device}: the critical path goes through {' -> '.join(path['through'])},"
        f" {path['logic_ns']:.1f} ns of logic and {path['routing_ns']:.1f} ns of routing.\n"
    )


def _line(*values: Any) -> str:
    texts = [f"{value:,}" if isinstance(value, int) else str(value) for value in values]
    return f"| {' | '.join(texts)} |\n"


if __name__ == "__main__":
    main()
