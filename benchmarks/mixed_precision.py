r"""Mixed precision against uniform widths of the same cost.

    python benchmarks/mixed_precision.py NETWORK.onnx --data mnist --folder ../shared/data \
        --cycles 8192 -o benchmarks/results/mixed-precision.json

For each uniform width (w2a2 to w8a8) the network is quantized after training, its hardware is
planned for one number of cycles a frame, and its accuracy on the test images is measured. Then bits
are chosen layer by layer within the same LUTs and DSP blocks, with the images and labels of the
training set alone, and measured the same way. Where that finds no better network, the cheapest one
is looked for that is as accurate on the training images. With --luts budgets between the uniform
widths are compared as well, with the best uniform width that keeps them.

    rows   uniform: accuracy and cost; mixed: the same, bits, seconds
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen.fold import Target
from gatesmith.errors import UserError
from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.importer import import_model
from gatesmith.hardware_cost import cost_table, hardware_cost
from gatesmith.ir import Array, Graph, IntType
from gatesmith.ops.fake_quant import Grid
from gatesmith.ops.input import Input
from gatesmith.quant.calibrate.post_training import PostOptions, post_training
from gatesmith.quant.mixed.budget import Budget
from gatesmith.quant.mixed.search import CHOICES, Survey, mixed_recipe, survey
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import INPUT, WEIGHT, find_sites

CALIBRATION = 256  # frames, without labels
VALIDATION = 5000  # frames of the training set with labels, by which choices are compared
DIGITS = Path(__file__).parent.parent / "examples" / "digits"


def main() -> None:
    """Measure one network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("--data", choices=("mnist", "cifar10", "digits"), required=True)
    parser.add_argument("--folder", type=Path, help="of the data sets")
    parser.add_argument("--cycles", type=int, required=True, help="a frame, of every design")
    parser.add_argument("--widths", type=int, nargs="+", default=list(CHOICES))
    parser.add_argument(
        "--luts", type=int, nargs="*", default=[], help="budgets between the widths"
    )
    parser.add_argument("--choices", type=int, nargs="+", default=list(CHOICES))
    parser.add_argument("--measures", nargs="+", default=["kl", "mse"])
    parser.add_argument("-o", "--out", type=Path, required=True)
    asked = parser.parse_args()
    bench = Bench(asked)
    rows: list[dict[str, Any]] = []
    for width in asked.widths:
        rows.append(bench.compare(width))
        print(_line(rows[-1]), flush=True)
        _save(asked, bench, rows)
    for luts in asked.luts:
        rows.append(bench.between(luts, rows))
        print(_line(rows[-1]), flush=True)
        _save(asked, bench, rows)


def _save(asked: argparse.Namespace, bench: Bench, rows: list[dict[str, Any]]) -> None:
    """Beside what is known of other networks."""
    known = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    known[asked.network.stem] = {
        "accuracy_float": bench.float_accuracy,
        "cycles": asked.cycles,
        "calibration_frames": CALIBRATION,
        "validation_frames": len(bench.check_y),
        "test_frames": len(bench.test_y),
        "choices": asked.choices,
        "measures": asked.measures,
        "survey_seconds": bench.survey_seconds,
        "machine": platform.processor() or platform.machine(),
        "rows": rows,
    }
    asked.out.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


