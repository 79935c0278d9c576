"""Accuracy of quantized networks: the float networks of examples/training, many kinds, three seeds.

    python benchmarks/quantization.py FLOATS ../shared/data [NAME ...]

FLOATS has the files NETWORK_sSEED.onnx that examples/training/train_float.py writes. Without names
every run is made that benchmarks/results/quantization.json does not have yet; a name makes it
again. Every run is one call of gatesmith quantize, on one thread; docs/quantization.md is written
from the results. Accuracies are those of the integers on the test images.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from one_thread import gatesmith

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/quantization.json"
PAGE = ROOT / "docs/quantization.md"
SEEDS = (0, 1, 2)

MNIST = (
    *("--data", "mnist/train-images-idx3-ubyte.gz"),
    *("--labels", "mnist/train-labels-idx1-ubyte.gz"),
    *("--test", "mnist/t10k-images-idx3-ubyte.gz"),
    *("--test-labels", "mnist/t10k-labels-idx1-ubyte.gz"),
)
CIFAR = ("--data", "cifar10_train_25000.npz", "--test", "cifar10_test_first1000.npz")
IMAGES = {"mnist": MNIST, "cifar": CIFAR}


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: a network, how it is quantized, and what the issue asks.

    Attributes:
        network: Name of the float network.
        data: Key of :data:`IMAGES`.
        what: In words.
        options: Of gatesmith quantize.
        bar: Most points below the float network, or least accuracy, as text.
        seeds: Of the float network and of the training.
    """

    network: str
    data: str
    what: str
    options: tuple[str, ...]
    bar: str
    seeds: tuple[int, ...] = SEEDS


def trained(weights: str, activations: str, epochs: int, *more: str) -> tuple[str, ...]:
    """Options of a training."""
    schemes = ("--weights", weights, "--activations", activations)
    return (*schemes, "--train", str(epochs), *more)


CASES = {
    "mlp-int8": Case("mnist_mlp", "mnist", "int8, calibrated", (), "-0.5"),
    "cnn-int8": Case("mnist_cnn", "mnist", "int8, calibrated", (), "-0.5"),
    "resnet8-int8": Case("resnet8", "cifar", "int8, calibrated", (), "-0.3"),
    "mlp-w2a2": Case(
        "mnist_mlp", "mnist", "2 bits", trained("int2", "int2", 8, "--augment", "crop:1"), "-0.5"
    ),
    "cnn-w2a2": Case(
        "mnist_cnn", "mnist", "2 bits", trained("int2", "int2", 3, "--augment", "crop:1"), "-0.5"
    ),
    "mlp-bipolar": Case(
        "mnist_mlp",
        "mnist",
        "bipolar",
        trained("bipolar", "bipolar", 25),
        "97.5 %",
    ),
    "mlp-ternary": Case(
        "mnist_mlp",
        "mnist",
        "ternary weights",
        trained("ternary", "int8", 4, "--augment", "crop:1"),
        "-0.5",
    ),
    "mlp-pow2": Case(
        "mnist_mlp",
        "mnist",
        "pow2 weights",
        trained("pow2", "int8", 3, "--augment", "crop:1"),
        "-0.5",
    ),
    "resnet8-w4a4": Case(
        "resnet8",
        "cifar",
        "4 bits",
        trained("int4", "int4", 3, "--augment", "crop-flip"),
        "-1.5",
    ),
    "resnet8-mixed": Case(
        "resnet8",
        "cifar",
        "mixed",
        ("--budget", "weight_bits=330k", "--train", "3", "--augment", "crop-flip"),
        "-1.0",
    ),
    "cnv-bipolar": Case(
        "cnv",
        "cifar",
        "bipolar, half of the published width, 25,000 images",
        trained("bipolar", "bipolar", 40, "--lr", "2e-3", "--augment", "crop-flip", "--bf16"),
        "84.2 % published",
        (0,),
    ),
}


