"""A kernel: what the HLS template library has to be told to compute one stage.

A stage becomes one call of a function template of templates/hls/. Its first argument is a struct of
constants and element types, generated here; its memories are arrays in headers of their own. One
function for each class of stage says all that (codegen/hls/STEM.py), registered by :func:`kernel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np

from gatesmith.codegen.parts import ceil_div
from gatesmith.codegen.stream import Stage
from gatesmith.ir import Ints, IntType

S = TypeVar("S", bound=Stage)
Constant = int | str
"""A number, or the name of an enumerator."""

_MACHINE = {8: "unsigned char", 16: "unsigned short", 32: "unsigned int", 64: "unsigned long long"}


@dataclass(frozen=True, slots=True)
class Rom:
    """A constant array of C++.

    Attributes:
        name: Behind the name of the stage.
        kind: C++ type of an entry.
        words: Its entries, of one or two dimensions.
        remark: What stands in it.
    """

    name: str
    kind: str
    words: Ints
    remark: str

    @staticmethod
    def packed(name: str, codes: Ints, bits: int, remark: str) -> Rom:
        """Rows of elements as types.h reads them: as many of ``bits`` bits in an entry as fit.

        >>> Rom.packed("x", np.array([[1, 2, 3]]), 4, "").words
        array([[801]])
        >>> Rom.packed("x", np.arange(5)[None], 15, "").words.shape
        (1, 2)
        """
        rows, count = codes.shape
        width = next((w for w in _MACHINE if count * bits <= w), 64)
        per = width // bits
        filled = np.zeros((rows, ceil_div(count, per) * per), np.uint64)
        filled[:, :count] = codes.astype(np.uint64)
        parts = filled.reshape(rows, -1, per) << (np.arange(per, dtype=np.uint64) * np.uint64(bits))
        words = np.bitwise_or.reduce(parts, axis=2).view(np.int64)
        return Rom(name, _MACHINE[width], words, remark)

    @staticmethod
    def plain(name: str, values: Ints, bits: int, remark: str) -> Rom:
        """An entry of ``bits`` bits or more for each value, not negative."""
        return Rom(name, _MACHINE[next(w for w in _MACHINE if bits <= w)], values, remark)

    @property
    def extents(self) -> str:
        """Sizes (C++)."""
        return "".join(f"[{size}]" for size in self.words.shape)

    @property
    def body(self) -> str:
        """Its initialiser (C++), in lines."""
        lines: list[str] = []
        if self.words.ndim == 1:
            _fill(lines, [self._number(int(w)) for w in self.words], "    ")
            return "{\n" + "\n".join(lines) + "\n}"
        for row in self.words:
            texts = [self._number(int(w)) for w in row]
            if sum(map(len, texts)) + 2 * len(texts) < 88:
                lines.append("    {" + ", ".join(texts) + "},")
            else:
                lines.append("    {")
                _fill(lines, texts, "     ")
                lines.append("    },")
        return "{\n" + "\n".join(lines) + "\n}"

    def _number(self, value: int) -> str:
        if not self.kind.startswith("unsigned"):
            return str(value)
        text = f"0x{value & 0xFFFF_FFFF_FFFF_FFFF:x}"
        return f"{text}ULL" if self.kind.endswith("long long") else text


def _fill(lines: list[str], texts: list[str], indent: str) -> None:
    """Entries separated by commas, in lines of at most 96 columns."""
    line = indent
    for text in texts:
        if len(line) + len(text) + 2 > 96:
            lines.append(line.rstrip())
            line = indent
        line += f"{text}, "
    lines.append(line.rstrip())


@dataclass(frozen=True, slots=True)
class Kernel:
    """One call.

    Attributes:
        header: File of templates/hls/.
        function: Function template in it.
        elems: Types of elements, by their name in the struct.
        constants: By their name in the struct.
        roms: Arguments behind the streams, in their order.
        options: Template arguments behind the struct (C++).
        text: Text of the header where it is made for this design, else nothing.
    """

    header: str
    function: str
    elems: Mapping[str, IntType]
    constants: Mapping[str, Constant]
    roms: tuple[Rom, ...] = ()
    options: tuple[str, ...] = ()
    text: str = field(default="", repr=False)

    @property
    def members(self) -> list[str]:
        """Lines of the struct (C++)."""
        types = [f"typedef {elem_type(elem)} {name};" for name, elem in self.elems.items()]
        numbers = [_constant(name, value) for name, value in self.constants.items()]
        return types + numbers


def _constant(name: str, value: Constant) -> str:
    if isinstance(value, bool):
        return f"static const bool {name} = {str(value).lower()};"
    if isinstance(value, str):
        return f"static const int {name} = {value};"
    if -(1 << 31) < value < 1 << 31:
        return f"static const int {name} = {value};"
    return f"static const long long {name} = {value}LL;"


def elem_type(elem: IntType) -> str:
    """Type of types.h (C++).

    >>> elem_type(IntType(-128, 127)), elem_type(IntType(-64, 64, 2))
    ('gs::Elem<8, true, 0, 1, 8>', 'gs::Elem<7, false, -64, 2, 9>')
    """
    lo = 0 if elem.step == 1 else elem.lo
    return (
        f"gs::Elem<{elem.bits}, {str(elem.signed).lower()}, {lo}, {elem.step}, {value_bits(elem)}>"
    )


def value_bits(*elems: IntType) -> int:
    """Bits, with a sign, of every value, every code, and what leads from one to the other."""
    ends = [-1, 0]
    for elem in elems:
        ends += [elem.lo, elem.hi, elem.code.lo, elem.code.hi]
        if elem.step != 1:
            ends += [elem.step, elem.hi - elem.lo]
    return IntType(min(ends), max(ends)).bits


def bound_bits(bound: int) -> int:
    """Bits of integers from -bound to bound."""
    return IntType(-bound - 1, bound).bits


KERNELS: dict[type[Stage], Callable[[Stage], Kernel]] = {}


def kernel(stage: type[S]) -> Callable[[Callable[[S], Kernel]], Callable[[S], Kernel]]:
    """Register the kernel of a class of stages; not of its subclasses."""

    def register(function: Callable[[S], Kernel]) -> Callable[[S], Kernel]:
        KERNELS[stage] = cast(Callable[[Stage], Kernel], function)
        return function

    return register
