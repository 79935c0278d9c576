"""MNIST as a core of wires: trained, pruned, quantized, built, proven on every test image, counted.

    python benchmarks/mnist_unrolled.py NETS ../shared/data [--from STEP]

Each step is one command as a user types it, on one thread; networks go to NETS. A step whose file
is there already is not run again, unless it or an earlier one is named with --from; the last three
(build, verify, synth) always are. ``--from build`` begins with the trained network of
examples/wires. Raw 8-bit pixels arrive, 784 in a cycle, and ten sums leave; a frame every cycle.
Writes benchmarks/results/mnist-unrolled.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from one_thread import ROOT, gatesmith

RESULTS = ROOT / "benchmarks/results/mnist-unrolled.json"
TRAINED = ROOT / "examples/wires/mnist_signs_ternary.onnx.gz"
STEPS = ("train", "prune", "quantize", "build")
FLOAT, SPARSE, TERNARY = (
    "mnist_signs_s0.onnx",
    "mnist_signs_sparse.onnx",
    "mnist_signs_ternary.onnx",
)
PRUNE = (
    *("--kind", "unstructured", "--criterion", "l1", "--layer", "n5_MatMul=0.96875"),
    *("--schedule", "gradual:0.7", "--train", "6", "--batch", "256", "--lr", "3e-3"),
    *("--distill", "0"),
)
"""Four of 128 weights of the second layer stay; the first has six of 784 from the beginning."""

QUANTIZE = (
    *("--weights", "ternary", "--activations", "bipolar", "--layer", "n2_MatMul=int8"),
    *("--layer", "n8_Gemm=int4"),
    *("--train", "6", "--batch", "256", "--lr", "2e-3", "--distill", "0.6"),
)
CYCLES = ("--cycles", "1")
FOLDS = ("n2_MatMul=truth", "n5_MatMul=unrolled", "n8_Gemm=unrolled")
KEPT = {
    "prune": ("accuracy_before", "accuracy_after", "parameters_before", "parameters_after"),
    "quantize": ("accuracy_float", "accuracy_quantized"),
    "build": ("interval", "latency"),
    "verify": (
        *("frames", "equal", "top1", "interval", "interval_predicted", "latency", "unexplained"),
    ),
    "synth": ("device", "lut", "lut_memory", "lut_predicted", "ff", "carry", "dsp", "bram_kbits"),
}


def commands(nets: Path, data: Path, model: Path, folder: Path) -> dict[str, tuple[str, ...]]:
    """Words of each command, by step."""
    mnist = data / "mnist"
    images, labels = "images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"
    test = (f"{mnist}/t10k-{images}", f"{mnist}/t10k-{labels}")
    sets = (
        *("--data", f"{mnist}/train-{images}", "--labels", f"{mnist}/train-{labels}"),
        *("--test", test[0], "--test-labels", test[1], "--input", "u8:1/255"),
    )
    folds = (word for fold in FOLDS for word in ("--fold", fold))
    return {
        "prune": ("prune", f"{nets / FLOAT}", "-o", f"{nets / SPARSE}", *sets, *PRUNE),
        "quantize": ("quantize", f"{nets / SPARSE}", "-o", f"{nets / TERNARY}", *sets, *QUANTIZE),
        "build": ("build", f"{model}", "-o", f"{folder}", "--input", "u8:1/255", *CYCLES, *folds),
        "verify": ("verify", f"{folder}", "--data", test[0], "--labels", test[1]),
        "synth": ("synth", f"{folder}", "--device", "xcup", "--no-stages"),
    }


def train(nets: Path, data: Path) -> None:
    """The float network, pixels already bits and layers signs."""
    script = ROOT / "examples/training/train_float.py"
    words = ("mnist_signs", "--data", f"{data}", "--out", f"{nets / FLOAT}")
    subprocess.run([sys.executable, f"{script}", *words], check=True, cwd=ROOT)


def main() -> None:
    """Every step that is asked for or missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", type=Path, help="folder of networks")
    parser.add_argument("data", type=Path, help="folder with mnist/")
    parser.add_argument("--from", dest="first", choices=STEPS, help="run this and all behind it")
    asked = parser.parse_args()
    nets, data = asked.nets.resolve(), asked.data.resolve()
    nets.mkdir(parents=True, exist_ok=True)
    trained = nets / TERNARY
    if asked.first == "build":
        trained.write_bytes(gzip.decompress(TRAINED.read_bytes()))
    first = len(STEPS) if asked.first is None else STEPS.index(asked.first)
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    files = {"train": nets / FLOAT, "prune": nets / SPARSE, "quantize": nets / TERNARY}
    for step, file in files.items():
        if asked.first == "build" or (file.exists() and STEPS.index(step) < first):
            continue
        if step == "train":
            train(nets, data)
            found[step] = json.loads(file.with_suffix(".json").read_text())
        else:
            run(step, commands(nets, data, trained, nets / "build")[step], found)
    for step in ("build", "verify", "synth"):
        run(step, commands(nets, data, trained, nets / "build")[step], found)


def run(step: str, words: tuple[str, ...], found: dict[str, Any]) -> None:
    """One command; what it says goes into the results at once."""
    said, load = gatesmith(step, words)
    found[step] = kept(step, said) | {"load": load}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(step, found[step], flush=True)


def kept(step: str, said: dict[str, Any]) -> dict[str, Any]:
    """What of a command's JSON goes into the results."""
    return {key: said[key] for key in (*KEPT[step], "seconds") if key in said}


if __name__ == "__main__":
    main()
