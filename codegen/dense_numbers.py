"""Hardware of Dense with weights that are wires over inputs of several bits: one vector a cycle.

What rows have in common is added once (codegen/pair_sharing.py), the rest of a row is a bit heap
(codegen/bit_heap.py) that carry chains compress. A Requantize behind the layer that only adds,
shifts and clamps becomes part of it: what it adds goes into the heap's constant, bits below the
shift are nothing but carries, and the clamp looks at the bits above the result's. One that also
multiplies by few digits multiplies the weights (:func:`multiplied`).

A register stands behind every ``depth`` chains and in front of y. The clock's period is about the
delay of ``depth`` chains, so fewer of them make it shorter and the latency longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.bit_heap import Bit
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.lines import Line
from gatesmith.codegen.number_rows import NumberRows, share
from gatesmith.codegen.render import render, sv_int
from gatesmith.codegen.signed_digits import count_digits
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.unrolled_rows import distinct
from gatesmith.codegen.vector_stage import VectorStage
from gatesmith.codegen.wiring import Wiring
from gatesmith.ir import Array, Ints, IntType
from gatesmith.ops.requantize import Requantize

ZERO = Bit("1'b0")
"""A bit that is there from the start."""

MOST_WEIGHT = 1 << 24
"""Largest weight that a factor may make."""

DEPTH = 8
"""Carry chains between two registers: a layer of 32 or 64 inputs has seven to nine in a row."""


@dataclass(frozen=True, slots=True)
class Row:
    """The value of one row before the clamp.

    Attributes:
        value: Its bits (SystemVerilog).
        type: Its range.
        below: Bits below the shift, all 0 at a tie; '' where ties are like other values.
    """

    value: str
    type: IntType
    below: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a layer as lines.

    Attributes:
        lines: Of the sums.
        functions: Text of functions that the lines call.
        rows: Rows that differ.
        places: Row of each output.
        levels: Registers from x to the rows.
        unread: Wires of which some bits have no reader.
    """

    lines: tuple[Line, ...]
    functions: tuple[str, ...]
    rows: tuple[Row, ...]
    places: tuple[int, ...]
    levels: int
    unread: tuple[str, ...]


def foldable(op: Requantize) -> bool:
    """Whether a Requantize only adds, shifts and clamps.

    >>> foldable(Requantize(Array([4, 4]), Array([2]), 3, IntType(0, 7)))
    True
    >>> foldable(Requantize(Array([3]), Array([2]), 3, IntType(0, 7)))
    False
    """
    mul = {int(m) for m in op.mul.data}
    if len(mul) > 1 or op.out.step != 1:
        return False
    (factor,) = mul
    return 1 <= factor <= (1 if op.even else 1 << op.shift) and factor.bit_count() == 1


def multiplied(weights: Ints, mul: Ints) -> Ints | None:
    """Rows of weights times the factor of each, where that costs no more than to multiply sums.

    A digit is about an adder: rows may get as many more of them as the factors have. So much have
    rows whose common factor a pass took out of their weights.

    >>> multiplied(np.array([[1, 0, -1], [1, 2, 3]]), np.array([14, 1])).tolist()
    [[14, 0, -14], [1, 2, 3]]
    >>> multiplied(np.array([[1, 2, 3]]), np.array([2731])) is None
    True
    """
    factors = np.broadcast_to(mul, (len(weights),))
    rows: Ints = weights * factors[:, None]
    if np.abs(rows).max(initial=0) > MOST_WEIGHT:
        return None
    more = count_digits(rows).sum() - count_digits(weights).sum()
    return rows if more <= count_digits(factors).sum() else None