class Bench:
    """A network, its data, and what is measured of it."""

    def __init__(self, asked: argparse.Namespace) -> None:
        imported = import_model(asked.network).graph
        self.graph = fold_affine(channels_last(imported))
        self.runner, self.asked = GraphRunner(), asked
        self.target = Target(cycles=asked.cycles, said=f"--cycles {asked.cycles}")
        (entry,) = (node for node in self.graph if isinstance(node.op, Input))
        train_x, train_y, test_x, test_y, step = load(asked.data, asked.folder)
        shape = entry.type.shape

        def frames(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
            if len(shape) == 3 and codes.ndim == 4 and codes.shape[1:] != shape:
                codes = codes.transpose(0, 3, 1, 2)  # N, C, H, W
            return (codes.reshape(-1, *shape) * np.float32(step)).astype(np.float32)

        order = np.random.default_rng(0).permutation(len(train_x))
        some, rest = order[:CALIBRATION], order[CALIBRATION : CALIBRATION + VALIDATION]
        self.calibration = frames(train_x[some])
        self.check_x, self.check_y = frames(train_x[rest]), train_y[rest]
        self.test_x, self.test_y = frames(test_x), test_y
        most = 16 if asked.data == "digits" else 255
        scale = Array(np.float64(np.float32(step)))
        self.fixed = {entry.name: Grid("int", IntType(0, most), scale)}
        self.sites = find_sites(self.graph)
        self.float_accuracy = self.accuracy(self.graph, test=True)
        self.made: dict[tuple[tuple[str, int], ...], Graph] = {}
        self.known: Survey | None = None
        self.survey_seconds = 0.0

    def accuracy(self, graph: Graph, *, test: bool) -> float:
        """Part of the frames that get their label."""
        x, y = (self.test_x, self.test_y) if test else (self.check_x, self.check_y)
        (output,) = graph.outputs
        scores = self.runner(graph, [output], x)[output.name]
        return float((scores.reshape(len(x), -1).argmax(axis=1) == y).mean())

    def quantize(self, recipe: Mapping[str, Scheme]) -> Graph:
        """After training; each recipe once."""
        key = tuple(sorted((name, scheme.bits) for name, scheme in recipe.items()))
        if key not in self.made:
            free = {name: scheme for name, scheme in recipe.items() if name not in self.fixed}
            self.made[key] = post_training(
                self.graph, free, self.fixed, self.calibration, self.runner, options=PostOptions()
            )
        return self.made[key]

    def schemes(self, bits: int) -> dict[str, Scheme]:
        """One width for all; the input keeps its own."""
        weight = Scheme.parse(f"int{bits}", weight=True)
        read = Scheme.parse(f"int{bits}", weight=False)
        other = Scheme.parse("uint8", weight=False)
        return {
            s.name: weight if s.role == WEIGHT else other if s.role == INPUT else read
            for s in self.sites
        }

    def compare(self, width: int) -> dict[str, Any]:
        """A uniform width and what mixed widths make of its cost."""
        start = time.perf_counter()
        uniform = self.quantize(self.schemes(width))
        cost = hardware_cost(uniform, self.target)
        uniform_row = {
            "accuracy": self.accuracy(uniform, test=True),
            "accuracy_validation": self.accuracy(uniform, test=False),
            "cost": asdict(cost),
            "seconds": round(time.perf_counter() - start, 1),
        }
        mixed = self.mixed(Budget.parse(f"lut={cost.lut},dsp={cost.dsp}"))
        better = mixed["accuracy_validation"] > uniform_row["accuracy_validation"]
        row: dict[str, Any] = {"width": width, "uniform": uniform_row, "mixed": mixed}
        if not better:
            floor = 100 * uniform_row["accuracy_validation"]
            text = f"lut={cost.lut},dsp={cost.dsp},accuracy>={floor:.4f}"
            try:
                row["mixed_cheapest"] = self.mixed(Budget.parse(text))
            except UserError as error:
                row["mixed_cheapest_failed"] = error.why
        return row

    def between(self, luts: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A budget of LUTs, without DSP blocks, against the best uniform width that keeps it."""
        fitting = [
            row["uniform"]
            for row in rows
            if row["uniform"]["cost"]["lut"] <= luts and not row["uniform"]["cost"]["dsp"]
        ]
        row: dict[str, Any] = {"luts": luts, "mixed": self.mixed(Budget.parse(f"lut={luts},dsp=0"))}
        if fitting:
            row["uniform"] = max(fitting, key=lambda one: float(one["accuracy_validation"]))
        return row

    def mixed(self, budget: Budget) -> dict[str, Any]:
        """Bits within a budget."""
        self.survey()
        start = time.perf_counter()
        result = mixed_recipe(
            self.survey(),
            budget,
            quantize=self.quantize,
            cost=partial(hardware_cost, target=self.target),
            evaluate=partial(self.accuracy, test=False),
        )
        return {
            "budget": budget.text,
            "accuracy": self.accuracy(result.graph, test=True),
            "accuracy_validation": result.chosen.accuracy,
            "cost": asdict(result.chosen.measured),
            "predicted": asdict(result.chosen.predicted),
            "by": result.chosen.said,
            "bits": dict(result.chosen.bits),
            "tried": len(result.tried),
            "seconds": round(time.perf_counter() - start, 1),
        }

    def survey(self) -> Survey:
        """The same for every budget."""
        if self.known is None:
            start = time.perf_counter()
            self.known = survey(
                self.graph,
                self.sites,
                self.schemes(8),
                runner=self.runner,
                data=self.calibration,
                make_table=partial(cost_table, target=self.target),
                tune=self.quantize,
                choices=self.asked.choices,
                measures=self.asked.measures,
                fixed=self.fixed,
                compare=self.check_x,
            )
            self.survey_seconds = round(time.perf_counter() - start, 1)
        return self.known


def load(name: str, folder: Path) -> tuple[Any, Any, Any, Any, float]:
    """Codes and labels for training and test, and what one code stands for."""
    match name:
        case "mnist":
            files = [(folder / "mnist" / f"{s}-{{}}-ubyte.gz") for s in ("train", "t10k")]
            parts = [part for file in files for part in _idx(str(file))]
            return (*parts, 1 / 255)
        case "cifar10":
            files = [folder / "cifar10_train_25000.npz", folder / "cifar10_test_first1000.npz"]
            step = 1 / 255
        case _:
            files, step = [DIGITS / f"digits_{s}.npz" for s in ("train", "test")], 1 / 16
    arrays = [np.load(file) for file in files]
    return (*(a[key] for a in arrays for key in ("x", "y")), step)


def _idx(pattern: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    def read(file: str, header: int) -> NDArray[np.uint8]:
        return np.frombuffer(gzip.open(pattern.format(file)).read(), np.uint8, offset=header)

    return read("images-idx3", 16).reshape(-1, 28, 28, 1), read("labels-idx1", 8)


def _line(row: dict[str, Any]) -> str:
    """One line of the table."""
    parts = [f"w{row['width']}a{row['width']}" if "width" in row else f"{row['luts']} LUTs"]
    for name in ("uniform", "mixed", "mixed_cheapest"):
        if name in row:
            one = row[name]
            cost = one["cost"]
            parts.append(
                f"{name} {100 * one['accuracy']:.2f} % (validation"
                f" {100 * one['accuracy_validation']:.2f}), {cost['lut']:,} LUT, {cost['dsp']} DSP,"
                f" {cost['ram_bits'] / 1024:.0f} kib, {one['seconds']} s"
            )
    return "; ".join(parts)


if __name__ == "__main__":
    main()
