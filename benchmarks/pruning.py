"""Accuracy of pruned networks, and what pruning saves: the float networks of examples/training.

    python benchmarks/pruning.py FLOATS ../shared/data [NAME ...]

FLOATS has the files NETWORK_sSEED.onnx that examples/training/train_float.py writes. Without names
every run is made that benchmarks/results/pruning.json does not have yet; a name makes it again.
Every run is one call of gatesmith prune, on one thread; docs/pruning.md is written from the
results. Accuracies are of the float network that was written, on the test images.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from one_thread import gatesmith

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/pruning.json"
RECIPES = ROOT / "benchmarks/results/compression.json"
CORES = ROOT / "benchmarks/results/pruned-cores.json"
PAGE = ROOT / "docs/pruning.md"
SEEDS = (0, 1, 2)

IMAGES = {
    "mnist": (
        *("--data", "mnist/train-images-idx3-ubyte.gz"),
        *("--labels", "mnist/train-labels-idx1-ubyte.gz"),
        *("--test", "mnist/t10k-images-idx3-ubyte.gz"),
        *("--test-labels", "mnist/t10k-labels-idx1-ubyte.gz"),
    ),
    "cifar": ("--data", "cifar10_train_25000.npz", "--test", "cifar10_test_first1000.npz"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: a network, how it is pruned, and what the issue asks.

    Attributes:
        network: Name of the float network.
        data: Key of :data:`IMAGES`.
        what: In words.
        options: Of gatesmith prune.
        bar: Most points below the whole network, as text.
        seeds: Of the float network and of the fine-tuning.
    """

    network: str
    data: str
    what: str
    options: tuple[str, ...]
    bar: str
    seeds: tuple[int, ...] = SEEDS


CIFAR_TEACHING = ("--distill", "0.7", "--augment", "crop-flip", "--bf16")
CIFAR_TUNED = ("--train", "40", "--lr", "3e-3", *CIFAR_TEACHING)


def _layers(ratios: Mapping[str, float]) -> tuple[str, ...]:
    """Part of each layer that goes, as options."""
    return tuple(word for pair in ratios.items() for word in ("--layer", "{}={:g}".format(*pair)))


CASES = {
    "resnet8-half": Case(
        "resnet8",
        "cifar",
        "half of the multiplications, channels: most of those of the large images",
        (
            *_layers(
                {
                    "n0_Conv": 0.25,
                    "n3_body_body_0_Conv": 0.625,
                    "n4_body_body_0_Conv": 0.25,
                    "n4_body_body_3_Conv": 0.1875,
                    "n5_body_body_0_Conv": 0.25,
                    "n5_body_body_3_Conv": 0.1875,
                }
            ),
            *("--round", "2", *CIFAR_TUNED),
        ),
        "-1.0",
        (0,),
    ),
    "resnet8-nm": Case(
        "resnet8",
        "cifar",
        "half of the multiplications, 2 of every 4",
        ("--kind", "nm", "--train", "30", "--lr", "2e-3", *CIFAR_TEACHING),
        "-1.0",
    ),
    "mnist-cnn-80": Case(
        "mnist_cnn",
        "mnist",
        "80 % of the parameters, channels: most of those that the dense layer reads",
        (
            *_layers({"n0_Conv": 0.25, "n4_Conv": 0.5, "n8_Conv": 0.8125}),
            *("--round", "1", "--train", "20", "--lr", "3e-3"),
            *("--distill", "0.7", "--augment", "crop:1"),
        ),
        "-0.3",
    ),
    "mnist-cnn-80-zeros": Case(
        "mnist_cnn",
        "mnist",
        "80 % of the weights, single ones",
        (
            *("--kind", "unstructured", "--ratio", "0.8"),
            *("--train", "4", "--lr", "1e-3", "--augment", "crop:1"),
        ),
        "-0.3",
    ),
    "mnist-cnn-90-zeros": Case(
        "mnist_cnn",
        "mnist",
        "90 % of the weights, single ones, while training",
        (
            *("--kind", "unstructured", "--ratio", "0.9", "--schedule", "gradual"),
            *("--train", "6", "--lr", "2e-3", "--augment", "crop:1"),
        ),
        "-0.3",
        (0,),
    ),
    "mnist-cnn-nm": Case(
        "mnist_cnn",
        "mnist",
        "2 of every 4 weights",
        ("--kind", "nm", "--train", "3", "--lr", "1e-3", "--augment", "crop:1"),
        "-0.3",
        (0,),
    ),
}