@lru_cache(maxsize=64)  # asked by the search for a fold, the plan and the files
def unroll_numbers(
    weights: Array, x: IntType, y: IntType, then: Requantize | None, depth: int
) -> Rows:
    """The rows of a layer.

    Args:
        weights: (outputs, inputs).
        x: Type of an input.
        y: Type of a sum.
        then: What is done to the sums; None gives their codes.
        depth: Carry chains between two registers.
    """
    factors, constants = _codes(weights.data, x, y)
    shift = 0
    if then is not None:
        # floor((sum * 2**k + add) / 2**shift) is floor((sum + floor(add / 2**k)) / 2**(shift - k)).
        k = int(then.mul.data[0]).bit_length() - 1
        adds = np.broadcast_to(then.add.data + then.half, constants.shape) >> k
        constants, shift = constants + adds, then.shift - k
    rows, places = distinct(np.concatenate([factors, constants[:, None]], axis=1))
    least, top = code_ends(x)
    wiring = Wiring(depth)
    used = [bool(column.any()) for column in factors.T]
    inputs = [input_bits(i, x, wiring) if used[i] else [] for i in range(len(used))]
    shared = share(Array(rows[:, :-1]), (top,) * len(inputs))
    heaps = NumberRows(shared, inputs, wiring)
    found: list[tuple[list[list[Bit]], list[list[Bit]], IntType]] = []
    for number, row in enumerate(rows.tolist()):
        *weighted, constant = row
        up, down = (sum(w for w in weighted if (w > 0) == positive) for positive in (True, False))
        total = IntType(constant + least * up + top * down, constant + top * up + least * down)
        bits = heaps.row(number, constant, total.bits)
        kept = bits[shift:] or (bits[-1:] if total.signed else [])
        below = bits[:shift] if then is not None and then.even else []
        found.append((kept, below, IntType(total.lo >> shift, total.hi >> shift)))
    levels = max(b.level for row in found for c in (*row[0], *row[1], [ZERO]) for b in c)

    def text(bits: list[list[Bit]]) -> str:
        return _joined([wiring.at(c[0], levels).text if c else "1'b0" for c in bits])

    made = tuple(Row(text(kept), kind, text(below) if below else "") for kept, below, kind in found)
    functions = tuple(wiring.functions.values())
    unread = tuple(wiring.unread(row.value + row.below for row in made))
    return Rows(tuple(wiring.lines), functions, made, tuple(places), levels, unread)


def code_ends(x: IntType) -> tuple[int, int]:
    """Least and largest code of an input, counted from 0 up."""
    code = x.code
    offset = 1 << (code.bits - 1) if code.signed else 0
    return code.lo + offset, code.hi + offset


def input_bits(number: int, x: IntType, wiring: Wiring) -> list[Bit]:
    """Bits of an input's code, counted from 0 up: the top one inverted where it has a sign.

    Those that no value needs are left out.
    """
    names = [f"x[{number * x.bits + i}]" for i in range(x.bits)]
    if x.code.signed:
        names[-1] = wiring.line(f"~{names[-1]}", 1)
    return [Bit(name) for name in names[: code_ends(x)[1].bit_length()]]


def _codes(weights: Ints, x: IntType, y: IntType) -> tuple[Ints, Ints]:
    """Factors of the codes from 0 up, and constants, that give the code of y."""
    base, step = (0, 1) if x.step == 1 else (x.lo, x.step)
    low, unit = (0, 1) if y.step == 1 else (y.lo, y.step)
    if x.code.signed:
        base -= step << (x.code.bits - 1)
    factors = weights * step
    constants = weights.sum(axis=1) * base - low
    if (factors % unit).any() or (constants % unit).any():
        raise ValueError(f"sums of {x} by these weights do not all lie in {y}")
    return factors // unit, constants // unit


def _joined(bits: list[str]) -> str:
    """Bits, lowest first, as a number (SystemVerilog)."""
    return "{" + ", ".join(reversed(bits or ["1'b0"])) + "}"


