"""Build and verify every model of ../shared/models; writes docs/models.md.

    python benchmarks/models.py [--frames N] [--only NAME] [--hls]

Each model is built with the options of the table, its data runs through the RTL in Verilator and
through the HLS C++, and what the verifier says goes into the table; a model that is refused stands
there with its errors. With --hls only the C simulation runs, and figures of the RTL stay.
Data is that of ../shared/data, brought into the form that the model takes: see ``MODELS``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import gatesmith
from gatesmith.errors import UserError, UserErrors
from gatesmith.ir.execute import execute
from gatesmith.ir.store import load
from gatesmith.ops.input import Input

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
PAGE = ROOT / "docs" / "models.md"
RESULTS = ROOT / "benchmarks" / "results" / "models.json"


def mnist(folder: Path) -> tuple[Path, Path | None]:
    """The 10,000 test images and their labels."""
    place = SHARED / "data" / "mnist"
    return place / "t10k-images-idx3-ubyte.gz", place / "t10k-labels-idx1-ubyte.gz"


def cifar(folder: Path) -> tuple[Path, Path | None]:
    """1,000 test images as int8: pixel - 128."""
    data = np.load(SHARED / "data" / "cifar10_test_first1000.npz")
    x = (data["x"].astype(np.int16) - 128).astype(np.int8)
    np.savez(folder / "cifar.npz", x=x, y=data["y"])
    return folder / "cifar.npz", None


def shared(name: str) -> Callable[[Path], tuple[Path, Path | None]]:
    """A file as it is."""
    return lambda folder: (SHARED / name, None)


def sample(folder: Path) -> tuple[Path, Path | None]:
    """The random frames of the build itself, where there is no data set."""
    data = np.load(folder / "build" / "vectors" / "sample.npz")
    inputs = {key: value for key, value in data.items() if not key.startswith("expected")}
    np.savez(folder / "sample.npz", **inputs)
    return folder / "sample.npz", None


@dataclass(frozen=True, slots=True)
class Model:
    """One row.

    Attributes:
        file: Below ../shared/models.
        options: Of ``gatesmith.build``.
        data: Writes or finds the data.
        told: What the data is.
        frames: Most frames that are simulated.
        stall: Also with random stalls and resets.
    """

    file: str
    options: dict[str, Any]
    data: Callable[[Path], tuple[Path, Path | None]]
    told: str
    frames: int = 10_000
    stall: bool = True


MODELS = (
    Model("TFC_1W1A.onnx", {"input_spec": "u8:1/255", "cycles": 64}, mnist, "MNIST test"),
    Model("TFC_2W2A.onnx", {"input_spec": "u8:1/255", "cycles": 64}, mnist, "MNIST test"),
    Model(
        "finn_tfc_w1a1/model.onnx",
        {},
        shared("models/finn_tfc_w1a1/input.npy"),
        "the 4 golden inputs",
    ),
    Model("kws_mlp_w3a3_QONNX.onnx", {}, shared("data/kws_finn_mfcc_int8.npz"), "kws_finn MFCC"),
    Model(
        "radioml_w8a2/text_export_qonnx.onnx",
        {"input_spec": "i8:1"},
        shared("models/radioml_w8a2/input_n_1024_quant.npy"),
        "the 1,024 golden inputs",
    ),
    Model("kws_ref_int8.onnx", {}, shared("data/kws01_mfcc_int8.npz"), "kws01 MFCC", stall=False),
    Model("ic_resnet8_int8.onnx", {}, cifar, "CIFAR-10 test", frames=200, stall=False),
    Model("ad01_int8.onnx", {}, sample, "random"),
    Model("cntk_mnist/model.onnx", {"input_spec": "u8:1"}, sample, ""),
    Model("float/model_ad.onnx", {"input_spec": "i8:1/16"}, sample, ""),
    Model("float/model_ic.onnx", {"input_spec": "u8:1/255"}, sample, ""),
    Model("float/model_kws.onnx", {"input_spec": "i8:1/16"}, sample, ""),
    Model("float/model_vww.onnx", {"input_spec": "u8:1/255"}, sample, ""),
    Model("float/vww_96_float.onnx", {"input_spec": "u8:1/255"}, sample, ""),
)


def c_simulation(build: Path, data: Path, frames: int, labels: Path | None) -> dict[str, Any]:
    """What ``verify --hls`` says."""
    verdict = gatesmith.verify(build, data, frames=frames, labels=labels, rtl=False, hls=True)
    assert verdict.hls is not None
    kept = ("frames", "equal", "all_equal", "seconds_compile", "seconds_sim")
    return {key: verdict.hls[key] for key in kept} | {"top1": verdict.top1}


def run(model: Model, most: int | None, *, hls_only: bool = False) -> dict[str, Any]:
    """One row as plain values."""
    path = SHARED / "models" / model.file
    row: dict[str, Any] = {"model": model.file, "options": model.options}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        try:
            built = gatesmith.build(path, folder / "build", **model.options)
        except (UserError, UserErrors) as error:
            errors = getattr(error, "errors", (error,))
            seen = dict.fromkeys(f"{e.code}: {e.what}" for e in errors)
            return row | {"verdict": "refused", "errors": list(seen), "count": len(errors)}
        row["seconds_build"] = round(time.monotonic() - began, 1)
        row["cost"] = built.content["cost"]
        data, labels = model.data(folder)
        frames = min(model.frames, most) if most else model.frames
        row["hls"] = c_simulation(folder / "build", data, frames, labels)
        if hls_only:
            return row
        verdict = gatesmith.verify(
            folder / "build", data, frames=frames, stall=model.stall, labels=labels
        )
        row |= {
            "data": model.told,
            "frames": verdict.frames,
            "equal": verdict.equal,
            "all_equal": verdict.all_equal,
            "stall": model.stall,
            "interval": [verdict.interval, verdict.interval_predicted],
            "latency": [verdict.latency, verdict.latency_predicted],
            "top1": verdict.top1,
            "original": None if verdict.original is None else dict(verdict.original),
            "unexplained": verdict.unexplained,
            "seconds_sim": verdict.seconds_sim,
            "golden": golden(model, folder / "build"),
        }
        row["verdict"] = "equal" if verdict.all_equal and not verdict.unexplained else "WRONG"
    return row


def golden(model: Model, build: Path) -> str | None:
    """The 1,024 outputs that came with the radio network against the integer graph."""
    if not model.file.startswith("radioml"):
        return None
    place = SHARED / "models" / "radioml_w8a2"
    graph = load(build / "ir" / "integer")
    entry = next(node for node in graph if isinstance(node.op, Input))
    x = np.load(place / "input_n_1024_quant.npy").astype(np.int64).transpose(0, 2, 1)
    (output,) = graph.outputs
    assert output.meaning is not None
    y = output.meaning.real(execute(graph, {entry.name: x.reshape(-1, *entry.type.shape)})[output])
    wanted = np.load(place / "output_input_for_finn.npy")
    same = int((y.argmax(axis=1) == np.load(place / "output_input_for_finn_top1.npy")).sum())
    away = float(np.abs(y - wanted).max())
    return f"{same:,} of {len(y):,} golden classes; largest difference of an output {away:.1e}"


def page(rows: list[dict[str, Any]]) -> str:
    """docs/models.md."""
    lines = [
        "# Real networks",
        "",
        "Written by `python benchmarks/models.py` (figures in `benchmarks/results/models.json`).",
        "Every frame's output of the RTL in Verilator is compared with the NumPy reference, bit by",
        "bit; interval and latency are clock cycles, measured = predicted where one number stands.",
        "*Unexplained* counts codes that differ from the original in onnxruntime by more than",
        "float32 rounding accounts for. LUT, DSP and block-RAM bits are estimates.",
        "",
        "| model | data | frames equal | top-1, original's | interval | latency "
        "| LUT, DSP, RAM bits | unexplained | verdict | HLS C simulation: equal, seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        if row["verdict"] == "refused":
            continue
        told = row["original"] or {}
        shares = [row["top1"], told.get("top1")]
        top1 = ", ".join("-" if s is None else f"{100 * s:.2f} %" for s in shares)
        cost = row["cost"]
        lines.append(
            f"| {row['model']} | {row['data']}{', stalls' if row['stall'] else ''} "
            f"| {row['equal']:,} of {row['frames']:,} | {top1} | {pair(row['interval'])} "
            f"| {pair(row['latency'])} | {cost['lut']:,}, {cost['dsp']:,}, {cost['ram_bits']:,} "
            f"| {row['unexplained']} | {row['verdict']} | {simulated(row.get('hls'))} |"
        )
    lines += ["", *(f"{row['model']}: {row['golden']}." for row in rows if row.get("golden"))]
    lines += ["", "## Refused", ""]
    for row in rows:
        if row["verdict"] == "refused":
            told = "; ".join(row["errors"])
            lines.append(f"- {row['model']}: {row['count']} problem(s): {told}.")
    options = [f"`{row['model']}` {row['options']}" for row in rows if row["options"]]
    lines += ["", "Options, where not the defaults: " + "; ".join(options) + "."]
    return "\n".join(lines) + "\n"


def simulated(hls: dict[str, Any] | None) -> str:
    """Frames and seconds of the C simulation."""
    if hls is None:
        return "not run"
    return f"{hls['equal']:,} of {hls['frames']:,}, {hls['seconds_sim']}"


def pair(values: list[int | None]) -> str:
    """Measured and predicted."""
    found, predicted = values
    return f"{found:,}" if found == predicted else f"{found}, predicted {predicted}"


def main() -> None:
    """Run all, or those named; what is not run keeps its figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int)
    parser.add_argument("--only", action="append")
    parser.add_argument("--hls", action="store_true")
    given = parser.parse_args()
    rows = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []
    known = {row["model"]: row for row in rows}
    for model in MODELS:
        if given.only and not any(word in model.file for word in given.only):
            continue
        found = run(model, given.frames, hls_only=given.hls)
        known[model.file] = known.get(model.file, {}) | found if given.hls else found
        print(json.dumps(known[model.file]), flush=True)
        ordered = [known[m.file] for m in MODELS if m.file in known]
        RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", "utf-8")
        PAGE.write_text(page(ordered), "utf-8")


if __name__ == "__main__":
    main()
