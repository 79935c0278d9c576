"""The frames that a data-driven criterion looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError
from gatesmith.ir import Graph, TensorType
from gatesmith.ops.input import Input


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Frames, and what is right for them.

    Attributes:
        x: float32 (n, *shape), real values as the network reads them.
        y: int64 (n,) classes, or None: then the network's own best class counts as right.
        values: Whether the outputs are values (a reconstruction, an angle) rather than scores of
            classes; an output of one number is taken for a value anyway.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64] | None = None
    values: bool = False

    def spread(self, count: int) -> Sample:
        """At most ``count`` of the frames, from everywhere."""
        if len(self.x) <= count:
            return self
        rows = np.linspace(0, len(self.x) - 1, count).astype(np.int64)
        return replace(self, x=self.x[rows], y=None if self.y is None else self.y[rows])

    def of_values(self, graph: Graph) -> bool:
        """Whether the outputs of this network are taken for values."""
        return self.values or not any(_scores(output.type) for output in graph.outputs)


def needed(graph: Graph, sample: Sample | None, what: str) -> Sample:
    """The sample, checked against the network.

    Args:
        graph: Real.
        sample: Or None where none was given.
        what: That needs it, for the message: ``--criterion taylor``.

    Raises:
        UserError: prune.data.
    """
    if sample is None or not len(sample.x):
        raise _refused(what, "there are none", "frames of data are needed")
    inputs = [node for node in graph if isinstance(node.op, Input)]
    if len(inputs) != 1:
        raise _refused(what, f"the network has {len(inputs)} inputs", "data is of one input")
    shape, wanted = sample.x.shape[1:], inputs[0].type.shape
    if shape != wanted:
        why = f"a frame has the shape {list(shape)}, the network's input {list(wanted)}"
        raise _refused(what, why, "the data does not fit the network")
    if not np.isfinite(sample.x).all():
        raise _refused(what, "some values are infinite or no numbers", "the data is not clean")
    if sample.y is not None:
        _check_labels(graph, sample, sample.y, what)
    return sample


def _check_labels(graph: Graph, sample: Sample, y: NDArray[np.int64], what: str) -> None:
    classes = graph.outputs[0].type.size
    if y.shape != (len(sample.x),):
        why = f"labels of the shape {list(y.shape)} for {len(sample.x)} frames"
    elif len(graph.outputs) != 1 or sample.of_values(graph):
        why = "the network's output is no list of classes"
    elif y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= classes:
        why = f"labels from {y.min()} to {y.max()}, and {classes} classes"
    else:
        return
    raise _refused(what, why, "the labels do not fit the network")


def _refused(where: str, why: str, what: str) -> UserError:
    return UserError(
        "prune.data",
        what,
        where=where,
        why=why,
        fix=(
            "--data FILE with frames of the network's input (and labels, where there are any)",
            "a criterion without data: l1, l2, lamp, geometric-median",
        ),
    )


def _scores(output: TensorType) -> bool:
    """Whether it can be a list of classes, or one at each position."""
    long = [extent for extent in output.shape if extent > 1]
    return bool(long) and (output.channels > 1 or len(long) == 1)
