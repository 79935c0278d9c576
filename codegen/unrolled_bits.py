"""Unrolled layers of single bits and weights of one magnitude: bipolar, ternary, binary.

An input is x = base + step * c with c its bit, all weights are 0 or plus or minus one power of two,
so a code of y is ``constant + (sum of some c - sum of others << shift)``. Rows are trees of shared
sums (codegen/shared_rows.py). A Threshold of one step behind the layer becomes part of the last
addition: the sum itself is then not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gatesmith.codegen.lines import is_bit
from gatesmith.codegen.parts import ceil_div
from gatesmith.codegen.row_tree import RowTree, row_trees
from gatesmith.codegen.shared_rows import Asked, SharedRows
from gatesmith.codegen.unrolled_rows import BLOCK_DIGITS, Block, Unrolled
from gatesmith.ir import Array, Ints, IntType
from gatesmith.ops.threshold import Threshold

DEPTH = 3
"""Carry chains between two registers: about 3 ns on a 16 nm FPGA."""


def is_unit(weights: Ints, x: IntType) -> bool:
    """Whether inputs are single bits and weights 0 or plus or minus one power of two.

    >>> is_unit(np.array([[2, 0], [-2, 2]]), IntType(0, 1)), is_unit(np.array([[3]]), IntType(0, 1))
    (True, False)
    """
    sizes = np.unique(np.abs(weights[weights != 0]))
    return is_bit(x.code) and len(sizes) == 1 and int(sizes[0]).bit_count() == 1


def folds_in(threshold: Threshold, weights: Ints, x: IntType) -> bool:
    """Whether a Threshold behind such a layer becomes part of it: one step, one bit."""
    return is_unit(weights, x) and threshold.thresholds.shape[1] == 1 and is_bit(threshold.out.code)


@dataclass(frozen=True, slots=True)
class _Row:
    """An output: signs of the bits in its sum, and what is asked of it; or a constant.

    Attributes:
        signs: -1, 0 and 1 by input.
        asked: None where the output is constant.
        shift: Zeros, or other bits that do not change, below the sum.
        fill: Those bits; of a constant, all of them.
    """

    signs: tuple[int, ...]
    asked: Asked | None
    shift: int
    fill: int


@lru_cache(maxsize=16)  # asked by the search for a fold, the plan and the files
def unroll_bits(
    weights: Array, x: IntType, y: IntType, threshold: Threshold | None = None, depth: int = DEPTH
) -> Unrolled:
    """The modules of a layer.

    Args:
        weights: See :func:`is_unit`.
        x: Type of an input.
        y: Type of a sum.
        threshold: See :func:`folds_in`; its answers are then the outputs.
        depth: Chains between two registers.
    """
    if threshold is None:
        rows = [_number(row, x, y) for row in weights.data]
    else:
        limits = _by_channel(threshold.thresholds.data[:, 0], len(weights.data))
        falls = _by_channel(threshold.falling.data, len(weights.data))
        rows = [
            _answer(_number(row, x, y), y, int(limit), bool(fall))
            for row, limit, fall in zip(weights.data, limits, falls, strict=True)
        ]
    bits = y.bits if threshold is None else 1
    made = list(dict.fromkeys(row for row in rows if row.asked is not None))
    fixed = list(dict.fromkeys(row for row in rows if row.asked is None))
    places: dict[_Row, tuple[int, int]] = {}
    blocks: list[Block] = []
    parts = _parts(made, depth)
    levels = max((part.levels for _, part in parts), default=1)
    for number, (numbers, part) in enumerate(parts):
        outputs = part.outputs(levels)
        texts = [_filled(outputs[n], made[n]) for n in numbers]
        places |= {made[n]: (number, place) for place, n in enumerate(numbers)}
        blocks.append(_block(part, texts))
    if fixed:
        places |= {row: (len(blocks), place) for place, row in enumerate(fixed)}
        texts = [f"{bits}'d{row.fill}" for row in fixed]
        blocks.append(Block((), tuple(texts), False, ()))
    return Unrolled(tuple(blocks), tuple(places[row] for row in rows), levels)


def _by_channel(values: Ints, channels: int) -> Ints:
    return np.broadcast_to(values, (channels,)) if len(values) == 1 else values


def _number(weights: Ints, x: IntType, y: IntType) -> _Row:
    """The row whose result is the code of its sum."""
    base, step = (0, 1) if x.step == 1 else (x.lo, x.step)
    low, unit = (0, 1) if y.step == 1 else (y.lo, y.step)
    constant = int(weights.sum()) * base - low
    factors = weights * step
    if constant % unit or (factors % unit).any():
        raise ValueError(f"sums of {x} by these weights do not all lie in {y}")
    constant //= unit
    factors //= unit
    signs = tuple(np.sign(factors).tolist())
    if not any(signs):
        return _Row(signs, None, 0, constant % (1 << y.bits))
    shift = int(np.abs(factors).max()).bit_length() - 1
    asked = Asked(y.bits - shift, constant >> shift)
    return _Row(signs, asked, shift, constant % (1 << shift))


def _answer(row: _Row, y: IntType, limit: int, falling: bool) -> _Row:
    """The row whose result is whether its sum is ``limit`` or more, or the opposite."""
    low, unit = (0, 1) if y.step == 1 else (y.lo, y.step)
    code = ceil_div(limit - low, unit)
    if row.asked is None:
        value = row.fill - (1 << y.bits) if y.signed and row.fill >> (y.bits - 1) else row.fill
        return _Row(row.signs, None, 0, int((value >= code) != falling))
    constant = (row.asked.constant << row.shift) + row.fill
    least = ceil_div(code - constant, 1 << row.shift)
    most, fewest = row.signs.count(1), -row.signs.count(-1)
    if not fewest < least <= most:
        return _Row(row.signs, None, 0, int((least <= fewest) != falling))
    return _Row(row.signs, Asked(least=least, falling=falling), 0, 0)


def _parts(rows: Sequence[_Row], depth: int) -> list[tuple[list[int], SharedRows]]:
    """Numbers of rows, and how they are made, of each module."""
    if not rows:
        return []
    signs = np.array([row.signs for row in rows], np.int64)
    asked = {number: row.asked for number, row in enumerate(rows) if row.asked is not None}
    found, trees, size = [], list[RowTree](), 0
    for tree in row_trees(signs):
        here = int(np.count_nonzero(signs[list(tree.rows)]))
        if trees and size + here > BLOCK_DIGITS:
            found.append(trees)
            trees, size = [], 0
        trees.append(tree)
        size += here
    return [
        ([row for tree in trees for row in tree.rows], SharedRows(signs, asked, trees, depth))
        for trees in [*found, trees]
    ]


def _filled(text: str, row: _Row) -> str:
    """A code from the bits of its sum (SystemVerilog)."""
    return f"{{{text}, {row.shift}'d{row.fill}}}" if row.shift else text


def _block(part: SharedRows, outputs: Sequence[str]) -> Block:
    wiring = part.wiring
    return Block(
        tuple(wiring.lines),
        tuple(outputs),
        inverted=False,
        cut=tuple(wiring.unread(outputs)),
        functions=tuple(wiring.functions.values()),
    )
