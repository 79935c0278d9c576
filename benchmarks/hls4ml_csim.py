"""The networks of docs/hls4ml.md through hls4ml's C simulation, compared with our integers.

    python benchmarks/hls4ml_csim.py [--only WORD]

Downloads nothing: two of the networks and two of the data sets lie in the folder named by
GATESMITH_SHARED (models/, data/, bench/); the others are made from examples/. Each is handed over
as codes and as the file with its scales. Writes benchmarks/results/hls4ml.json and, between the
marks, the tables of docs/hls4ml.md. About five minutes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

import gatesmith
from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir.execute import execute
from gatesmith.pipeline import to_integers

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("GATESMITH_SHARED", ROOT.parent / "shared"))
RESULTS = ROOT / "benchmarks/results/hls4ml.json"
PAGE = ROOT / "docs/hls4ml.md"
MARKS = ("<!-- measured -->", "<!-- end -->")
DIGITS = ROOT / "examples/digits"
MNIST = SHARED / "data/mnist"


@dataclass(frozen=True)
class Network:
    """One network of the page.

    Attributes:
        name: In the table.
        make: Writes or finds the file, given a folder.
        data: Frames; made by ``make`` where None.
        options: Of gatesmith.hls4ml.
        forms: Forms that are run.
        backends: In codes; the first is run in every form.
    """

    name: str
    make: Callable[[Path], Path]
    data: Path | None
    options: dict[str, Any] = field(default_factory=dict)
    forms: tuple[str, ...] = ("codes", "real")
    backends: tuple[str, ...] = ("Vitis",)


def jet(folder: Path) -> Path:
    """16-64-32-32-5 with 6-bit weights: the integer network of bench/w1.npz, as QONNX."""
    with np.load(SHARED / "bench/w1.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    nodes, constants, at = [], [], "x"

    def store(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def quant(x: str, name: str, bits: int, signed: int, rounding: str) -> str:
        given = [store(f"{name}_{k}", v) for k, v in (("s", 1.0), ("z", 0.0), ("b", float(bits)))]
        nodes.append(helper.make_node(
            "Quant", [x, *given], [name], name, domain="qonnx.custom_op.general",
            signed=signed, narrow=0, rounding_mode=rounding))  # fmt: skip
        return name

    def emit(kind: str, inputs: list[str], name: str) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], name))
        return name

    layers = sorted(key for key in arrays if key.startswith("W"))
    shifts = np.asarray(arrays["S"]).reshape(-1)
    for index, key in enumerate(layers):
        weights, bias = arrays[key], arrays[key.replace("W", "B")]
        held = quant(store(f"w{index}", weights), f"w{index}_quant", 6, 1, "ROUND")
        at = emit("MatMul", [at, held], f"product{index}")
        at = emit("Add", [at, store(f"b{index}", bias)], f"sum{index}")
        if index < len(layers) - 1:
            scale = store(f"shift{index}", 2.0 ** -int(shifts[index]))
            at = emit("Mul", [at, scale], f"scaled{index}")
            at = emit("Add", [at, store(f"half{index}", 0.5)], f"moved{index}")
            at = quant(at, f"h{index}", 6, 0, "FLOOR")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "jet", [value("x", 1, [1, 16])], [value(at, 1, [1, arrays[layers[-1]].shape[1]])],
        constants)  # fmt: skip
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    onnx.save(model, folder / "jet.onnx")
    np.savez(folder / "data.npz", x=arrays["X"].astype(np.int8))
    file = folder / "jet.onnx"
    integer = to_integers(import_model(file, InputSpec.parse("i8:1")), file)[1]
    (end,) = integer.outputs
    found = execute(integer, {"x": arrays["X"].astype(np.int64)})[end].astype(np.int64)
    found = found if end.meaning is None else end.meaning.real(found)  # the last bias
    if (found != arrays["Y"]).any():
        raise AssertionError("the file is not the network of w1.npz")
    return file


def digits(**options: Any) -> Callable[[Path], Path]:
    """The digits CNN, quantized to 4 bits after training."""

    def make(folder: Path) -> Path:
        out = folder / "digits_cnn_4bit.onnx"
        gatesmith.quantize(
            ROOT / "examples/float/digits_cnn_s0.onnx",
            DIGITS / "digits_train.npz",
            out,
            test=str(DIGITS / "digits_test.npz"),
            input_spec="u5:1/16",
            **options,
        )
        return out

    return make


TFC = {
    "input_spec": "u8:1/255",
    "labels": MNIST / "t10k-labels-idx1-ubyte.gz",
    "frames": 1000,
}
IMAGES = MNIST / "t10k-images-idx3-ubyte.gz"
DIGITS_IN = {"input_spec": "u5:1/16", "io": "stream"}
TEST = DIGITS / "digits_test.npz"
NETWORKS = (
    Network("TFC 2 bits", lambda _: ROOT / "examples/tfc/TFC_2W2A.onnx", IMAGES, TFC),
    Network("TFC bipolar", lambda _: ROOT / "examples/tfc/TFC_1W1A.onnx", IMAGES, TFC),
    Network(
        "KWS MLP 3 bits",
        lambda _: SHARED / "models/kws_mlp_w3a3_QONNX.onnx",
        SHARED / "data/kws_finn_mfcc_int8.npz",
    ),
    Network(
        "jet MLP 6 bits",
        jet,
        None,
        {"input_spec": "i8:1"},
        backends=("Vitis", "Vivado", "Quartus", "Catapult"),
    ),
    Network(
        "digits CNN 4 bits, a scale for each channel",
        digits(weights="int4", activations="int4"),
        TEST,
        DIGITS_IN,
    ),
    Network(
        "digits CNN 4 bits, powers of two",
        digits(weights="int4:tensor:pow2scale", activations="int4:pow2scale"),
        TEST,
        DIGITS_IN,
    ),
)
KEPT = (
    *("model", "backend", "io", "form", "frames", "equal", "output_difference", "top1"),
    *("top1_ours", "same_class", "unexplained", "causes", "layers", "seconds"),
)


def run(network: Network) -> list[dict[str, Any]]:
    """Every form and backend of a network."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        model = network.make(folder)
        data = network.data or folder / "data.npz"
        turns = [(form, network.backends[0]) for form in network.forms]
        turns += [("codes", backend) for backend in network.backends[1:]]
        for form, backend in turns:
            row: dict[str, Any] = {"network": network.name, "form": form, "backend": backend}
            try:
                done = gatesmith.hls4ml(
                    model, folder / f"{form}{backend}", data=str(data), form=form,
                    backend=backend, **network.options)  # fmt: skip
                found = done.as_json()
                row |= {key: found[key] for key in KEPT}
            except (UserError, UserErrors) as error:
                row["refused"] = [e.code for e in getattr(error, "errors", (error,))]
            print({k: v for k, v in row.items() if k != "layers"}, flush=True)
            rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The table of the page."""
    lines = [
        "| network | form | backend, io | frames equal | largest difference of an output | top-1, "
        "ours | same class | layers that differ, and why |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        start = f"| {row['network']} | {row['form']} |"
        if "refused" in row:
            lines.append(
                f"{start} {row['backend']} | refused: {', '.join(row['refused'])} | | | | |"
            )
            continue
        why = {k: v for k, v in row["causes"].items() if k != "equal"}
        told = ", ".join(f"{count} {cause}" for cause, count in why.items()) or "none"
        off = f"{row['output_difference']:.2g}" if row["output_difference"] else "0"
        top1 = "" if row["top1"] is None else f"{row['top1']:.2%}, {row['top1_ours']:.2%}"
        frames = row["frames"]
        lines.append(
            f"{start} {row['backend']}, {row['io']} | {row['equal']:,} of {frames:,} | {off} | "
            f"{top1} | {row['same_class']:,} | {told} |"
        )
    return "\n".join(lines)


def versions() -> dict[str, str]:
    """What the figures were measured with."""
    told = {name: importlib.metadata.version(name) for name in ("hls4ml", "qonnx", "onnx", "numpy")}
    compiler = subprocess.run(
        ["g++", "-dumpfullversion"], capture_output=True, text=True, check=True
    )
    return {**told, "g++": compiler.stdout.strip(), "python": platform.python_version()}


def main() -> None:
    """Run all, or those named; what is not run keeps its figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    only = parser.parse_args().only
    old = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.exists() else []
    rows: list[dict[str, Any]] = []
    for network in NETWORKS:
        if only and only not in network.name:
            rows += [row for row in old if row["network"] == network.name]
        else:
            rows += run(network)
    RESULTS.write_text(json.dumps({"versions": versions(), "rows": rows}, indent=1) + "\n", "utf-8")
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    told = ", ".join(f"{name} {version}" for name, version in versions().items())
    middle = f"\n\nMeasured with {told}.\n\n{table(rows)}\n\n"
    PAGE.write_text(before + MARKS[0] + middle + MARKS[1] + after, "utf-8")


if __name__ == "__main__":
    main()