def run(name: str, seed: int, floats: Path, data: Path) -> dict[str, Any]:
    """One run of the command, as a user would type it."""
    case = CASES[name]
    images = [
        str(data / word) if "." in word or "/" in word else word for word in IMAGES[case.data]
    ]
    out = floats / f"{name}_s{seed}.onnx"
    words = ["quantize", str(floats / f"{case.network}_s{seed}.onnx"), *images]
    words += ["--input", "u8:1/255", *case.options, "--seed", str(seed), "-o", str(out)]
    found, load = gatesmith(f"{name}, seed {seed}", words)
    kept = ("accuracy_float", "accuracy_quantized", "seconds", "frames", "steps", "epochs", "notes")
    bits = [(row["name"], row["weight_bits"], row["activation_bits"]) for row in found["layers"]]
    return {
        **{key: found[key] for key in kept},
        "options": list(case.options),
        "bits": bits,
        "weight_memory_bits": sum(row["memory_bits"] for row in found["layers"]),
        "cost": (found["budget"] or {}).get("cost"),
        "load": load,
    }


def missing(results: dict[str, Any], floats: Path) -> Iterator[tuple[str, int]]:
    """Runs that were not made, whose network is there."""
    for name, case in CASES.items():
        for seed in case.seeds:
            there = (floats / f"{case.network}_s{seed}.onnx").exists()
            if there and str(seed) not in results.get(name, {}):
                yield name, seed


def read() -> dict[str, Any]:
    """Results so far."""
    if not RESULTS.exists():
        return {}
    found: dict[str, Any] = json.loads(RESULTS.read_text())["runs"]
    return found


def keep(name: str, seed: int, result: dict[str, Any]) -> None:
    """Add one result to the file, which other runs may have written meanwhile."""
    results = read()
    results.setdefault(name, {})[str(seed)] = result
    ordered = {case: results[case] for case in CASES if case in results}
    about = {"machine": platform.machine(), "python": platform.python_version(), "threads": 1}
    RESULTS.write_text(json.dumps({**about, "runs": ordered}, indent=1) + "\n")


def table(results: dict[str, Any]) -> str:
    """The page."""
    lines = [
        "# Accuracy after quantization",
        "",
        "Written by `python benchmarks/quantization.py` (details: benchmarks/results). Top-1 of",
        "the integers on the test images (MNIST 10,000, CIFAR-10 first 1,000), of networks that",
        "`examples/training` trained with three seeds; each is quantized and trained with the same",
        "seed. One thread of two shared cores, usually under load of other work, so seconds are an",
        "upper bound. *Points* is the mean of quantized minus float.",
        "",
        "| network | quantized | seeds | float, % | after, % | points | asked | bits | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, runs in results.items():
        case = CASES[name]
        rows = [runs[seed] for seed in sorted(runs)]
        before = [100 * row["accuracy_float"] for row in rows]
        after = [100 * row["accuracy_quantized"] for row in rows]
        cells = (
            case.network,
            case.what,
            ", ".join(sorted(runs)),
            ", ".join(f"{a:.2f}" for a in before),
            ", ".join(f"{a:.2f}" for a in after),
            f"{mean(b - a for a, b in zip(before, after, strict=True)):+.2f}",
            case.bar,
            ", ".join(f"{bits:,}" for bits in sorted({r["weight_memory_bits"] for r in rows})),
            ", ".join(f"{row['seconds']:.0f}" for row in rows),
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Options, beside `--input u8:1/255` and the data:", ""]
    lines += [
        f"- {CASES[n].network}, {CASES[n].what}: `{' '.join(CASES[n].options) or 'none'}`"
        for n in results
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing or named, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("floats", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="*", choices=[*CASES, []])
    parser.add_argument("--seed", type=int, choices=SEEDS, help="only this one")
    asked = parser.parse_args()
    known = {} if asked.names else read()
    todo = [job for job in missing(known, asked.floats) if not asked.names or job[0] in asked.names]
    for name, seed in todo:
        if asked.seed not in (None, seed):
            continue
        result = run(name, seed, asked.floats, asked.data)
        keep(name, seed, result)
        print(name, seed, result["accuracy_float"], result["accuracy_quantized"], flush=True)
    PAGE.write_text(table(read()))


if __name__ == "__main__":
    main()
