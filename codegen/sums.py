"""Sums of inputs as a list of lines of SystemVerilog, a register every few adders.

What an unrolled layer is made of. A :class:`Term` is a wire times a signed power of two; adding two
makes a new wire, whose range is exact: that of the linear form of the inputs that it stands for, so
no bit is wasted. The same sum is made once, whoever asks. Passes that make the list shorter (shared
sums, compressor trees) have their place between the terms and the lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise

from gatesmith.codegen.parts import TREE_FANIN, ceil_div
from gatesmith.ir import IntType

WIDE_FANIN = 4
"""Terms of more than one bit that one register level adds: two levels of two-input adders. Of three
levels synthesis makes carry-save adders, which cost more; single bits are added TREE_FANIN at once.
"""


@dataclass(frozen=True, slots=True)
class Wire:
    """A number on wires.

    Attributes:
        name: In SystemVerilog.
        type: Its range; in two's complement when that reaches below zero.
        number: Order in which wires were made; of an input, its number.
        held: Whether it is an input or a register.
    """

    name: str
    type: IntType
    number: int
    held: bool


@dataclass(frozen=True, slots=True)
class Term:
    """``wire * 2**shift``, or its negative."""

    wire: Wire
    shift: int = 0
    negative: bool = False

    @property
    def order(self) -> tuple[bool, int, int, int]:
        """Terms that are cheap to add stand beside each other."""
        return self.negative, self.shift, self.wire.type.bits, self.wire.number


@dataclass(frozen=True, slots=True)
class Line:
    """How a wire is made.

    Attributes:
        wire: The wire.
        text: Its value (SystemVerilog).
        registered: Whether it is a register.
        lut: LUTs, see :func:`adder_luts` and :func:`count_luts`.
    """

    wire: Wire
    text: str
    registered: bool
    lut: int


@dataclass(frozen=True, slots=True)
class Form:
    """What a wire stands for: ``constant + sum of factors[i] * input i``."""

    constant: int = 0
    factors: dict[int, int] = field(default_factory=dict)

    def plus(self, other: Form, times: int) -> Form:
        """``self + times * other``."""
        factors = dict(self.factors)
        for i, factor in other.factors.items():
            factors[i] = factors.get(i, 0) + times * factor
        return Form(self.constant + times * other.constant, factors)

    def range(self, code: IntType) -> IntType:
        """Least and largest value when every input is anywhere in ``code``."""
        up = sum(f for f in self.factors.values() if f > 0)
        down = sum(f for f in self.factors.values() if f < 0)
        lo, hi = up * code.lo + down * code.hi, up * code.hi + down * code.lo
        return IntType(self.constant + lo, self.constant + hi)


def adder_luts(result: IntType, a: Term, b: Term) -> int:
    """Of ``a + b``, or ``a - b`` where b is negative; one of them has shift 0.

    One for each bit of the result, without those below the shifted operand, those above the end of
    one that is not negative (they only pass the carry on), and the sign of a sum of two inputs or
    registers with signs (the bit below it has the same operands).
    """
    passed = a.shift + b.shift if not b.negative or a.shift == 0 else 0
    tops = [t.wire.type.bits + t.shift for t in (a, b) if not t.wire.type.signed]
    high = result.bits
    if tops and not b.negative:
        high = min(high, *tops)
    elif len(tops) == 2:
        high = min(high, max(tops))
    signs = a.wire.held and b.wire.held and not tops
    return max(1, high - passed - signs)


def count_luts(bits: int) -> int:
    """Of up to eight single bits: six of them become a number of three bits in three LUTs.

    >>> [count_luts(n) for n in range(1, 9)]
    [0, 2, 2, 3, 3, 3, 5, 6]
    """
    return (0, 2, 2, 3, 3, 3, 5, 6)[bits - 1]


class Sums:
    """The lines of a module.

    Attributes:
        code: Codes of an input.
        lines: In the order in which they use each other.
        inverted: Whether any input is used inverted.
        cut: Wires of which a reader drops high bits: where parts of a difference cancel, it can be
            narrower than they are.
    """

    def __init__(self, code: IntType) -> None:
        self.code = code
        self.lines: list[Line] = []
        self.inverted = False
        self.cut: set[Wire] = set()
        self._made: dict[tuple[str, bool], Wire] = {}
        self._forms: dict[Wire, Form] = {}

    # ---- wires ----------------------------------------------------------------------------------

    def input(self, number: int, *, inverted: bool = False) -> Wire:
        """Code c of an input; inverted, ``2**bits - 1 - c``."""
        code, bits = self.code, self.code.bits
        top = (1 << bits) - 1
        if inverted and (code.lo, code.hi) != (0, top):
            raise ValueError(f"codes {code} cannot be inverted")
        self.inverted |= inverted
        place = f"{number * bits}+:{bits}" if bits > 1 else f"{number}"
        wire = Wire(f"{'x_n' if inverted else 'x'}[{place}]", code, number, held=True)
        form = Form(top, {number: -1}) if inverted else Form(0, {number: 1})
        self._forms.setdefault(wire, form)
        return wire

    def add(self, a: Term, b: Term) -> Term:
        """Sum of two; negative when both are."""
        a, b = sorted((a, b), key=lambda term: term.order)
        base, negative = min(a.shift, b.shift), a.negative
        a = Term(a.wire, a.shift - base)
        b = Term(b.wire, b.shift - base, b.negative != negative)
        form = Form().plus(self._forms[a.wire], 1 << a.shift)
        form = form.plus(self._forms[b.wire], (-1 if b.negative else 1) << b.shift)
        result = form.range(self.code)
        left, right = (self.extended(term, result.bits) for term in (a, b))
        text = f"{left} {'-' if b.negative else '+'} {right}"
        return Term(self._make(text, form, adder_luts(result, a, b)), base, negative)

    def count(self, terms: Sequence[Term]) -> Term:
        """Sum of single bits of one weight and sign."""
        if len(terms) == 1:
            return terms[0]
        form = Form()
        for term in terms:
            form = form.plus(self._forms[term.wire], 1)
        bits = form.range(self.code).bits
        names = ", ".join(term.wire.name for term in terms)
        text = f"{bits}'($countones({{{names}}}))"
        return replace(terms[0], wire=self._make(text, form, count_luts(len(terms))))

    def offset(self, term: Term, constant: int) -> Wire:
        """The value of a term, and a constant; the term itself when that is all there is to do."""
        if constant == 0 and not term.negative and term.shift == 0:
            return term.wire
        sign = -1 if term.negative else 1
        form = Form(constant).plus(self._forms[term.wire], sign << term.shift)
        bits = form.range(self.code).bits
        value = self.extended(term, bits)
        number = f"{bits}'d{constant % (1 << bits)}"
        text = f"{number} - {value}" if term.negative else f"{value} + {number}"
        return self._make(text, form, bits)

    def register(self, wire: Wire) -> Wire:
        """The same a cycle later; an adder that only this register reads ends in it."""
        return self._make(wire.name, self._forms[wire], 0, registered=True)

    def extended(self, term: Term, bits: int) -> str:
        """The magnitude of a term in so many bits (SystemVerilog)."""
        name, have, shift = term.wire.name, term.wire.type.bits, term.shift
        if have + shift > bits:
            self.cut.add(term.wire)
        if (have, shift) == (bits, 0):
            return name
        value = f"{{{name}, {shift}'d0}}" if shift else name
        return f"{bits}'($signed({value}))" if term.wire.type.signed else f"{bits}'({value})"

    def _make(self, text: str, form: Form, lut: int, *, registered: bool = False) -> Wire:
        made = self._made.get((text, registered))
        if made is None:
            number = len(self.lines)
            name = f"s{number}_q" if registered else f"s{number}"
            made = Wire(name, form.range(self.code), number, registered)
            self._made[text, registered] = made
            self._forms[made] = form
            self.lines.append(Line(made, text, registered, lut))
        return made

    # ---- trees ----------------------------------------------------------------------------------

    def level(self, terms: Sequence[Term]) -> list[Term]:
        """What a register level makes of terms: sums of as many as it can add."""
        bits = all(is_bit(term.wire.type) for term in terms)
        count = ceil_div(len(terms), TREE_FANIN if bits else WIDE_FANIN)
        ordered = sorted(terms, key=lambda term: term.order)
        cuts = [len(terms) * cut // count for cut in range(count + 1)]
        sums = [self.tree(ordered[start:stop]) for start, stop in pairwise(cuts)]
        return [replace(term, wire=self.register(term.wire)) for term in sums]

    def tree(self, terms: Sequence[Term]) -> Term:
        """Sum of terms by adders of two; single bits of one weight are counted first."""
        ordered = sorted(terms, key=lambda term: term.order)
        row = [self.count(list(same)) for _, same in groupby(ordered, key=_weight)]
        while len(row) > 1:
            pairs = [self.add(a, b) for a, b in zip(row[::2], row[1::2], strict=False)]
            row = pairs + row[len(pairs) * 2 :]
        return row[0]


def _weight(term: Term) -> object:
    """The same for single bits that can be counted together."""
    return (term.negative, term.shift) if is_bit(term.wire.type) else term


def is_bit(value: IntType) -> bool:
    """Whether a value is 0 or 1."""
    return value.bits == 1 and not value.signed


def levels(terms: int, *, bits: bool) -> int:
    """Register levels of a sum of inputs; one at least, that of the output.

    Args:
        terms: Signed digits of the factors.
        bits: Whether an input is a single bit, not negative.

    >>> [levels(n, bits=True) for n in (0, 1, 8, 9, 32, 33)]
    [1, 1, 1, 2, 2, 3]
    >>> [levels(n, bits=False) for n in (1, 4, 5, 64)]
    [1, 1, 2, 3]
    """
    terms, count = ceil_div(terms, TREE_FANIN if bits else WIDE_FANIN), 1
    while terms > 1:
        terms, count = ceil_div(terms, WIDE_FANIN), count + 1
    return count
