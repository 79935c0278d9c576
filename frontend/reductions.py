"""Shared by reductions and global pools: any axes of a frame as the last but one."""

from __future__ import annotations

from math import prod

from gatesmith.frontend.call import Call
from gatesmith.frontend.frames import reshape_full
from gatesmith.frontend.inputs import int_type
from gatesmith.frontend.registry import Attribute
from gatesmith.frontend.values import INT_BITS, Activation
from gatesmith.ir import IntType, Node
from gatesmith.ops.reduce import Kind, Reduce


def attributes(inputs_since: int) -> tuple[Attribute, ...]:
    """Attributes of a reduction whose axes became an input at that opset."""
    return (
        Attribute("axes", "ints", until=inputs_since - 1),
        Attribute("keepdims", "int", 1),
        Attribute("noop_with_empty_axes", "int", 0, since=inputs_since),
    )


def reduction(call: Call, kind: Kind) -> Activation:
    """A Reduce operator of ONNX; one over the batch is refused, also when it is over all axes."""
    x = call.activation(0)
    if kind == "mean":
        call.must_be_real(x)
    axes = _axes(call)
    if not axes:
        if call.knows("noop_with_empty_axes") and call.flag("noop_with_empty_axes"):
            return x
        axes = tuple(range(len(x.full)))
    reduced = {call.frame_axis(axis, x) for axis in axes}
    node = reduce_axes(call, x.node, reduced, kind)
    elem = node.type.elem
    if isinstance(elem, IntType) and x.kind in INT_BITS:
        _must_hold(call, elem, int_type(x.kind))
    result = Activation(node, x.batched, x.kind)
    if not call.flag("keepdims"):
        return result
    kept = (1 if axis in reduced else n for axis, n in enumerate(x.frame))
    return reshape_full(call, result, (*x.full[: x.batched], *kept))


def reduce_axes(call: Call, x: Node, reduced: set[int], kind: Kind) -> Node:
    """Reduce over frame axes, which vanish.

    The last axis that is kept becomes the channel, and those before it stand in front. A reduction
    over the channels of a map (C, H, W) keeps the rows and columns in front, as the stream has
    them.
    """
    rank = len(x.type.shape)
    kept = [axis for axis in range(rank) if axis not in reduced]
    shape = tuple(x.type.shape[axis] for axis in kept)
    inner = [] if reduced == {0} and rank > 2 else kept[-1:]
    outer = kept[: len(kept) - len(inner)]
    moved = call.transpose(x, (*outer, *sorted(reduced), *inner))
    count = prod(x.type.shape[axis] for axis in reduced)
    channels = prod(x.type.shape[axis] for axis in inner)
    moved = call.reshape(moved, (*shape[: len(outer)], count, channels))
    return call.reshape(call.emit(Reduce(kind), moved), shape, "_squeeze")


def global_pool(call: Call, x: Activation, kind: Kind) -> Activation:
    """Over all spatial axes of (N, C, ...), which stay with the extent 1."""
    if not x.batched or len(x.frame) < 2:
        what = f"{call.node.op_type} of the shape {list(x.full)}"
        why = "it reads a batch of maps: (N, C, L), (N, C, H, W), ..."
        raise call.error("shape", what, why, "add the axes with Unsqueeze")
    node = reduce_axes(call, x.node, set(range(1, len(x.frame))), kind)
    ones = (1,) * (len(x.frame) - 1)
    return Activation(call.reshape(node, (x.frame[0], *ones)), True, x.kind)


def _axes(call: Call) -> tuple[int, ...]:
    """Axes as stated, by attribute or input; empty where none are."""
    if call.knows("axes"):
        return call.integers("axes") or ()
    return call.integers_of(1, "the axes") if call.has(1) else ()


def _must_hold(call: Call, elem: IntType, held: IntType) -> None:
    if elem.lo < held.lo or elem.hi > held.hi:
        raise call.error(
            "element-type",
            f"the result of {call.node.op_type} reaches {elem.lo}..{elem.hi}",
            f"its element type holds {held.lo}..{held.hi}, so it would wrap around",
            "put DequantizeLinear (or Cast to float) before it",
        )
