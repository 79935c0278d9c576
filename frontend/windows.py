"""Shared by convolutions and pools: the attributes that place windows, and channels last.

The operators of the IR take (H, W, C). A map (C, H, W) of the file is transposed; a row (C, L) is
taken as a map of one row. Along each axis, for n values and kernels that reach over
``(k - 1) * dilation + 1``, ONNX has

    NOTSET       the pads of the file
    VALID        none
    SAME_UPPER   as many as give ceil(n / stride) windows; the odd one behind
    SAME_LOWER   the same; the odd one in front

and with ceil_mode a last window may reach beyond the pads, but must not start there.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.frontend.call import Call
from gatesmith.frontend.values import Activation
from gatesmith.ir import Node

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Windows:
    """Places of the windows; a row is a map of one row.

    Attributes:
        kernel: Taps, (h, w).
        strides: (h, w).
        pads: (top, left, bottom, right).
        dilations: Distance of neighbouring taps, (h, w).
        stated: The pads without what ceil_mode added.
    """

    kernel: Pair
    strides: Pair
    pads: Sides
    dilations: Pair
    stated: Sides


def windows(call: Call, sizes: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
    """Read strides, pads, auto_pad, dilations and, where there is one, ceil_mode.

    Args:
        call: The node.
        sizes: Extents of the spatial axes.
        kernel: Taps along each.
    """
    strides = positive(call, "strides", len(sizes))
    dilations = positive(call, "dilations", len(sizes))
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    stated = _pads(call, sizes, reach, strides)
    ceil = call.knows("ceil_mode") and call.flag("ceil_mode")
    pads = []
    for axis, (before, after) in enumerate(stated):
        n, stride = before + sizes[axis] + after, strides[axis]
        added = _beyond(n - reach[axis], stride, before + sizes[axis]) if ceil else 0
        if n + added < reach[axis]:
            raise call.error(
                "shape",
                f"no window of {call.node.op_type} fits the map",
                f"along spatial axis {axis} the kernel reaches over {reach[axis]} of {n} values "
                "and padding",
                "check kernel_shape, dilations and pads, or export for larger inputs",
            )
        pads.append((before, after + added))
    return Windows(pair(kernel), pair(strides), sides(pads), pair(dilations), sides(stated))


def _beyond(room: int, stride: int, end: int) -> int:
    """How far the last window of ceil_mode reaches beyond the pads.

    Args:
        room: Places behind the first window, pads included.
        stride: From one window to the next.
        end: Where the padding behind the values begins; no window starts there.
    """
    steps = -(-room // stride)
    if steps * stride >= end:
        steps -= 1
    return max(0, steps * stride - room)


def positive(call: Call, name: str, rank: int) -> tuple[int, ...]:
    """A list with one integer above 0 for each spatial axis; ones when it is absent."""
    return integers(call, name, rank, 1, (1,) * rank)


def kernel_shape(call: Call, rank: int) -> tuple[int, ...]:
    """The kernel of a pool."""
    if call.integers("kernel_shape") is None:
        what = f"{call.node.op_type} has no attribute 'kernel_shape'"
        raise call.error("attribute", what, "it is required", "export again")
    return positive(call, "kernel_shape", rank)


def integers(
    call: Call, name: str, count: int, least: int, default: tuple[int, ...]
) -> tuple[int, ...]:
    """A list of ``count`` integers, each at least ``least``; ``default`` when it is absent."""
    found = call.integers(name) if call.knows(name) else None
    if found is None:
        return default
    if len(found) != count or min(found) < least:
        raise call.error(
            "attribute",
            f"attribute {name!r} of {call.node.op_type} is {list(found)}",
            f"for this input it must be {count} integers of {least} or more",
            "export again; negative pads are a Slice before the node",
        )
    return found


def _pads(
    call: Call, sizes: tuple[int, ...], reach: tuple[int, ...], strides: tuple[int, ...]
) -> list[Pair]:
    """(before, after) of each axis, without what ceil_mode adds."""
    rank = len(sizes)
    flat = integers(call, "pads", 2 * rank, 0, (0,) * (2 * rank))
    stated = list(zip(flat[:rank], flat[rank:], strict=True))
    auto = call.text("auto_pad")
    match auto:
        case "NOTSET":
            return stated
        case "VALID":
            found = [(0, 0)] * rank
        case "SAME_UPPER" | "SAME_LOWER":
            found = [
                halves(max(0, (-(-n // stride) - 1) * stride + k - n), auto)
                for n, k, stride in zip(sizes, reach, strides, strict=True)
            ]
        case _:
            raise wrong_auto_pad(call, auto)
    if any(flat) and stated != found:
        raise call.error(
            "attribute",
            f"{call.node.op_type} has pads {list(flat)} and auto_pad {auto}",
            f"auto_pad makes {found} (before, after) of each axis, so the two disagree",
            "remove one of the two",
        )
    return found


def wrong_auto_pad(call: Call, auto: str) -> Exception:
    """The error of an auto_pad that ONNX does not have."""
    what = f"auto_pad of {call.node.op_type} is {auto!r}"
    return call.error("attribute", what, "taken: NOTSET, SAME_LOWER, SAME_UPPER, VALID", "use pads")


def halves(total: int, auto: str) -> Pair:
    """(before, after) of ``total``; with SAME_UPPER the odd one is behind, else in front.

    >>> halves(3, "SAME_UPPER"), halves(3, "SAME_LOWER")
    ((1, 2), (2, 1))
    """
    small = total // 2
    return (small, total - small) if auto == "SAME_UPPER" else (total - small, small)


def sides(pads: list[Pair]) -> Sides:
    """(top, left, bottom, right) of (before, after) of one axis or two."""
    (top, bottom), (left, right) = [(0, 0), *pads][-2:]
    return top, left, bottom, right


def pair(values: tuple[int, ...]) -> Pair:
    """(h, w) of one axis or two."""
    h, w = (1, *values)[-2:]
    return h, w


# -- channels last ---------------------------------------------------------------------------------


def spatial(call: Call, x: Activation) -> Activation:
    """The operand as (batch, channel, one or two spatial axes), or UserError."""
    if not x.batched and len(x.frame) > 1 and x.frame[0] == 1:
        x = Activation(call.reshape(x.node, x.frame[1:]), True, x.kind)
    if not x.batched:
        raise call.batch_error(f"reads {list(x.full)}, which has no batch axis in front")
    if len(x.full) not in (3, 4):
        raise call.error(
            "shape",
            f"{call.node.op_type} works on {len(x.full)} axes, {list(x.full)}",
            "gatesmith slides windows over rows (N, C, L) and maps (N, C, H, W)",
            "for three spatial axes, fold one of them into the batch or the channels",
        )
    return x


def channels_last(call: Call, x: Activation) -> Node:
    """(H, W, C) of a frame (C, H, W) or (C, L)."""
    node = x.node
    if len(x.frame) == 2:
        node = call.reshape(node, (x.frame[0], 1, x.frame[1]), "_row")
    return call.transpose(node, (1, 2, 0), "_channels_last")


def channels_first(call: Call, y: Node, x: Activation) -> Activation:
    """Inverse of :func:`channels_last`; the result has as many axes as ``x``."""
    node = call.transpose(y, (2, 0, 1), "_channels_first")
    if len(x.frame) == 2:
        node = call.reshape(node, (node.type.shape[0], node.type.shape[2]))
    return Activation(node, x.batched, x.kind)
