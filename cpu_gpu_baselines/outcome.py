"""What an engine computed, against the reference.

Integer engines: every element of every output of every frame is equal, or the engine is wrong.

Float engines give numbers. Where a number stands for a code (real = scale * code + offset), the
nearest code is compared with the reference's; an index is one itself. Where operators behind the
last code are left to the host (a Softmax), classes are compared. A float engine may differ where a
value lies near a rounding boundary; how many differences the rounding of float32 explains is told
by the walk of comparison.py for the file itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.cpu_gpu_baselines.engines.engine import Array, Opened, Subject
from gatesmith.ir import Affine, Ints, Node
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.top_k import TopK

AT_ONCE = 256
"""Frames that are compared at a time."""


@dataclass(frozen=True, slots=True)
class End:
    """How an output of the integer graph meets that of the model.

    Attributes:
        node: Of the integer graph.
        axes: Order of the model's axes on it; None for their own.
        host: Operators behind it that the integer graph leaves out.
    """

    node: Node
    axes: tuple[int, ...] | None
    host: tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """What was compared.

    Attributes:
        what: ``codes`` or ``classes``.
        compared: How many.
        differing: Of them.
        right: Frames whose class is the label's; None without labels or classes.
        first: Frame of the first difference.
    """

    what: str
    compared: int = 0
    differing: int = 0
    right: int | None = None
    first: int | None = None


def integers(opened: Opened, subject: Subject) -> Outcome:
    """Compare all outputs of all frames."""
    found = Outcome("codes")
    for frames, outputs in _runs(opened, len(subject)):
        for got, wanted in zip(outputs, subject.expected, strict=True):
            _count(found, _wrong(got, wanted[frames]), frames)
    return found


def floats(opened: Opened, subject: Subject, ends: Sequence[End], classes: Ints | None) -> Outcome:
    """Compare codes, or classes behind host operators.

    Args:
        opened: The engine.
        subject: The network and its frames.
        ends: Of the outputs.
        classes: Those of the reference; None where the first output says none.
    """
    coded = [k for k, end in enumerate(ends) if not end.host and _stands_for_codes(end.node)]
    found = Outcome("codes" if coded else "classes")
    found.right = None if subject.labels is None or classes is None else 0
    for frames, outputs in _runs(opened, len(subject)):
        for k in coded:
            wanted = subject.expected[k][frames]
            _count(found, _wrong(_codes(outputs[k], ends[k]), wanted), frames)
        if classes is None:
            continue
        chosen = _classes(outputs[0], ends[0].node)
        if not coded:
            _count(found, (chosen != classes[frames])[:, None], frames)
        if found.right is not None and subject.labels is not None:
            found.right += int((chosen == subject.labels[frames]).sum())
    return found


def _runs(opened: Opened, frames: int) -> Any:
    """Numbers of frames, and what the engine gives for them."""
    with opened.active():
        for start in range(0, frames, AT_ONCE):
            numbers = np.arange(start, min(start + AT_ONCE, frames))
            bound = opened.bind(numbers)
            bound.call()
            yield numbers, bound.read()


def _wrong(got: Array, wanted: Ints) -> NDArray[np.bool_]:
    """(frames, elements) of differences; of another number of elements everything differs."""
    rows = wanted.reshape(len(wanted), -1)
    if got.size != wanted.size:
        return np.ones_like(rows, bool)
    return np.asarray(np.asarray(got).reshape(rows.shape) != rows)


def _count(found: Outcome, wrong: NDArray[np.bool_], frames: Ints) -> None:
    found.compared += wrong.size
    found.differing += int(wrong.sum())
    if found.first is None and wrong.any():
        found.first = int(frames[int(np.argmax(wrong.any(axis=1)))])


def _behind(node: Node) -> Node:
    while isinstance(node.op, Reshape):
        (node,) = node.args
    return node


def _stands_for_codes(node: Node) -> bool:
    return node.meaning is not None or isinstance(_behind(node).op, TopK)


def _codes(values: Array, end: End) -> Array:
    """The nearest codes, with axes as the integer graph has them."""
    node = end.node
    if end.axes is not None:
        shape = [node.type.shape[end.axes.index(k)] for k in range(len(end.axes))]
        values = values.reshape(len(values), *shape)
        values = values.transpose(0, *(1 + axis for axis in end.axes))
    values = values.reshape(len(values), *node.type.shape)
    if isinstance(_behind(node).op, TopK):
        return values
    meaning = node.meaning or Affine(())
    scale, offset = (np.array([float(v) for v in part]) for part in (meaning.scale, meaning.offset))
    return np.asarray(np.rint((values - offset) / scale))


def _classes(values: Array, node: Node) -> Ints:
    flat = values.reshape(len(values), -1)
    chosen = flat[:, 0] if isinstance(_behind(node).op, TopK) else flat.argmax(axis=1)
    return np.asarray(chosen, np.int64)
