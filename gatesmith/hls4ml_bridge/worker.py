"""The process in which hls4ml runs: ``python -m gatesmith.hls4ml_bridge.worker JOB.json``.

hls4ml prints, changes the working directory, and its compiled library may abort; here it can. The
job names a QONNX file that is ready for it; what comes out is files in the job's folder:

1. hls4ml's own optimizers run, up to its backend's types. 2. Its layers are described and their
types chosen (precision.py). 3. The project is written. 4. The same project, with tracing, is
compiled by the backend's own script in the cache, once for the same content, and the frames run.
Writes layers.json, layers.npz, places.json, trace.npz; where something fails, error.json.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.hls4ml_bridge.evaluate import COPY, PADDING, POOL
from gatesmith.hls4ml_bridge.fixed import Fixed, to_reals
from gatesmith.hls4ml_bridge.layers import ATTRIBUTES, Layer, save
from gatesmith.hls4ml_bridge.precision import Bits, InputRange, choose, constants

PROJECT = "gatesmith_net"
UNSPECIFIED = "fixed<32,16>"
"""hls4ml's default type; only what has no exact range is left with it."""


def main(job_file: Path) -> int:
    """Do one job; exit code 3 after error.json was written."""
    job = json.loads(job_file.read_text())
    folder = job_file.parent
    phase = ["import"]
    try:
        _run(job, folder, lambda name: phase.__setitem__(0, name))
    except BaseException as error:
        said = {"phase": phase[0], "type": type(error).__name__, "message": str(error)}
        (folder / "error.json").write_text(json.dumps(said))
        import traceback

        traceback.print_exc()
        return 3
    return 0


def _run(job: Mapping[str, Any], folder: Path, phase: Callable[[str], None]) -> None:
    os.chdir(folder)
    uuid.uuid4 = lambda: uuid.UUID(job["key"][:32])  # stamps follow from the content
    hls4ml = importlib.import_module("hls4ml")
    phase("convert")
    moved = _follow(importlib.import_module("hls4ml.model.graph").ModelGraph)
    graph, backend, flow = _converted(hls4ml, job, folder)
    phase("types")
    given = InputRange(*job["input"])
    bits = Bits(job["fraction"], job["held"])
    before = _described(graph)
    layers = choose(before, given, bits, saturates=job["saturates"])
    for node, old, layer in zip(graph.get_layers(), before, layers, strict=True):
        _set_types(node, old, layer)
    save(folder, layers)
    phase("convert")
    graph.apply_flow(flow)
    places = {name: _place(name, moved, {layer.name for layer in layers}) for name in job["quants"]}
    ends = [_producer(graph, name) for name in graph.outputs]
    (folder / "places.json").write_text(json.dumps({"quants": places, "outputs": ends}))
    phase("write")
    graph.write()
    project = Path(graph.config.get_output_dir())
    _without_paths(project, Path(job["out"]))
    if job["frames"] is None:
        return
    phase("compile")
    start = time.perf_counter()
    library = _compiled(graph, Path(job["cache"]), backend)
    seconds = time.perf_counter() - start
    phase("simulate")
    with np.load(job["frames"]) as stored:
        frames = np.ascontiguousarray(stored["x"], np.float64)
    start = time.perf_counter()
    trace, outputs = _traced(graph, frames, library)
    np.savez(folder / "trace.npz", **{f"layer:{name}": value for name, value in trace.items()},
             **{f"output:{i}": value for i, value in enumerate(outputs)})  # fmt: skip
    times = {"compile": seconds, "simulate": time.perf_counter() - start}
    (folder / "times.json").write_text(json.dumps(times))


def _follow(kind: Any) -> dict[str, str]:
    """Where each node that hls4ml replaces or takes out lives on: its successor or its producer."""
    moved: dict[str, str] = {}
    remove, replace = kind.remove_node, kind.replace_node

    def removed(graph: Any, node: Any) -> Any:
        before = node.get_input_node() if node.inputs and node.inputs[0] else None
        if before is not None:
            moved[node.name] = before.name
        return remove(graph, node)

    def replaced(graph: Any, old: Any, new: Any) -> Any:
        if old.name != new.name:
            moved[old.name] = new.name
        return replace(graph, old, new)

    kind.remove_node, kind.replace_node = removed, replaced
    return moved


def _place(name: str, moved: Mapping[str, str], there: set[str]) -> str | None:
    seen: set[str] = set()
    while name not in there:
        if name in seen or name not in moved:
            return None
        seen.add(name)
        name = moved[name]
    return name


