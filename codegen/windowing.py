"""How a sliding window is streamed, and the order in which its elements then come.

Both follow from the window and the cycles alone, so that the folding of the layer behind it knows
the order of its weights before any stage is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.codegen.matrix_unit import divisors
from gatesmith.ir import Ints, Node
from gatesmith.ops.window import Window


@dataclass(frozen=True, slots=True)
class Windowing:
    """How a window is streamed.

    Attributes:
        lanes: Channels a beat, of the input.
        parallel: Whether all taps come in a beat.
    """

    lanes: int
    parallel: bool


def windowing(x: Node, out: tuple[int, ...], taps: int, groups: int, cycles: int) -> Windowing:
    """The fewest lanes that take at most ``cycles``: a tap a beat if that does, else all taps."""
    size, channels = x.type.size, x.type.channels
    pixels = out[0] * out[1]
    within = divisors(channels // groups)
    for parallel in (False, True) if taps > 1 else (False,):
        for lanes in within:
            beats = pixels * channels // lanes * (1 if parallel else taps)
            if max(beats, size // lanes) <= cycles:
                return Windowing(lanes, parallel)
    return Windowing(within[-1], taps > 1)


def window_groups(node: Node, found: Windowing) -> int:
    """Parts of the channels whose taps stand together in the stream of a Window."""
    assert isinstance(node.op, Window)
    return node.args[0].type.channels // found.lanes if found.parallel else node.op.groups


def stream_groups(node: Node, cycles: int) -> int:
    """The same, of what :func:`windowing` chooses for these cycles a frame."""
    op = node.op
    assert isinstance(op, Window)
    found = windowing(node.args[0], node.type.shape, op.taps, op.groups, cycles)
    return window_groups(node, found)


def taps_order(op: Window, channels: int, groups: int) -> Ints:
    """Place in one of the operator's groups of each element as the stream has them.

    Args:
        op: The window.
        channels: Of the map.
        groups: Parts of the channels whose taps stand together; a multiple of ``op.groups``.
    """
    within = channels // op.groups
    parts = groups // op.groups
    places = np.arange(op.taps * within).reshape(op.taps, parts, within // parts)
    return np.ascontiguousarray(places.transpose(1, 0, 2)).reshape(-1)
