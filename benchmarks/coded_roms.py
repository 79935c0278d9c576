r"""Weights of pruned, quantized networks in plain, codebook and Huffman ROMs: bits, blocks, LUTs.

    python benchmarks/coded_roms.py ../shared/data [NAME ...] [--synthesis]

Each network is pruned by magnitude, layer by layer, and quantized without training: its weights
have the statistics of such networks, its accuracy is not the point and is not measured. Its layers
are folded for one number of cycles a frame; each is built at that fold with every ROM that takes
it. A row tells bits stored, block RAMs of 18 kbit as counted by the blocks, and the cost by
formula; with --synthesis also cells that Yosys finds (synthesis/cells.py) of the whole unit, of up
to 100,000 weights, and for Huffman of one decoder. ``large`` is no network but one layer of random
weights as large as one of a VGG network. Writes benchmarks/results/coded-roms.json; names make only
these again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import top
from gatesmith.codegen.coded_rom import FoldedWeights
from gatesmith.codegen.dense import DenseStage, FoldedUnit
from gatesmith.codegen.fold import Target, budget, choose_folds, price
from gatesmith.codegen.huffman_rom import HuffmanRom
from gatesmith.codegen.matrix_unit import FOLDED, PLAIN, Fold, Layer, Naming
from gatesmith.codegen.matrix_units import layer_of
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.wish import Wish
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import Array, Graph, IntType
from gatesmith.ops.dense import Dense
from gatesmith.pipeline import to_integers
from gatesmith.prune.coding.huffman import entropy
from gatesmith.prune.coding.sizes import network_sizes
from gatesmith.quant.calibrate.layers import const, layers, with_consts
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine
from gatesmith.quantizing.run import quantize
from gatesmith.quantizing.settings import Settings
from gatesmith.synthesis.cells import FLOW
from gatesmith.synthesis.yosys import YOSYS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results/coded-roms.json"
SAMPLES, MOST_SYNTHESIZED = 64, 100_000


@dataclass(frozen=True, slots=True)
class Case:
    """One network and how it is made.

    Attributes:
        network: Name of the float network in examples/float; None for ``large``.
        data: Below the folder of data sets.
        ratio: Share of the weights that are cut.
        weights: Scheme.
        cycles: A frame.
    """

    network: str | None
    data: str
    ratio: float
    weights: str
    cycles: int


CASES = {
    "mnist_cnn int4 80 %": Case("mnist_cnn", "mnist", 0.8, "int4", 12544),
    "mnist_cnn codebook-16 0 %": Case("mnist_cnn", "mnist", 0.0, "codebook-16", 12544),
    "resnet8 int4 80 %": Case("resnet8", "cifar10", 0.8, "int4", 147456),
    "resnet8 int4 0 %": Case("resnet8", "cifar10", 0.0, "int4", 147456),
    "large int4 80 %": Case(None, "", 0.8, "int4", 0),
    "large int4 95 %": Case(None, "", 0.95, "int4", 0),
}
LARGE_FOLDS = ((1, 1), (1, 4), (4, 4), (4, 16))
"""(PE, SIMD) of the layer of 256 outputs and 2304 inputs."""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--synthesis", action="store_true", help="count cells with Yosys too")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for name in asked.names or CASES:
        case = CASES[name]
        made = large(case) if case.network is None else network(case, asked.data)
        rows = [row for layer in made["layers"] for row in measure(layer, asked.synthesis)]
        found[name] = {"cycles": case.cycles, "sizes": made["sizes"], "rows": rows}
        for row in rows:
            print(json.dumps(row), flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


# ---- networks -----------------------------------------------------------------------------------


def network(case: Case, data: Path) -> dict[str, Any]:
    """Layers with their folds, and the sizes of the network."""
    graph = import_model(ROOT / f"examples/float/{case.network}_s0.onnx").graph
    graph = pruned(fold_affine(channels_last(graph)), case.ratio)
    with tempfile.TemporaryDirectory() as away:
        folder = Path(away)
        (folder / "float.onnx").write_bytes(to_onnx(graph, form="float").model.SerializeToString())
        np.savez(folder / "x.npz", x=images(case.data, data))
        settings = Settings(
            weights=case.weights, activations="int4", input_spec="u8:1/255", samples=SAMPLES
        )
        quantize(folder / "float.onnx", str(folder / "x.npz"), folder / "q.onnx", settings)
        _, integer = to_integers(import_model(folder / "q.onnx"), folder / "q.onnx")
    target = Target(case.cycles, {"*": Wish(unit=FOLDED)})
    folds, cycles = choose_folds(integer, target), budget(integer, target)
    found = [
        (node.name, layer_of(node, cycles), fold.pe, fold.simd) for node, fold in folds.items()
    ]
    return {"layers": found, "sizes": network_sizes(integer).as_json()}


def pruned(graph: Graph, ratio: float) -> Graph:
    """The smallest weights of each layer are 0."""
    values = {layer.weight.name: const(layer.weight) for layer in layers(graph)}
    cuts = {name: np.quantile(np.abs(value), ratio) for name, value in values.items()}
    kept = {n: np.where(np.abs(v) >= cuts[n], v, 0.0) for n, v in values.items()}
    return with_consts(graph, kept)


def images(name: str, data: Path) -> NDArray[np.float32]:
    """Some training images, as the float networks take them."""
    if name == "mnist":
        raw = gzip.decompress((data / "mnist/train-images-idx3-ubyte.gz").read_bytes())
        pixels = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28)[:SAMPLES]
    else:
        with np.load(data / "cifar10_test_first1000.npz") as file:
            pixels = file["x"][:SAMPLES]
    return pixels.astype(np.float32) / np.float32(255)


def large(case: Case) -> dict[str, Any]:
    """A layer of 256 outputs and 3 x 3 x 256 inputs: Laplace weights, the smallest cut."""
    rng = np.random.default_rng(0)
    real = rng.laplace(size=(256, 2304))
    real[np.abs(real) < np.quantile(np.abs(real), case.ratio)] = 0
    step = np.quantile(np.abs(real[real != 0]), 0.99) / 7
    weights = np.clip(np.rint(real / step), -7, 7).astype(np.int64)
    layer = Layer(Dense(Array(weights), IntType(-7, 7)), IntType(0, 15), 1)
    return {"layers": [("conv", layer, pe, simd) for pe, simd in LARGE_FOLDS], "sizes": None}


# ---- one layer ----------------------------------------------------------------------------------


def measure(found: tuple[str, Layer, int, int], synthesis: bool) -> Iterator[dict[str, Any]]:
    """A row for each ROM that takes the layer."""
    name, layer, pe, simd = found
    weights = layer.op.weights.data
    for rom in (PLAIN, "codebook", "huffman"):
        unit, fold = FoldedUnit(), Fold(pe, simd, FOLDED, rom)
        refused = unit.refuses(layer, rom)
        possible = refused is None and fold in unit.folds(layer, rom)
        row: dict[str, Any] = {"layer": name, "weights": weights.size, "pe": pe, "simd": simd}
        row |= {"zeros": int((weights == 0).sum()), "entropy": round(entropy(weights), 3)}
        row["rom"] = rom
        if not possible:
            yield row | {"refused": refused or "there is none for this fold"}
            continue
        x = Stream(layer.x, layer.inputs, layer.vectors, simd)
        stage = unit.stage(Naming("unit", "unit", (), "unit"), layer, x, fold)
        yield row | told(stage) | (cells_of(stage) if synthesis else {})


def told(stage: DenseStage) -> dict[str, Any]:
    """What the blocks say."""
    coded, cost = stage.coded, stage.cost()
    plain = FoldedWeights(stage.op.weights, stage.terms.rom_type, stage.pe, stage.simd)
    row: dict[str, Any] = {
        "depth": stage.depth,
        "word_bits": stage.word_bits,
        "interval": stage.interval,
        "bits": stage.weight_bits,
        "bits_a_weight": round(stage.weight_bits / stage.op.weights.data.size, 3),
        "block_rams": plain.plain_blocks if coded is None else coded.blocks,
        "unit": {"lut": cost.lut, "ff": cost.ff, "dsp": cost.dsp, "ram_bits": cost.ram_bits},
        "price": round(price(cost)),
    }
    if isinstance(coded, HuffmanRom):
        row |= {
            "decoders": len(coded.words),
            "group": coded.group,
            "symbols": len(coded.code.symbols),
            "longest": coded.code.longest,
            "coded_word_bits": coded.word_bits,
        }
    return row


def cells_of(stage: DenseStage) -> dict[str, Any]:
    """What Yosys makes of the unit, and of one decoder."""
    files = dict(top.files([stage]))
    row: dict[str, Any] = {}
    if stage.op.weights.data.size <= MOST_SYNTHESIZED:
        row["yosys_unit"] = synthesized(files, stage.module)
    if isinstance(stage.coded, HuffmanRom):
        row["yosys_decoder"] = synthesized(files, f"{stage.module}_decoder")
    return row


def synthesized(files: dict[str, str], module: str) -> dict[str, int]:
    """LUTs, flip-flops and block RAMs of 18 kbit."""
    with tempfile.TemporaryDirectory() as away:
        for name, text in files.items():
            (Path(away) / name).write_text(text, "utf-8")
        sources = " ".join(sorted(name for name in files if name.endswith(".sv")))
        synth, *rest = FLOW
        passes = [f"read_verilog -sv {sources}", f"{synth} -top {module}", *rest]
        command = [sys.executable, "-c", YOSYS, *passes, "tee -q -o cells.json stat -json"]
        subprocess.run(command, cwd=away, check=True, capture_output=True)
        text = (Path(away) / "cells.json").read_text("utf-8")
    cells: dict[str, int] = json.loads(text)["design"]["num_cells_by_type"]
    return {
        "lut": cells.get("$lut", 0),
        "ff": sum(count for kind, count in cells.items() if kind.startswith("FD")),
        "block_rams": sum(
            count * (2 if kind.startswith("RAMB36") else 1)
            for kind, count in cells.items()
            if kind.startswith("RAMB")
        ),
    }


if __name__ == "__main__":
    main()
