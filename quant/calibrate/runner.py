"""How this package runs a real graph: the caller says, so that no runtime is imported here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.ir import Graph, Node
from gatesmith.ir.execute import execute
from gatesmith.ops.input import Input

Floats: TypeAlias = NDArray[np.floating[Any]]
Frames: TypeAlias = Floats | Mapping[str, Floats]
"""Frames of the one input (n, *shape), or of each input by its name."""

Runner: TypeAlias = Callable[[Graph, Collection[Node], Frames], dict[str, NDArray[np.float32]]]
"""(graph, nodes, frames) to the value of each node by its name, float32 (n, *node.type.shape).

The graph may have FakeQuant nodes. The nodes are nodes of the graph.
"""


def reference_runner(
    graph: Graph, nodes: Collection[Node], frames: Frames
) -> dict[str, NDArray[np.float32]]:
    """A Runner in float64, rounded to float32 at the end: slow and the meaning itself."""
    given = {name: np.asarray(v, np.float64) for name, v in named(graph, frames).items()}
    values = execute(graph, given, nodes)
    return {node.name: np.asarray(values[node], np.float32) for node in nodes}


def named(graph: Graph, frames: Frames) -> dict[str, Floats]:
    """Frames of each input that the graph has; UserError quantize.several-inputs."""
    inputs = [node.name for node in graph if isinstance(node.op, Input)]
    if isinstance(frames, Mapping):
        if missing := sorted(set(inputs) - set(frames)):
            raise ValueError(f"no frames of {', '.join(missing)}")
        return {name: frames[name] for name in inputs}
    if len(inputs) != 1:
        raise UserError(
            "quantize.several-inputs",
            "the data does not say which input it belongs to",
            where=f"network {graph.name}",
            why=f"it has {len(inputs)} inputs ({', '.join(sorted(inputs))}) and one array came",
            fix=("give the data as one array for each input, by its name",),
        )
    return {inputs[0]: frames}


def batches(frames: Frames, size: int, most: int | None = None) -> Iterator[Frames]:
    """The first ``most`` frames, ``size`` at a time."""
    for start in range(0, min(most or 2**62, count(frames)), size):
        stop = start + size if most is None else min(start + size, most)
        if isinstance(frames, Mapping):
            yield {name: values[start:stop] for name, values in frames.items()}
        else:
            yield frames[start:stop]


def count(frames: Frames) -> int:
    """Number of frames."""
    if isinstance(frames, Mapping):
        return min((len(values) for values in frames.values()), default=0)
    return len(frames)
