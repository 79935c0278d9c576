"""The packed kernels against onnxruntime and against themselves without packing, on one core.

    python benchmarks/baselines.py

Three questions. Bipolar perceptrons: XNOR and popcount (engine ``native``) against onnxruntime's
float32, on the file as it is (``onnxruntime``) and in the best form that float32 has for these
codes (``onnxruntime-codes``), at batch 1 and 256. Other networks: the same with integer products.
Zeros: ``native-sparse`` against ``native``, by the part of the weights that is zero.

One thread. Engines take turns, a short sample each, round after round (A B C A B C ...), so that
other work on the machine meets all of them. Two figures: the least time of each, which nothing
disturbed, and the median of the rounds' ratios. Every engine's outputs are compared with the
reference first. Frames are random: no time here hangs on them. Writes
benchmarks/results/baselines-DATE.json and docs/baselines.md.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console

from gatesmith.benching.machine import machine
from gatesmith.benching.read import Loaded, read
from gatesmith.cpu_gpu_baselines import outcome
from gatesmith.cpu_gpu_baselines.engines import Subject, Unavailable, all_engines
from gatesmith.cpu_gpu_baselines.timing import SAMPLE, sample
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, IntType, Node, TensorType
from gatesmith.ir.check import samples
from gatesmith.ir.execute import execute
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.threshold import Threshold
from gatesmith.pipeline import quiet

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
WIDTHS = (784, 256, 256, 256, 10)
ROUNDS, FRAMES, SEED = 201, 256, 1
BATCHES = (1, 256)
FLOATS = ("onnxruntime", "onnxruntime-codes")
ZEROS = (0.5, 0.75, 0.9, 0.95, 0.98)
QONNX = "qonnx.custom_op.general"


def bipolar_perceptron(path: Path) -> None:
    """784-256-256-256-10 as QONNX: bipolar weights and activations, batch norms, random."""
    rng = np.random.default_rng(SEED)
    nodes: list[onnx.NodeProto] = []
    stored = [numpy_helper.from_array(np.float32(1), "one")]

    def keep(name: str, data: Any) -> str:
        stored.append(numpy_helper.from_array(np.asarray(data, np.float32), name))
        return name

    def add(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        domain = QONNX if kind == "BipolarQuant" else ""
        nodes.append(helper.make_node(kind, inputs, [output], output, domain=domain, **attributes))
        return output

    x = "x"
    for layer, (ins, outs) in enumerate(pairwise(WIDTHS)):
        x = add("BipolarQuant", [x, "one"], f"bits{layer}")
        keep(f"w{layer}", rng.normal(size=(ins, outs)))
        x = add("MatMul", [x, add("BipolarQuant", [f"w{layer}", "one"], f"wb{layer}")], f"s{layer}")
        norm = {
            "gamma": rng.normal(size=outs),
            "beta": rng.normal(size=outs),
            "mean": rng.normal(size=outs) * ins**0.5 / 4,
            "var": rng.uniform(0.5, 2.0, outs) * ins,
        }
        given = [keep(f"{name}{layer}", value) for name, value in norm.items()]
        x = add("BatchNormalization", [x, *given], f"n{layer}")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("x", WIDTHS[0]), (x, WIDTHS[-1]))
    ]
    graph = helper.make_graph(nodes, "bipolar", ends[:1], ends[1:], stored)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(QONNX, 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)


def loaded(model: Path, work: Path, spec: str | None = None) -> Loaded:
    """A network with random frames of what it takes."""
    (given,) = (n for n in import_model(model).graph if isinstance(n.op, Input))
    rng = np.random.default_rng(SEED)
    frames = (FRAMES, *given.type.shape)
    x = rng.integers(0, 17, frames) if spec else rng.normal(size=frames).astype(np.float32)
    np.savez(work / "data.npz", x=x)
    return read(model, work / "data.npz", frames=None, labels=None, input_spec=spec, progress=quiet)


def compare(
    subject: Subject, names: Sequence[str], source: Loaded | None = None
) -> list[dict[str, Any]]:
    """One row a batch: the engines in turns."""
    engines = all_engines()
    rows = []
    for batch in BATCHES:
        with ExitStack() as stack:
            calls, notes = {}, {}
            for name in names:
                try:
                    opened = engines[name].open(subject, 1)
                except Unavailable as error:
                    notes[name] = str(error)
                    continue
                check(name, opened, subject, source)
                stack.enter_context(opened.active())
                calls[name] = opened.bind(np.arange(batch)).call
                notes[name] = opened.note
            rows.append({"batch": batch, **turns(calls), "notes": notes})
    return rows


def check(name: str, opened: Any, subject: Subject, source: Loaded | None) -> None:
    """Equal, or (floats) equal in all codes but those that float32 may round."""
    if all_engines()[name].kind == "integer":
        assert outcome.integers(opened, subject).differing == 0, name
    elif source is not None:
        found = outcome.floats(opened, subject, source.network.ends, source.classes)
        assert found.differing <= 0.01 * found.compared, (name, found)


def turns(calls: dict[str, Any]) -> dict[str, Any]:
    """Microseconds of a call, and how often faster ``native`` is than each, from all rounds."""
    inner = {}
    for name, call in calls.items():
        call()
        inner[name] = max(1, round(SAMPLE / sample(call, 3)))
        sample(call, inner[name])
    rounds = [{n: sample(call, inner[n]) for n, call in calls.items()} for _ in range(ROUNDS)]
    times = {n: [1e6 * r[n] for r in rounds] for n in calls}
    first = next(iter(calls))
    ratios = {n: sorted(r[n] / r[first] for r in rounds) for n in calls if n != first}
    least = {n: min(t) for n, t in times.items()}
    return {
        "ratio_of_least": {n: round(least[n] / least[first], 3) for n in ratios},
        "median_us": {n: round(statistics.median(t), 3) for n, t in times.items()},
        "least_us": {n: round(min(t), 3) for n, t in times.items()},
        "ratio": {n: round(statistics.median(r), 3) for n, r in ratios.items()},
        "ratio_quartiles": {
            n: [round(q, 3) for q in statistics.quantiles(r, n=4)[::2]] for n, r in ratios.items()
        },
    }


def sparse_perceptron(zeros: float) -> Graph:
    """784-256-256-256-10 of 4 bits, with this part of the weights at zero, unstructured."""
    rng = np.random.default_rng(SEED)
    node = Node("x", Input(TensorType((WIDTHS[0],), IntType(0, 15))))
    for layer, (ins, outs) in enumerate(pairwise(WIDTHS)):
        weights = rng.integers(1, 8, (outs, ins)) * rng.choice([-1, 1], (outs, ins))
        weights[rng.random((outs, ins)) < zeros] = 0
        node = Node(f"dense{layer}", Dense(Array(weights), IntType(-7, 7)), (node,))
        if layer < len(WIDTHS) - 2:
            at = np.sort(rng.integers(-400, 400, (outs, 15)), axis=1)
            step = Threshold(Array(at), IntType(0, 15), Array(np.zeros(outs, np.int64)))
            node = Node(f"step{layer}", step, (node,))
    return Graph((node,), "sparse")


def of_graph(graph: Graph) -> Subject:
    """An integer graph and random codes."""
    x = samples(graph, FRAMES, SEED)
    found = execute(graph, x)
    codes = {name: values.astype(np.uint8) for name, values in x.items()}
    expected = [found[node] for node in graph.outputs]
    return Subject(graph.name, graph, graph, onnx.ModelProto(), codes, {}, {}, expected, None)


def main() -> None:
    """Measure, write the JSON and the page."""
    out, where = Console(), machine()
    networks: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        made = work / "bipolar_784-256-256-256-10.onnx"
        bipolar_perceptron(made)
        models = [
            (EXAMPLES / "tfc" / "TFC_1W1A.onnx", None, "bipolar"),
            (made, None, "bipolar"),
            (EXAMPLES / "tfc" / "TFC_2W2A.onnx", None, "2 bits"),
            (EXAMPLES / "digits" / "digits_1w1a.onnx", "u5:1/16", "bipolar, 5-bit input"),
            (EXAMPLES / "exported" / "residual.onnx", None, "4-bit convolutions"),
        ]
        for model, spec, kind in models:
            source = loaded(model, work, spec)
            for row in compare(source.subject, ("native", *FLOATS), source):
                networks.append({"network": model.stem, "kind": kind, **row})
                out.print(model.stem, row["batch"], row["median_us"], row["ratio"])
    zeros = []
    for part in ZEROS:
        for row in compare(of_graph(sparse_perceptron(part)), ("native-sparse", "native")):
            zeros.append({"zeros": part, **row})
            out.print(part, row["batch"], row["median_us"], row["ratio"])
    where["load_average_after"] = round(os.getloadavg()[0], 2)
    date = datetime.now(UTC).date().isoformat()
    told = {
        "date": date,
        "machine": where,
        "threads": 1,
        "rounds": ROUNDS,
        "networks": networks,
        "zeros": zeros,
    }
    path = ROOT / "benchmarks" / "results" / f"baselines-{date}.json"
    path.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    page = ROOT / "docs" / "baselines.md"
    page.write_text(text(told, path.name), "utf-8")
    out.print(f"wrote {path.relative_to(ROOT)}, {page.relative_to(ROOT)}")


def text(told: dict[str, Any], source: str) -> str:
    """The page."""
    where = told["machine"]
    heads = ("network", "", "batch", "native, us", "onnxruntime, us", "factor")
    lines = [
        "# Kernels on the CPU, measured",
        "",
        f"Written by `python benchmarks/baselines.py` on {told['date']}",
        f"(benchmarks/results/{source}). {where['cpu']}",
        f"({', '.join(where['cpu_flags'])}), one thread on {where['cores']} cores; onnxruntime",
        f"{where['onnxruntime']}, {where['compiler']}. Other work ran on the machine: load",
        f"{where['load_average']} before, {where['load_average_after']} after. Engines took turns,",
        f"{told['rounds']} rounds. Times are the least of a call in microseconds, which nothing",
        "disturbed; factors say how often faster `native` is: by these times, and in brackets the",
        "median of the rounds' ratios with their quartiles, disturbances and all. All integer",
        "engines gave the reference's codes in every frame before they were timed. The time of",
        "`native` counts packing bytes to bits; `onnxruntime` begins with the file's real input,",
        "the other two with the codes that the core takes too.",
        "",
        _line([*heads, "onnxruntime-codes, us", "factor"]),
        _line(["---"] * 8),
    ]
    for row in told["networks"]:
        cells = [
            row["network"],
            row["kind"],
            str(row["batch"]),
            f"{row['least_us']['native']:.2f}",
        ]
        for name in FLOATS:
            cells += _pair(row, name)
        lines.append(_line(cells))
    lines += [
        "",
        "`onnxruntime-codes` is a Gemm and a Sign a layer, exact in float32: the most that",
        "onnxruntime can be given. It is written for perceptrons only.",
        "",
        "## Weights that are zero",
        "",
        "784-256-256-256-10 of 4-bit weights and activations, zeros anywhere; what is left is",
        "stored by row with its places. The dense kernel multiplies up to 64 bytes an instruction,",
        "so single zeros pay late. Factor: how often faster `native-sparse` is.",
        "",
        _line(["zeros", "batch", "native-sparse, us", "native, us", "factor"]),
        _line(["---"] * 5),
    ]
    for row in told["zeros"]:
        own = f"{row['least_us']['native-sparse']:.2f}"
        cells = [f"{row['zeros']:.0%}", str(row["batch"]), own, *_pair(row, "native")]
        lines.append(_line(cells))
    return "\n".join([*lines, ""])


def _line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def _pair(row: dict[str, Any], name: str) -> list[str]:
    """Time and factor of an engine; empty where it cannot compute the network."""
    if name not in row["median_us"]:
        return ["", ""]
    low, high = row["ratio_quartiles"][name]
    rounds = f"{row['ratio'][name]:.1f}, {low:.1f} to {high:.1f}"
    return [f"{row['least_us'][name]:.2f}", f"{row['ratio_of_least'][name]:.1f} ({rounds})"]


if __name__ == "__main__":
    main()
