"""From an order of elements to streams: axes, gathers, and the layout of inputs.

A form remembers movements as index maps (quant/form.py). What reads channel vectors needs the
elements in its own order: :func:`settled` makes the integer node that carries them so, by a Gather
only where the order is not the base's already.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import numpy as np

from gatesmith.ir import Array, Graph, Ints, Node
from gatesmith.ops.average_pool import AveragePool
from gatesmith.ops.conv import Conv
from gatesmith.ops.gather import Gather
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.form import Form
from gatesmith.quant.rules import Context

_WINDOWED = (Conv, MaxPool, AveragePool, Reduce)


def reshape(ctx: Context, node: Node, shape: tuple[int, ...]) -> Node:
    """The node under another shape; one node for each."""
    if node.type.shape == shape:
        return node
    key = ("reshape", node, shape)
    if key not in ctx.made:
        ctx.made[key] = ctx.node(f"{node.name}_as", Reshape(shape), (node,), node.meaning)
    return ctx.made[key]


def gather(ctx: Context, node: Node, index: Ints, shape: tuple[int, ...], fill: int = 0) -> Node:
    """The node's elements moved; one Gather for each movement."""
    key = ("gather", node, index.tobytes(), shape, fill)
    if key not in ctx.made:
        op = Gather(shape, Array(index), fill)
        ctx.made[key] = ctx.node(f"{node.name}_moved", op, (node,))
    return ctx.made[key]


def settled(ctx: Context, form: Form, shape: tuple[int, ...] | None = None) -> Form:
    """The form on a base that has the value's own order, and its shape (or ``shape``)."""
    assert form.base is not None
    wanted = form.shape if shape is None else shape
    if form.order is None:
        return replace(form, base=reshape(ctx, form.base, wanted))
    return replace(form, base=gather(ctx, form.base, form.order, wanted), order=None)


def stream_axes(form: Form) -> tuple[int, ...] | None:
    """Order of the value's axes in which its elements stand in the base; None if it is no such.

    Axes of extent 1 stay beside the axis behind them.
    """
    rank = len(form.shape)
    if form.order is None:
        return tuple(range(rank))
    if form.base is None or form.size != form.base.type.size or form.order.size != form.size:
        return None
    long = [axis for axis in range(rank) if form.shape[axis] > 1]
    short = [axis for axis in range(rank) if form.shape[axis] == 1]
    order = form.order.reshape(form.shape)
    if len(long) > 5:
        return None
    for perm in permutations(long):
        axes = (*short, *perm)
        if (order.transpose(axes).reshape(-1) == np.arange(form.size)).all():
            return axes
    return None


def nearest_axes(form: Form) -> tuple[int, ...]:
    """The axes in the order in which a walk takes the smallest steps through the base.

    That of stream_axes where there is one; of a crop or of some channels it is that of the whole,
    so that a Gather only leaves elements out.
    """
    exact = stream_axes(form)
    if exact is not None or form.order is None:
        return exact or tuple(range(len(form.shape)))
    order = form.order.reshape(form.shape)
    rank = range(len(form.shape))
    steps = [abs(np.diff(order, axis=a)).mean() if form.shape[a] > 1 else np.inf for a in rank]
    return tuple(sorted(rank, key=lambda axis: -steps[axis]))


def in_axes(ctx: Context, form: Form, axes: tuple[int, ...]) -> Node:
    """The base as an array whose axes are the value's in the order ``axes`` (of stream_axes)."""
    assert form.base is not None
    return reshape(ctx, form.base, tuple(form.shape[axis] for axis in axes))


def out_of_axes(form: Form, axes: tuple[int, ...]) -> Form:
    """A value whose base stands in the order ``axes``, with its axes back in their own order."""
    return form.transposed(tuple(axes.index(axis) for axis in range(len(axes))))


def per_channel(form: Form) -> list[tuple[Fraction, Fraction]] | None:
    """(scale, offset) of each channel of the base, or one for all; None where positions differ."""
    assert form.base is not None
    entries = form.channel_chains()
    if entries is None or len(entries) not in (1, form.base.type.channels):
        return None
    return [(c[0][1], c[0][2]) if c else (Fraction(1), Fraction(0)) for c, _ in entries]


def input_axes(real: Graph, node: Node) -> tuple[int, ...]:
    """Order in which the axes of an input (or host quantizer) go onto the stream.

    The order in which the first sliding window, pool or reduction reads them: channels last where
    the model has them first. Only element-wise operators and movements may lie between.
    """
    readers: dict[Node, list[Node]] = {}
    for user in real:
        for arg in user.args:
            readers.setdefault(arg, []).append(user)
    own = tuple(range(len(node.type.shape)))
    long = [axis for axis in own if node.type.shape[axis] > 1]
    at, axes = node, list(long)  # which axis of ``node`` each long axis of ``at`` is
    while following := readers.get(at, []):
        user = following[0]
        if isinstance(user.op, _WINDOWED):
            return (*(axis for axis in own if axis not in long), *axes)
        if isinstance(user.op, Transpose):
            extents = [axis for axis, extent in enumerate(at.type.shape) if extent > 1]
            named = dict(zip(extents, axes, strict=True))
            axes = [named[axis] for axis in user.op.perm if axis in named]
        elif [n for n in user.type.shape if n > 1] != [n for n in at.type.shape if n > 1]:
            return own
        at = user
    return own