@dataclass(frozen=True, slots=True)
class DenseNumbersStage(VectorStage):
    """templates/sv/dense_numbers.sv.j2 is given it under the name ``hw``.

    Attributes:
        then: What is done to the sums here; None gives the sums.
        depth: Carry chains between two registers.
    """

    then: Requantize | None = None
    depth: int = DEPTH

    def __post_init__(self) -> None:
        VectorStage.__post_init__(self)  # super() does not know a class remade for its slots
        if self.then is not None and not self.folds(self.then):
            raise ValueError("the Requantize multiplies, or rounds to even")

    def folds(self, op: Requantize) -> bool:
        """Whether a Requantize can become part of it."""
        return foldable(op) and self.sum_type.step == 1

    @property
    def sink(self) -> Stream:
        """Sums, or what was made of them, all outputs a beat."""
        return self.whole(self.sum_type if self.then is None else self.then.out)

    @property
    def rows(self) -> Rows:
        """The sums."""
        return unroll_numbers(self.op.weights, self.x.elem, self.sum_type, self.then, self.depth)

    @property
    def latency(self) -> int:
        """Registers from x to y."""
        return self.rows.levels + 1

    def cost(self) -> Cost:
        """The lines of the sums, the clamps, and a LUT and ``latency`` FFs for control.

        A chain: codegen/chains.py. A clamp: a LUT a bit, and one for each five bits above them.
        """
        rows = self.rows
        bits = self.sink.elem.bits
        clamps = sum(self._clamp_luts(row.type) for row in rows.rows)
        return Cost(
            lut=1 + clamps + sum(line.lut for line in rows.lines),
            ff=self.latency
            + sum(min(bits, self.compared(row.type).bits) for row in rows.rows)
            + sum(line.wire.type.bits for line in rows.lines if line.registered),
        )

    def _clamp_luts(self, value: IntType) -> int:
        bits = self.sink.elem.bits
        clamps = sum(map(bool, self.limits(value, "v")))
        return clamps and bits + parts.ceil_div(max(1, self.compared(value).bits - bits), 5)

    def with_requantize(self, op: Requantize) -> DenseNumbersStage | None:
        """The stage that does this to its sums itself, or None where it cannot, or at a price."""
        if self.folds(op):
            return replace(self, then=op)
        if self.sum_type.step != 1 or op.out.step != 1:
            return None
        weights = multiplied(self.op.weights.data, op.mul.data)
        if weights is None:
            return None
        kind = IntType(int(weights.min()), int(weights.max()))
        dense = replace(self.op, weights=Array(weights), weight_type=kind)
        return replace(self, op=dense, then=replace(op, mul=Array([1])))

    # ---- text -----------------------------------------------------------------------------------

    @property
    def unused(self) -> str:
        """What is not read, or not all of it (SystemVerilog)."""
        return ", ".join(["x", *self.rows.unread])

    def compared(self, value: IntType) -> IntType:
        """Range of the wires of a row: of its value, and of the limits where it can pass one."""
        if self.then is None or self.then.out.contains(np.array([value.lo, value.hi])):
            return value
        out = self.then.out
        return IntType(min(value.lo, out.lo), max(value.hi, out.hi))

    def extended(self, row: Row) -> str:
        """Value of a row in the bits of :meth:`compared`, a tie made even (SystemVerilog)."""
        bits = self.compared(row.type).bits
        value = row.value
        if bits != row.type.bits:
            value = f"{bits}'($signed({value}))" if row.type.signed else f"{bits}'({value})"
        if not row.below:
            return value
        tie = f"~|{row.below}"
        return f"{value} & ~{{{bits - 1}'d0, {tie}}}" if bits > 1 else f"{value} & ~({tie})"

    def limits(self, value: IntType, v: str) -> tuple[str, str]:
        """Whether wires v of a row are below or above the limits (SystemVerilog); '' never.

        Limits that are powers of two look at the bits above the result's alone.
        """
        if self.then is None:
            return "", ""
        out, kind = self.then.out, self.compared(value)
        top, k = kind.bits - 1, out.hi.bit_length()
        low = f"{_signed(v, kind)} < {_literal(out.lo, kind)}"
        high = f"{_signed(v, kind)} > {_literal(out.hi, kind)}"
        if out.hi == (1 << k) - 1:
            above = f"|{v}[{top - kind.signed}:{k}]" if top - kind.signed >= k else ""
            high = " && ".join(filter(None, [f"!{v}[{top}]" if kind.signed else "", above]))
            if out.lo == -1 << k:
                low = f"{v}[{top}] && !(&{v}[{top}:{k}])"
        if out.lo == 0:
            low = f"{v}[{top}]"
        return low if value.lo < out.lo else "", high if value.hi > out.hi else ""

    def result(self, value: IntType, v: str) -> str:
        """Code of y when v is within the limits (SystemVerilog)."""
        bits, kind = self.sink.elem.bits, self.compared(value)
        if kind.bits == bits:
            return v
        if kind.bits > bits:
            return f"{v}[{bits - 1}:0]"
        return f"{bits}'($signed({v}))" if kind.signed else f"{bits}'({v})"

    def next(self, value: IntType, v: str) -> str:
        """Code of y (SystemVerilog)."""
        low, high = self.limits(value, v)
        text = self.result(value, v)
        if high:
            text = f"{high} ? {self.limit(self.sink.elem.hi)} : {text}"
        return f"{low} ? {self.limit(self.sink.elem.lo)} : {text}" if low else text

    def limit(self, value: int) -> str:
        """Code of a limit (SystemVerilog)."""
        return f"{self.sink.elem.bits}'d{int(self.sink.elem.encode(np.array([value]))[0])}"

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render("sv/dense_numbers.sv.j2", hw=self)}


def _signed(v: str, kind: IntType) -> str:
    return f"$signed({v})" if kind.signed else v


def _literal(number: int, kind: IntType) -> str:
    return sv_int(number, kind.bits) if kind.signed else f"{kind.bits}'d{number}"