def run(name: str, seed: int, floats: Path, data: Path) -> dict[str, Any]:
    """One run of the command, as a user would type it."""
    case = CASES[name]
    images = [word if word.startswith("--") else str(data / word) for word in IMAGES[case.data]]
    out = floats / f"{name}_s{seed}.onnx"
    words = ["prune", str(floats / f"{case.network}_s{seed}.onnx"), *images]
    words += ["--input", "u8:1/255", *case.options, "--seed", str(seed), "-o", str(out)]
    found, load = gatesmith(f"{name}, seed {seed}", words)
    kept = ("accuracy_before", "accuracy_after", "parameters_before", "parameters_after")
    kept += ("macs_before", "macs_after", "hardware_before", "hardware_after")
    kept += ("seconds", "frames", "steps", "epochs", "removed", "notes")
    return {
        **{key: found[key] for key in kept},
        "options": list(case.options),
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
        "# Accuracy after pruning, and what it saves",
        "",
        "Written by `python benchmarks/pruning.py` (details: benchmarks/results). Top-1 of the",
        "float network that was written, on the test images (MNIST 10,000, CIFAR-10 first 1,000);",
        "networks that `examples/training` trained with these seeds. Hardware is planned with",
        "8 bits at the same cycles a frame; its LUT, DSP and energy figures are estimates by",
        "formula. One thread of two shared cores under load of other work: seconds are an upper",
        "bound. *Left* is after / before, the mean over the seeds.",
        "",
        "| network | what goes | seeds | before, % | after, % | points | asked | parameters left"
        " | multiplications left | LUT | DSP | weight bits | energy | seconds |",
        "|" + " --- |" * 14,
    ]
    for name, runs in results.items():
        case = CASES[name]
        rows = [runs[seed] for seed in sorted(runs)]
        before = [100 * row["accuracy_before"] for row in rows]
        after = [100 * row["accuracy_after"] for row in rows]
        points = mean(b - a for a, b in zip(before, after, strict=True))
        cells = (
            case.network,
            case.what,
            ", ".join(sorted(runs)),
            ", ".join(f"{value:.2f}" for value in before),
            ", ".join(f"{value:.2f}" for value in after),
            f"{points:+.2f}",
            case.bar,
            *(_left(rows, key) for key in ("parameters", "macs")),
            *(_hardware(rows, key) for key in ("lut", "dsp", "weight_bits", "energy_nj")),
            ", ".join(f"{row['seconds']:.0f}" for row in rows),
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Options, beside `--input u8:1/255` and the data:", ""]
    lines += [
        f"- {CASES[n].network}, {CASES[n].what}: `{' '.join(CASES[n].options)}`" for n in results
    ]
    lines += [*_recipes(), *_cores()]
    return "\n".join(lines) + "\n"


def _recipes() -> list[str]:
    """What benchmarks/compression.py found: every stage of every recipe."""
    if not RECIPES.exists():
        return []
    lines = [
        "",
        "## Recipes",
        "",
        "Written by `python benchmarks/compression.py`: `gatesmith compress`, benchmarks/recipes.",
        "*Smaller* is against the float32 weights of the network as it came; weight bits are codes",
        "with their tables.",
        "",
        "| recipe | stage | accuracy, % | parameters | weight bits | smaller | seconds |",
        "|" + " --- |" * 7,
    ]
    for name, found in json.loads(RECIPES.read_text()).items():
        for stage in found["stages"]:
            accuracy = stage["accuracy"]
            cells = (
                name,
                stage["name"],
                "" if accuracy is None else f"{100 * accuracy:.2f}",
                f"{stage['parameters']:,}",
                f"{stage['weight_bits']:,}",
                f"{stage['compression_ratio']:.1f}x",
                f"{stage['seconds']:.0f}",
            )
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def _cores() -> list[str]:
    """What benchmarks/pruned_cores.py found: RTL of pruned real networks."""
    if not CORES.exists():
        return []
    lines = [
        "",
        "## Cores",
        "",
        "Written by `python benchmarks/pruned_cores.py`: half of the multiplications cut by l2",
        "(model_vww: 27 %; its groups let at most 40 % go), int8, random frames in Verilator",
        "under random stalls, compared with NumPy bit by bit.",
        "",
        "| network | multiplications | parameters | frames equal | interval (predicted)"
        " | unexplained |",
        "|" + " --- |" * 6,
    ]
    for name, row in json.loads(CORES.read_text()).items():
        if "refused" in row:
            lines.append(f"| {name} | refused: {row['refused'].splitlines()[0]} | | | | |")
            continue
        cells = (
            name,
            f"{row['macs_before']:,} to {row['macs_after']:,}",
            f"{row['parameters_before']:,} to {row['parameters_after']:,}",
            f"{row['equal']} of {row['frames']}",
            f"{row['interval']:,} ({row['interval_predicted']:,})",
            str(row["unexplained"]),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _left(rows: list[dict[str, Any]], key: str) -> str:
    return f"{mean(row[f'{key}_after'] / row[f'{key}_before'] for row in rows):.1%}"


def _hardware(rows: list[dict[str, Any]], key: str) -> str:
    pairs = [(row["hardware_before"], row["hardware_after"]) for row in rows]
    if any(a is None or b is None or not a[key] for a, b in pairs):
        return ""
    return f"{mean(b[key] / a[key] for a, b in pairs):.0%}"


def main() -> None:
    """Make the runs that are asked for, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("floats", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="*", choices=[*CASES, []])
    parser.add_argument("--seed", type=int, choices=SEEDS, help="only this one")
    asked = parser.parse_args()
    todo = [(n, s) for n in asked.names for s in CASES[n].seeds]
    todo = todo or [*missing(read(), asked.floats)]
    for name, seed in todo:
        if asked.seed in (None, seed):
            result = run(name, seed, asked.floats, asked.data)
            keep(name, seed, result)
            print(name, seed, result["accuracy_before"], result["accuracy_after"], flush=True)
    PAGE.write_text(table(read()))


if __name__ == "__main__":
    main()