def _converted(hls4ml: Any, job: Mapping[str, Any], folder: Path) -> tuple[Any, Any, str]:
    """hls4ml's graph after its own optimizers, before its backend's types; backend; its flow."""
    wrapper = importlib.import_module("qonnx.core.modelwrapper").ModelWrapper(job["model"])
    flows = importlib.import_module("hls4ml.model.flow.flow")
    name = job["backend"]
    backend = hls4ml.backends.get_backend(name)
    config = hls4ml.utils.config.config_from_onnx_model(
        wrapper,
        granularity="name",
        backend=name,
        default_precision=UNSPECIFIED,
        default_reuse_factor=job["reuse"],
    )
    config["Model"]["Strategy"] = job["strategy"].capitalize()
    for entry in config["LayerName"].values():
        entry["Trace"] = True
        if "Strategy" in entry:
            entry["Strategy"] = job["strategy"].capitalize()
    flow = backend.get_default_flow()
    first: list[str] = []
    for step in flows.get_flow(flow).requires:
        if step.endswith((":specific_types", ":apply_templates")):
            break
        first.append(step)
    config["Flows"] = first
    part = {} if job["part"] is None else {"part": job["part"]}
    graph = hls4ml.converters.convert_from_onnx_model(
        wrapper,
        output_dir=str(folder / "project"),
        project_name=PROJECT,
        io_type=f"io_{job['io']}",
        backend=name,
        hls_config=config,
        **part,
    )
    graph.config.config.setdefault("WriterConfig", {})["WriteTar"] = False
    return graph, backend, flow


def _described(graph: Any) -> list[Layer]:
    producers = {out: node.name for node in graph.get_layers() for out in node.outputs}
    return [_layer(node, producers) for node in graph.get_layers()]


def _layer(node: Any, producers: Mapping[str, str]) -> Layer:
    attributes = {}
    for name in ATTRIBUTES:
        value = node.get_attr(name)
        if isinstance(value, np.integer | np.floating):
            value = value.item()
        if isinstance(value, list | tuple):
            value = [int(v) for v in value]
        if isinstance(value, str | int | float | bool | list):
            attributes[name] = value
    types = {role: Fixed.parse(str(t.precision)) for role, t in node.types.items()}
    output = node.get_output_variable()
    types["result_t"] = Fixed.parse(str(output.type.precision))
    result = types["result_t"]
    weights = {name: np.asarray(w.data, np.float64) for name, w in node.weights.items()}
    return Layer(
        node.name,
        node.class_name,
        tuple(producers[name] for name in node.inputs if name in producers),
        tuple(int(extent) for extent in output.shape),
        attributes,
        weights,
        types,
        quantizer=node.class_name not in (*COPY, *POOL, *PADDING)
        and result is not None
        and result.overflow != "WRAP",
    )


def _set_types(node: Any, old: Layer, layer: Layer) -> None:
    """Give a layer the types that were chosen; the others stay as hls4ml has them."""
    kinds = importlib.import_module("hls4ml.model.types")
    rounded = constants(layer)
    for role, wanted in layer.types.items():
        name = role.removesuffix("_t")
        if wanted is None or (wanted == old.types[role] and name not in rounded):
            continue
        precision = kinds.FixedPrecisionType(
            wanted.width, wanted.integer, wanted.signed, wanted.rounding, wanted.overflow
        )
        if role == "result_t":
            if layer.kind not in COPY or layer.kind in ("Input", "InputLayer"):
                node.get_output_variable().type.precision = precision
        elif name in rounded:
            weight = node.weights[name]
            weight.type = kinds.NamedType(f"{layer.name}_{role}", precision)
            node.set_attr(role, weight.type)
            weight.data = to_reals(rounded[name].codes, rounded[name].frac)
            weight.update_precision(precision)
        elif role == "accum_t":
            # a new type, not a changed one: hls4ml's layers share some of theirs
            node.set_attr(role, kinds.NamedType(f"{layer.name}_{role}", precision))


def _producer(graph: Any, output: str) -> str:
    return next(str(node.name) for node in graph.get_layers() if output in node.outputs)


def _without_paths(project: Path, out: Path) -> None:
    """The project will lie in ``out``; nothing in it may name the folder it was written in."""
    for file in project.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            if str(project).encode() in data:
                file.write_bytes(data.replace(str(project).encode(), str(out).encode()))


def _compiled(graph: Any, cache: Path, backend: Any) -> str:
    """The traced library, from the cache where the same project was compiled before.

    The compiled code names the folder of its weights, so that the folder stays where it was
    written; the file beside it says that it is whole.
    """
    done = cache.with_suffix(".txt")
    graph.config.trace_output = True
    library = done.read_text() if done.is_file() else ""
    if not Path(library).is_file():
        place = cache.with_name(f"{cache.name}.{os.getpid()}")
        place.mkdir(parents=True)
        _point(graph, place)
        try:
            graph.write()
            library = str(backend.compile(graph))
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        fresh = place / "library.txt"
        fresh.write_text(library)
        os.replace(fresh, done)
    _point(graph, next(p for p in Path(library).parents if p.parent == cache.parent))
    return library


def _point(graph: Any, folder: Path) -> None:
    graph.config.config["OutputDir"] = str(folder)


def _traced(
    graph: Any, frames: np.ndarray[Any, Any], library: str
) -> tuple[dict[str, Any], Sequence[Any]]:
    """Every layer's values, and the outputs, for all frames (two or more)."""
    ctypes = importlib.import_module("ctypes")
    graph.compile = lambda: setattr(graph, "_top_function_lib", ctypes.cdll.LoadLibrary(library))
    outputs, trace = graph.trace(frames)
    return trace, outputs if isinstance(outputs, list) else [outputs]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
