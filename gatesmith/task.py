"""A network and its data as a command is given them: read once, checked, and measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatesmith.data.dataset import Data
from gatesmith.data.load import load_data
from gatesmith.data.split import split
from gatesmith.errors import UserError
from gatesmith.float_graph import GraphRunner
from gatesmith.frontend.importer import Imported, import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Graph, Ints, Node
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.input import Input
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import Quantize
from gatesmith.pipeline import Progress
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine

AT_ONCE = 1024
"""Frames that are turned into reals at a time."""

HELD_OUT = 0.1
"""Part of the data that training does not see when there is no test set."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the data comes from, in the words of the command line.

    Attributes:
        data: A file, a folder of images, or ``module:object``; None where there is none.
        labels: File of labels for ``data``.
        test: Data that accuracy is measured on; None: ``data``, or what training held out.
        test_labels: Labels of ``test``.
        input_spec: Which codes arrive and what they stand for; None: found from the data.
    """

    data: str | None
    labels: Path | None = None
    test: str | None = None
    test_labels: Path | None = None
    input_spec: str | None = None


@dataclass(slots=True, eq=False)
class Task:
    """A float network and its data.

    Attributes:
        model: The file.
        progress: Told what is being done.
        runner: Runs real graphs.
        imported: The network as read.
        clean: The same, channels last, batch norms folded.
        input: Its one input.
        spec: Which codes arrive, where that was said.
        data: To learn from; no frame where none was given.
        test: To measure on; may be ``data``.
        notes: What the user should know.
    """

    model: Path
    progress: Progress
    runner: GraphRunner
    imported: Imported
    clean: Graph
    input: Node
    spec: InputSpec | None
    data: Data
    test: Data
    notes: list[str]

    def measure(self, graph: Graph, data: Data | None = None) -> float | None:
        """Top-1 of a real graph on the test data, or other data; None without labels."""
        data = data or self.test
        if data.y is None or not len(data) or not classifies(graph):
            return None
        right = 0
        for part in parts(len(data)):
            scores = self.runner(graph, graph.outputs[:1], data.real(part))[graph.outputs[0].name]
            right += int((scores.reshape(len(scores), -1).argmax(axis=1) == data.y[part]).sum())
        return right / len(data)


def read_network(model: Path, progress: Progress) -> tuple[Imported, Graph, Node]:
    """A float network: as read, tidied, and its one input.

    Errors: of the frontend; ``quantize.several-inputs``, ``quantize.already-quantized``.
    """
    progress("read", 0, 2)
    imported = import_model(model)
    given = one_input(imported.graph, model.name)
    _float_network(imported.graph, model)
    return imported, fold_affine(channels_last(imported.graph)), given


def read_data(
    graph: Graph, given: Node, sources: Sources, *, seed: int, trains: bool, notes: list[str]
) -> tuple[Data, Data]:
    """What is learned from, and what is measured on.

    Args:
        graph: As read.
        given: Its input.
        sources: Where the data is.
        seed: Of what is held out.
        trains: Whether a part is held out where there is no test data.
        notes: Told when that happens.

    Errors: ``data.*``.
    """
    spec = None if sources.input_spec is None else InputSpec.parse(sources.input_spec)
    classes = graph.outputs[0].type.size if classifies(graph) else None

    def load(source: str, labels: Path | None) -> Data:
        return load_data(
            source,
            labels,
            given.type.shape,
            real=None if spec is None else (spec.scale, spec.zero),
            elem=None if spec is None else spec.elem,
            classes=classes,
            name=given.name,
        )

    if sources.data is None:
        frames = Data(np.zeros((0, *given.type.shape), np.float32), None, "no --data")
    else:
        frames = load(sources.data, sources.labels)
    if sources.test is not None:
        return frames, load(sources.test, sources.test_labels)
    if trains:
        frames, test = split(frames, HELD_OUT, seed)
        notes.append(f"no --test: accuracy is that of {len(test)} frames held out of training")
        return frames, test
    return frames, frames


def parts(frames: int) -> Iterator[slice]:
    """A few frames at a time."""
    return (slice(start, start + AT_ONCE) for start in range(0, frames, AT_ONCE))


def classifies(graph: Graph) -> bool:
    """Whether the first output is a vector of scores, or an index."""
    shape = graph.outputs[0].type.shape
    return 1 < graph.outputs[0].type.size == max(shape, default=1)


def share(classes: Ints, labels: Ints) -> float:
    """Part of the frames whose class is the label's, 0 to 1."""
    return float((classes == labels).mean())


def one_input(graph: Graph, model: str) -> Node:
    """The only input. Errors: ``quantize.several-inputs``."""
    inputs = [node for node in graph if isinstance(node.op, Input)]
    if len(inputs) != 1:
        raise UserError(
            "quantize.several-inputs",
            f"the model has {len(inputs)} inputs",
            where=f"{model}, inputs {', '.join(node.name for node in inputs)}",
            why="calibration data is taken for one input",
            fix=("join the inputs to one, and split it inside the model",),
        )
    return inputs[0]


def _float_network(graph: Graph, model: Path) -> None:
    """Refuse a network that has quantizers already."""
    found = [n for n in graph if isinstance(n.op, Quantize | BipolarQuant | MultiThreshold)]
    if found:
        raise UserError(
            "quantize.already-quantized",
            f"the network has {len(found)} quantizers already",
            where=f'{model.name}, node "{", ".join(found[0].origin) or found[0].name}" and others',
            why="its weights and activations lie on grids that training has chosen",
            fix=(
                "build it as it is: gatesmith build",
                "or begin from the float network it came from",
            ),
        )
