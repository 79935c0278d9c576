"""How each integer operator is written as a call of a kernel; meanings are in gatesmith/ops."""

from __future__ import annotations

from math import prod

import numpy as np

from gatesmith.cpu_gpu_baselines.native.source import LEAST_ZEROS, Array, Source, c_type, kernel
from gatesmith.ir import BIPOLAR, IntType, Node
from gatesmith.ops.concat import Concat
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.gather import Gather
from gatesmith.ops.join import Join
from gatesmith.ops.max_pool import MaxPool
from gatesmith.ops.product import Product
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.select import Select
from gatesmith.ops.table import Table
from gatesmith.ops.take import Take
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.top_k import TopK
from gatesmith.ops.transpose import Transpose
from gatesmith.ops.window import Window

TILE, LANES = 32, 8  # outputs, of bits.h
BLOCK, WIDE = 64, 16  # outputs, of products.h
UNREACHED = np.iinfo(np.int64).max
KINDS = {"sum": 0, "max": 1, "min": 2}


# ---- products -----------------------------------------------------------------------------------


@kernel(Dense)
def _dense(s: Source, node: Node) -> None:
    assert isinstance(node.op, Dense)
    op, (x,) = node.op, node.args
    if _is_sparse(s, op):
        _sparse(s, node, op, x)
    elif _is_xnor(op, x):
        if s.users[node] == 1 and any(_fuses(user, node) for user in s.graph):
            s.waiting.add(node)  # for its threshold
            return
        name, given, weights = _xnor(s, op, x)
        kind = c_type(node.type.int_elem)
        s.call(node, f"xnor<{name}, {kind}>", given, weights, s.new(node), s.rows(node))
    else:
        _plain(s, node, op, x)


def _fuses(user: Node, node: Node) -> bool:
    """Whether ``user`` makes bits of the sums of ``node``."""
    return isinstance(user.op, Threshold) and user.type.elem == BIPOLAR and user.args == (node,)


def _is_xnor(op: Dense, x: Node) -> bool:
    elem = x.type.int_elem
    small = elem.lo >= -1 and elem.hi <= 1
    return small and op.groups == 1 and bool(np.abs(op.weights.data).max() <= 1)


def _is_sparse(s: Source, op: Dense) -> bool:
    return s.sparse and bool((op.weights.data == 0).mean() >= LEAST_ZEROS)


def _xnor(s: Source, op: Dense, x: Node) -> tuple[str, str, str]:
    """Template arguments, input and weights of an XNOR kernel."""
    weights = op.weights.data
    masked = x.type.elem != BIPOLAR or not weights.all()
    planes = [weights > 0, weights != 0] if masked else [weights > 0]
    given = s.masked(x) if masked else s.bits(x)
    outs, ins = weights.shape
    return f"{ins}, {outs}, {str(masked).lower()}", given, s.constant(tiles(planes), "uint64_t")


