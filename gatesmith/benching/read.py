"""A model or a build folder, and data, as a :class:`Subject` for the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.build_json import elem_entry, input_entry
from gatesmith.cpu_gpu_baselines.comparison import Comparison
from gatesmith.cpu_gpu_baselines.engines import Subject
from gatesmith.cpu_gpu_baselines.engines.engine import Array
from gatesmith.cpu_gpu_baselines.outcome import End
from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Graph, Ints, Node
from gatesmith.ir.execute import execute
from gatesmith.ir.store import load as load_graph
from gatesmith.ops.input import Input
from gatesmith.pipeline import Progress, to_integers
from gatesmith.rtl_tests import dataset
from gatesmith.rtl_tests.answers import best_class, has_classes, has_exit
from gatesmith.rtl_tests.host_quantizer import quantizer
from gatesmith.rtl_tests.original_frames import original_frames
from gatesmith.rtl_tests.vectors import CHUNK_ELEMENTS, to_stream
from gatesmith.rtl_tests.verify import read_build


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """What is known without data.

    Attributes:
        name: Of the model.
        integer: The integer graph.
        real: The real graph.
        model: ONNX, as walked.
        entries: Inputs as build.json has them.
        ends: Outputs.
        build: build.json, of a build folder.
        whole: Whether the model's outputs are those of the integer graph.
    """

    name: str
    integer: Graph
    real: Graph
    model: Any
    entries: Sequence[Mapping[str, Any]]
    ends: Sequence[End]
    build: Mapping[str, Any] | None
    whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A network with frames.

    Attributes:
        network: It.
        subject: For engines.
        classes: What the reference says for each frame; None where it says no class.
        comparison: The walk of the file, for what float32 explains; None where it has no standard
            form.
    """

    network: Network
    subject: Subject
    classes: Ints | None
    comparison: Comparison | None


def read(
    place: Path,
    data: Path,
    *,
    frames: int | None,
    labels: Path | None,
    input_spec: str | None,
    progress: Progress,
) -> Loaded:
    """Everything that engines need.

    Errors: of the frontend and of lowering, ``verify.incomplete-build``, ``verify.data-*``,
    ``verify.labels``, ``bench.input``.
    """
    progress("read", 0, 1)
    network = _build(place, input_spec) if place.is_dir() else _model(place, input_spec)
    nodes = {node.name: node for node in network.real}
    quantizers = [
        None if e["host_quantizer"] is None else quantizer(nodes[e["host_quantizer"]])
        for e in network.entries
    ]
    given = dataset.load(data, network.entries, frames=frames, labels=labels, quantize=quantizers)
    progress("read", 1, 1)
    codes = _codes(network, given)
    expected = _expected(network.integer, codes, progress)
    reals, feeds, comparison = _original(network, given, nodes)
    subject = Subject(
        network.name,
        network.integer,
        network.real,
        network.model,
        codes,
        feeds,
        reals,
        expected,
        given.labels,
        network.whole,
    )
    first = network.integer.outputs[0]
    classes = best_class(first, expected[0]) if has_classes(first) else None
    return Loaded(network, subject, classes, comparison)


def _model(path: Path, input_spec: str | None) -> Network:
    spec = None if input_spec is None else InputSpec.parse(input_spec)
    imported = import_model(path, spec)
    lowered, integer = to_integers(imported, path)
    types = {node.name: node.type for node in integer if isinstance(node.op, Input)}
    nodes = {node.name: node for node in imported.graph}
    entries = [
        input_entry(port, nodes, imported.graph) | {"elem": elem_entry(types[port.node].int_elem)}
        for port in lowered.inputs
    ]
    ends = [
        End(node, port.axes, port.host)
        for node, port in zip(integer.outputs, lowered.outputs, strict=True)
    ]
    return Network(
        path.stem, integer, imported.graph, imported.model, entries, ends, None, whole=True
    )


def _build(folder: Path, input_spec: str | None) -> Network:
    build = read_build(folder)
    if input_spec is not None:
        raise UserError(
            "bench.input",
            "a build has its input declared already",
            where=f"--input {input_spec}",
            why=f"{folder} was built with {build['options']['input'] or 'none'}",
            fix=("leave --input out", "give the model in the place of the build"),
        )
    integer = load_graph(folder / "ir" / "integer")
    given = build["options"]["input"]
    spec = None if given is None else InputSpec.parse(given)
    imported = import_model(folder / "model.onnx", spec)
    ends = [
        End(node, None if e["axes"] is None else tuple(e["axes"]), tuple(e["host"]))
        for node, e in zip(integer.outputs, build["outputs"], strict=True)
    ]
    whole = not any(has_exit(node) for node in integer.outputs)
    return Network(
        build["name"], integer, imported.graph, imported.model, build["inputs"], ends, build, whole
    )


def _codes(network: Network, given: dataset.Dataset) -> dict[str, Array]:
    """Codes in the shapes of the integer graph's inputs."""
    types = {node.name: node.type for node in network.integer}
    found = {}
    for entry, x in zip(network.entries, given.x, strict=True):
        name = str(entry["node"])
        streamed = to_stream(x, entry["axes"]).reshape(len(x), *types[name].shape)
        found[name] = np.ascontiguousarray(streamed)
    return found


def _expected(graph: Graph, codes: Mapping[str, Array], progress: Progress) -> list[Ints]:
    """What the NumPy reference computes, in chunks that fit memory."""
    frames = len(next(iter(codes.values())))
    step = max(1, CHUNK_ELEMENTS // max(node.type.size for node in graph))
    parts: list[dict[Node, Array]] = []
    for start in range(0, frames, step):
        progress("reference", start, frames)
        parts.append(execute(graph, {n: x[start : start + step] for n, x in codes.items()}))
    progress("reference", frames, frames)
    outputs = graph.outputs
    return [np.concatenate([part[node] for part in parts]).astype(np.int64) for node in outputs]


def _original(
    network: Network, given: dataset.Dataset, nodes: Mapping[str, Node]
) -> tuple[dict[str, Array], dict[str, Array], Comparison | None]:
    """Frames for the real graph and for the file, and the walk that compares it."""
    frames = original_frames(network.entries, given, 0, len(given))
    try:
        walk = Comparison(network.real, network.model, onnxruntime=True)
    except UserError:  # no standard form: the engines that need one say so
        return {name: np.asarray(x) for name, x in frames.items()}, {}, None
    shaped = walk.given({nodes[name]: x for name, x in frames.items()})
    return {node.name: x for node, x in shaped.items()}, dict(walk.feeds(shaped)), walk
