"""Lines of SystemVerilog around bit heaps: chains, registers between their stages, functions.

A wire's time is the number of chains in front of it. There is a register behind every ``depth``
stages of chains; a bit that a later stage reads is carried along by registers that are made when
somebody asks, so every register has a reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gatesmith.codegen.bit_heap import ONE, Bit
from gatesmith.codegen.lines import Line, Wire
from gatesmith.ir import IntType

WIRE = re.compile(r"\bt\d+(?:_q)?(?:\[\d+\])?")
"""A wire of a Wiring, or a bit of it, in a text."""


class Wiring:
    """The lines of a module.

    Attributes:
        depth: Stages of chains between two registers, 1 or more.
        lines: In the order in which they use each other.
        functions: Text of each function that the lines call, by name.
    """

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"expected a depth of 1 or more, not {depth}")
        self.depth = depth
        self.lines: list[Line] = []
        self.functions: dict[str, str] = {}
        self._later: dict[str, list[str]] = {}

    def level(self, time: int) -> int:
        """Registers in front of a stage of chains."""
        return time // self.depth

    def line(self, text: str, bits: int, *, lut: int = 0, registered: bool = False) -> str:
        """A wire of so many bits with a value (SystemVerilog); its name."""
        number = len(self.lines)
        name = f"t{number}_q" if registered else f"t{number}"
        wire = Wire(name, IntType(0, (1 << bits) - 1), number, registered)
        self.lines.append(Line(wire, text, registered, lut))
        return name

    def at(self, bit: Bit, level: int) -> Bit:
        """The same bit behind ``level`` registers."""
        if bit.name == ONE.name or bit.level == level:
            return bit
        if bit.level > level:
            raise ValueError(f"{bit} is not there at level {level}")
        later = self._later.setdefault(bit.name, [])
        while len(later) < level - bit.level:
            later.append(self.line(later[-1] if later else bit.name, 1, registered=True))
        return replace(bit, name=later[level - bit.level - 1], level=level)

    def chain(
        self,
        carry: Bit | None,
        plain: Sequence[Bit | None],
        summed: Sequence[Sequence[Sequence[Bit]]],
        *,
        time: int,
        outputs: int,
        lut: int,
    ) -> list[Bit]:
        """A carry chain of windows (codegen/chains.py).

        Args:
            carry: Carry in.
            plain: The plain wire of each slot.
            summed: Of each window the bits of its functions, by slot.
            time: Stage that reads them.
            outputs: Bits of the result; one more than slots when the carry out is one.
            lut: What it costs.

        Returns:
            The result, lowest bit first.
        """
        level = self.level(time)
        slots = len(plain)
        a = ["1'b0" if bit is None else self.at(bit, level).text for bit in reversed(plain)]
        b = [self._sum([[self.at(b, level) for b in s] for s in w]) for w in reversed(summed)]
        # a + b + carry as {a, carry} - {~b, 1}: the sides of a sum are exchanged by Yosys as it
        # likes, those of a difference are not, and functions are merged on the right side only.
        a.append("1'b0" if carry is None else self.at(carry, level).text)
        if outputs > slots:
            a, b = (["1'b0", *side] for side in (a, b))
        bits = max(slots, outputs) + 1
        right = _joined(b)
        right = f"{{{right}}}" if right.startswith("~") else right  # slang takes no ~~ in a row
        name = self.line(f"{_joined(a)} - {{~{right}, 1'b1}}", bits, lut=lut)
        wires = [f"{name}[{i + 1}]" for i in range(outputs)]
        return [Bit(wire, time + 1, level) for wire in wires]

    def unread(self, outputs: Iterable[str]) -> list[str]:
        """Wires of which a bit is read by no line and no output (SystemVerilog)."""
        texts = [*(line.text for line in self.lines), *outputs]
        read = {found for text in texts for found in WIRE.findall(text)}
        return [
            line.wire.name
            for line in self.lines
            if not read.issuperset(_bits(line.wire.name, line.wire.type.bits))
        ]

    def _sum(self, columns: Sequence[Sequence[Bit]]) -> str:
        """Sum of bits by weight, one bit a slot (SystemVerilog)."""
        if all(len(column) <= 1 for column in columns):
            return _joined([c[0].text if c else "1'b0" for c in reversed(columns)])
        ones = sum(1 << i for i, c in enumerate(columns) for bit in c if bit.name == ONE.name)
        wires = [[bit for bit in c if bit.name != ONE.name] for c in columns]
        counts = [len(c) for c in wires]
        name = "_".join(["count", "".join(map(str, counts)), *([str(ones)] if ones else [])])
        if name not in self.functions:
            self.functions[name] = function(name, counts, ones)
        texts = [bit.text for column in reversed(wires) for bit in reversed(column)]
        return f"{name}({_joined(texts)})"


def _bits(name: str, bits: int) -> list[str]:
    return [name] if bits == 1 else [f"{name}[{i}]" for i in range(bits)]


def _joined(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else "{" + ", ".join(texts) + "}"


def function(name: str, counts: Sequence[int], ones: int) -> str:
    """A function that sums bits by weight without a ``+``, which would become a carry chain.

    Args:
        name: Its name.
        counts: Bits by weight, in its argument from the lowest bit on.
        ones: A constant that is added.

    Returns:
        SystemVerilog; the result has a bit for each weight.

    >>> print(function("count_30", [3, 0], 0))
        function automatic logic [1:0] count_30(input logic [2:0] a);
            logic c0;
            c0 = a[2] & a[1] | a[0] & (a[2] | a[1]);
            count_30 = {c0, a[2] ^ a[1] ^ a[0]};
        endfunction
    """
    total, bits = sum(counts), len(counts)
    local: list[tuple[str, str]] = []
    columns: list[list[str]] = [[] for _ in counts]
    for place, weight in enumerate(w for w, count in enumerate(counts) for _ in range(count)):
        columns[weight].append(f"a[{place}]" if total > 1 else "a")
    for weight in range(bits):
        columns[weight] += ["1"] * (ones >> weight & 1)
    results = []
    for weight, column in enumerate(columns):
        while len(column) > 1:
            left = len(column) > 3
            parts = sorted((column.pop() for _ in range(min(3, len(column)))), key="1".__eq__)
            low, high = _added(parts)
            if weight + 1 < bits:
                columns[weight + 1].append(_named(high, local, "c"))
            column.insert(0, _named(low, local, "s") if left or column else low)
        results.append(column[0] if column else "1'b0")
    values = ", ".join("1'b1" if value == "1" else value for value in reversed(results))
    shape = f"[{total - 1}:0] a" if total > 1 else "a"
    lines = [
        f"    function automatic logic [{bits - 1}:0] {name}(input logic {shape});",
        *(f"        logic {', '.join(n for n, _ in local)};" for _ in local[:1]),
        *(f"        {n} = {text};" for n, text in local),
        f"        {name} = {{{values}}};",
        "    endfunction",
    ]
    return "\n".join(lines)


def _named(text: str, local: list[tuple[str, str]], letter: str) -> str:
    local.append((f"{letter}{len(local)}", text))
    return local[-1][0]


def _added(parts: Sequence[str]) -> tuple[str, str]:
    """Sum and carry of two or three bits; the last of them may be 1."""
    if len(parts) == 2:
        a, b = parts
        return (f"~{a}", a) if b == "1" else (f"{a} ^ {b}", f"{a} & {b}")
    a, b, c = parts
    if c == "1":
        return f"~({a} ^ {b})", f"{a} | {b}"
    return f"{a} ^ {b} ^ {c}", f"{a} & {b} | {c} & ({a} | {b})"