def tiles(planes: list[Array]) -> Array:
    """Planes of bits (outputs, inputs) in the order of bits.h: [tile][word][plane][output]."""
    words = []
    for plane in planes:
        outs, ins = plane.shape
        padded = np.zeros((-(-outs // LANES) * LANES, -(-ins // 64) * 64), np.uint8)
        padded[:outs, :ins] = plane
        packed = np.packbits(padded, axis=1, bitorder="little")
        words.append(packed.view("<u8"))
    stacked = np.stack(words)  # plane, output, word
    parts = [stacked[:, at : at + TILE] for at in range(0, stacked.shape[1], TILE)]
    return np.concatenate([part.transpose(2, 0, 1).ravel() for part in parts])


def _sum_type(op: Dense, x: IntType) -> str:
    """Holds every partial sum, of inputs that are raised by 128 too."""
    largest = (max(abs(x.lo), abs(x.hi)) + 128) * int(np.abs(op.weights.data).sum(axis=1).max())
    return c_type(IntType(-max(largest, 2**31 - 1), max(largest, 2**31 - 1)))


def _plain(s: Source, node: Node, op: Dense, x: Node) -> None:
    kind, weights = _sum_type(op, x.type.int_elem), op.weights.data
    if op.groups == 1 and kind == "int32_t" and _fits(weights, 16) and _fits_type(x, 16):
        _products(s, node, op, x)
        return
    outs, ins = weights.shape
    held = s.constant(weights, c_type(_range(weights)))
    arguments = f"{kind}, {op.groups}, {ins}, {outs}"
    s.call(node, f"dense<{arguments}>", s.ints(x), held, s.new(node), s.rows(node))


def _products(s: Source, node: Node, op: Dense, x: Node) -> None:
    outs, ins = op.weights.shape
    group, start, padded = _grouped(s, op, x)
    parts = [padded[at : at + BLOCK] for at in range(0, len(padded), BLOCK)]
    turned = [part.reshape(len(part), -1, group).transpose(1, 0, 2).ravel() for part in parts]
    held = s.constant(np.concatenate(turned), "int8_t" if group == 4 else "int16_t")
    begin = s.constant(start, "int32_t")
    name = f"products<{group}, {ins}, {outs}>"
    s.call(node, name, s.ints(x), held, begin, s.new(node), s.rows(node))


def _grouped(s: Source, op: Dense, x: Node) -> tuple[int, Array, Array]:
    """Inputs of a word; where sums begin; weights with zeros to whole words and lanes."""
    weights = op.weights.data
    outs, ins = weights.shape
    group = 4 if s.bytes and _fits(weights, 8) and _fits_type(x, 8) else 2
    offset = 128 if group == 4 and c_type(x.type.int_elem) == "int8_t" else 0
    padded = np.zeros((-(-outs // WIDE) * WIDE, -(-ins // group) * group), np.int64)
    padded[:outs, :ins] = weights
    return group, -offset * padded.sum(axis=1), padded


def _fits(weights: Array, bits: int) -> bool:
    """Whether weights are signed integers of so many bits, without the least one."""
    return bool(np.abs(weights).max(initial=0) < 1 << (bits - 1))


def _fits_type(x: Node, bits: int) -> bool:
    """Whether values are stored in so many bits; unsigned ones in 8 of them only."""
    return c_type(x.type.int_elem) in ("int8_t", "uint8_t", f"int{bits}_t")


def _sparse(s: Source, node: Node, op: Dense, x: Node) -> None:
    outs, ins = op.weights.shape
    kind, weights = _sum_type(op, x.type.int_elem), op.weights.data
    rows, columns = np.nonzero(weights)
    start = np.searchsorted(rows, np.arange(outs + 1))
    place = columns + rows // (outs // op.groups) * ins
    singles = weights[rows, columns]
    held = [s.constant(array, "int32_t") for array in (start, place)]
    held.append(s.constant(singles, c_type(_range(singles))))
    if op.groups == 1 and kind == "int32_t" and _fits(weights, 16) and _fits_type(x, 16):
        name, words = _words(s, op, x)
        held = [*words, *held]
    else:
        name = f"sparse<{kind}, {ins * op.groups}, {outs}>"
    s.call(node, name, s.ints(x), *held, s.new(node), s.rows(node))


def _words(s: Source, op: Dense, x: Node) -> tuple[str, list[str]]:
    """Kernel and constants of groups.h: words of weights that are not all zero."""
    group, start, padded = _grouped(s, op, x)
    outs, ins = op.weights.shape
    parts = padded[:outs].reshape(outs, -1, group)
    rows, place = np.nonzero(parts.any(axis=2))
    first = np.searchsorted(rows, np.arange(outs + 1))
    words = parts[rows, place].astype("<i1" if group == 4 else "<i2").view("<i4").ravel()
    arrays = (start[:outs], first, place, words)
    return f"groups<{group}, {ins}, {outs}>", [s.constant(array, "int32_t") for array in arrays]


def _range(values: Array) -> IntType:
    return IntType(int(values.min(initial=0)), int(values.max(initial=0)))


@kernel(Depthwise)
def _depthwise(s: Source, node: Node) -> None:
    assert isinstance(node.op, Depthwise)
    op, (x,) = node.op, node.args
    tap = op.window(x.type.int_elem)
    most = max(abs(tap.lo), abs(tap.hi)) * int(np.abs(op.weights.data).sum(axis=0).max())
    kind = c_type(IntType(-max(most, 2**31 - 1), max(most, 2**31 - 1)))
    fill = s.constant(np.broadcast_to(op.fill.data, x.type.channels), kind)
    weights = s.constant(op.weights.data, c_type(_range(op.weights.data)))
    arguments = f"{kind}, {_kernel(op)}, {_maps(x, node)}"
    s.call(node, f"depthwise<{arguments}>", s.ints(x), fill, weights, s.new(node), "n")


def _kernel(op: Window | Depthwise | MaxPool) -> str:
    numbers = (*op.kernel, *op.strides, op.pads[0], op.pads[1], *op.dilations)
    return f"Kernel<{', '.join(map(str, numbers))}>"


def _maps(x: Node, node: Node) -> str:
    return ", ".join(map(str, (*x.type.shape, *node.type.shape[:2])))


# ---- element by element -------------------------------------------------------------------------


@kernel(Threshold)
def _threshold(s: Source, node: Node) -> None:
    assert isinstance(node.op, Threshold)
    op, (x,) = node.op, node.args
    channels, steps = node.type.channels, op.out.count - 1
    at = np.broadcast_to(op.thresholds.data, (channels, steps))
    falling = np.broadcast_to(op.falling.data, channels).astype(bool)
    if x in s.waiting:
        _fused(s, node, x, at[:, 0], falling)
        return
    kind = c_type(
        IntType(min(-(2**31), int(at.min(initial=0))), max(2**31 - 1, int(at.max(initial=0))))
    )
    held = s.constant(at.T, kind)
    factor = s.constant(np.where(falling, -1, 1), "int32_t")
    base = s.constant(np.where(falling, steps, 0), "int32_t")
    arguments = f"{kind}, {steps}, {channels}, {op.out.lo}, {op.out.step}"
    s.call(node, f"threshold<{arguments}>", s.ints(x), held, factor, base, s.new(node), s.rows(x))


def _fused(s: Source, node: Node, dense: Node, at: Array, falling: Array) -> None:
    """The sums of ``dense``, compared: bits."""
    assert isinstance(dense.op, Dense)
    (x,) = dense.args
    name, given, weights = _xnor(s, dense.op, x)
    padded = np.full(-(-len(at) // LANES) * LANES, UNREACHED)
    padded[: len(at)] = at
    limits = s.constant(padded, "int64_t")
    flip = s.constant(np.packbits(falling, bitorder="little"), "uint8_t")
    s.kinds[dense.name] = "xnor"
    call = f"xnor_bits<{name}>"
    s.call(node, call, given, weights, limits, flip, s.new(node, "bits"), s.rows(node))


@kernel(Requantize)
def _requantize(s: Source, node: Node) -> None:
    assert isinstance(node.op, Requantize)
    op, (x,) = node.op, node.args
    product, out = op.product(x.type.int_elem), op.out
    kind = _wide([product, out, _range(op.mul.data), _range(op.add.data)])
    mul, add = (_channels(s, array.data, node, kind) for array in (op.mul, op.add))
    arguments = f"{kind}, {node.type.channels}, {_shift(op)}"
    s.call(node, f"requantize<{arguments}>", s.ints(x), mul, add, s.new(node), s.rows(node))


@kernel(Join)
def _join(s: Source, node: Node) -> None:
    assert isinstance(node.op, Join)
    op, (a, b) = node.op, node.args
    arrays = (op.mul_a.data, op.mul_b.data, op.add.data)
    kind = _wide([op.total(a.type.int_elem, b.type.int_elem), op.out, *map(_range, arrays)])
    held = [_channels(s, array, node, kind) for array in arrays]
    arguments = f"{kind}, {node.type.channels}, {_shift(op)}"
    given = (s.ints(a), s.ints(b), *held)
    s.call(node, f"join<{arguments}>", *given, s.new(node), s.rows(node))


def _shift(op: Requantize | Join) -> str:
    return f"{op.shift}, {str(op.even).lower()}, {op.out.lo}L, {op.out.hi}L"


def _wide(ranges: list[IntType]) -> str:
    """int32_t where it holds all of them and their sum, else int64_t."""
    total = sum(max(abs(r.lo), abs(r.hi)) for r in ranges)
    return "int32_t" if total < 2**31 else "int64_t"


def _channels(s: Source, data: Array, node: Node, kind: str) -> str:
    return s.constant(np.broadcast_to(data, node.type.channels), kind)


@kernel(Table)
def _table(s: Source, node: Node) -> None:
    assert isinstance(node.op, Table)
    op, (x,) = node.op, node.args
    stride = op.domain.count if op.values.shape[0] > 1 else 0
    values = s.constant(op.values.data, c_type(op.out))
    arguments = f"{node.type.channels}, {stride}, {op.domain.lo}L, {op.domain.step}L"
    s.call(node, f"table<{arguments}>", s.ints(x), values, s.new(node), s.rows(node))


@kernel(Product)
def _product(s: Source, node: Node) -> None:
    a, b = node.args
    given = (s.ints(a), s.ints(b))
    s.call(node, "product<int64_t>", *given, s.new(node), f"n * {node.type.size}")


@kernel(Select)
def _select(s: Source, node: Node) -> None:
    assert isinstance(node.op, Select)
    a, b = node.args
    name = f"select<{str(node.op.kind == 'max').lower()}, int64_t>"
    s.call(node, name, s.ints(a), s.ints(b), s.new(node), f"n * {node.type.size}")


# ---- windows, pools, movement -------------------------------------------------------------------


@kernel(Window)
def _window(s: Source, node: Node) -> None:
    assert isinstance(node.op, Window)
    op, (x,) = node.op, node.args
    fill = np.broadcast_to(op.fill.data, x.type.channels) if any(op.pads) else np.zeros(1)
    held = s.constant(fill, c_type(node.type.int_elem))
    arguments = f"{_kernel(op)}, {_maps(x, node)}, {op.groups}"
    s.call(node, f"window<{arguments}>", s.ints(x), held, s.new(node), "n")


@kernel(MaxPool)
def _max_pool(s: Source, node: Node) -> None:
    assert isinstance(node.op, MaxPool)
    (x,) = node.args
    s.call(node, f"max_pool<{_kernel(node.op)}, {_maps(x, node)}>", s.ints(x), s.new(node), "n")


@kernel(Reduce)
def _reduce(s: Source, node: Node) -> None:
    assert isinstance(node.op, Reduce)
    (x,) = node.args
    kind, many = KINDS[node.op.kind], x.type.shape[-2]
    arguments = f"{kind}, {c_type(node.type.int_elem)}, {many}, {node.type.channels}"
    s.call(node, f"reduce<{arguments}>", s.ints(x), s.new(node), s.rows(node))


@kernel(TopK)
def _top_k(s: Source, node: Node) -> None:
    assert isinstance(node.op, TopK)
    op, (x,) = node.op, node.args
    flags = ", ".join(str(flag).lower() for flag in (op.largest, op.last))
    arguments = f"{x.type.channels}, {op.k}, {flags}"
    s.call(node, f"top_k<{arguments}>", s.ints(x), s.new(node), s.rows(node))


@kernel(Reshape)
def _reshape(s: Source, node: Node) -> None:
    s.kinds[node.name] = "nothing"
    s.alias(node, node.args[0])


@kernel(Take)
@kernel(Transpose)
def _movement(s: Source, node: Node) -> None:
    (x,) = node.args
    places = node.op.run(np.arange(x.type.size).reshape(1, *x.type.shape))
    _gather(s, node, np.asarray(places).ravel(), 0)


@kernel(Gather)
def _gathered(s: Source, node: Node) -> None:
    assert isinstance(node.op, Gather)
    _gather(s, node, node.op.index.data, node.op.fill)


def _gather(s: Source, node: Node, places: Array, fill: int) -> None:
    (x,) = node.args
    held = s.constant(places, "int32_t")
    arguments = f"{x.type.size}, {node.type.size}, {fill}L"
    s.call(node, f"gather<{arguments}>", s.ints(x), held, s.new(node), "n")


@kernel(Concat)
def _concat(s: Source, node: Node) -> None:
    assert isinstance(node.op, Concat)
    axis, shape = node.op.axis, node.type.shape
    blocks, step = prod(shape[:axis]), prod(shape[axis:])
    given = [s.ints(arg) for arg in node.args]
    made, at = s.new(node), 0
    for arg, value in zip(node.args, given, strict=True):
        each = prod(arg.type.shape[axis:])
        s.call(node, f"place<{blocks}, {each}, {step}, {at}>", value, made, "n")
        at += each
