"""SystemVerilog text of nested counters, and of what depends on which of them turns.

A nest is given innermost loop first. ``<name>_q`` counts the turns of a loop, ``<name>_last``
says that it is at its last; a loop of one turn has neither, and reads as being at its last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gatesmith.codegen.parts import counter_bits


def last(name: str, count: int) -> str:
    """Whether a loop is at its last turn."""
    return f"{name}_last" if count > 1 else "1'b1"


def all_last(loops: Mapping[str, int]) -> str:
    """Whether all of these loops are."""
    return " && ".join(last(name, n) for name, n in loops.items() if n > 1) or "1'b1"


def within(name: str, count: int, span: range) -> str:
    """Whether a loop's count is in a range.

    >>> within("row", 4, range(1, 4)), within("row", 4, range(0, 4)), within("row", 1, range(0))
    ("row_q >= 2'd1", "1'b1", "1'b0")
    """
    lo, hi = max(span.start, 0), min(span.stop, count)
    if lo >= hi:
        return "1'b0"
    bits = counter_bits(count)
    terms = [f"{name}_q >= {bits}'d{lo}"] if lo > 0 else []
    terms += [f"{name}_q < {bits}'d{hi}"] if hi < count else []
    return " && ".join(terms) or "1'b1"


def declare(loops: Mapping[str, int]) -> str:
    """Counters and their ends, as lines of a module."""
    lines = []
    for name, count in loops.items():
        if count > 1:
            bits = counter_bits(count)
            lines += [f"    logic [{bits - 1}:0] {name}_q;", f"    logic {name}_last;"]
    for name, count in loops.items():
        if count > 1:
            value = f"{counter_bits(count)}'d{count - 1}"
            lines.append(f"    assign {name}_last = {name}_q == {value};")
    return "\n".join(lines)


def step(loops: Mapping[str, int]) -> str:
    """One turn of the nest, as lines inside an ``if`` of an ``always_ff``."""
    lines, inner = [], ""
    for name, count in loops.items():
        if count > 1:
            turn = f"{name}_q <= {name}_last ? '0 : {name}_q + 1'b1;"
            lines.append(f"            {f'if ({inner}) ' if inner else ''}{turn}")
            inner = f"{inner} && {name}_last" if inner else f"{name}_last"
    return "\n".join(lines)


def start(loops: Mapping[str, int], counts: Sequence[int]) -> str:
    """Counts after reset, as lines inside an ``if`` of an ``always_ff``."""
    pairs = zip(loops.items(), counts, strict=True)
    return "\n".join(
        f"            {name}_q <= {counter_bits(count)}'d{at};"
        for (name, count), at in pairs
        if count > 1
    )


def choose(loops: Mapping[str, int], values: Mapping[str, Sequence[str]]) -> str:
    """Signals that take the value of the loop that turns next, as lines of a module.

    Args:
        loops: The nest.
        values: For each signal its value by loop, innermost first, and where all are at their
            last.
    """
    turning = [(k, name) for k, (name, count) in enumerate(loops.items()) if count > 1]
    if not turning:
        return "\n".join(f"    assign {signal} = {row[-1]};" for signal, row in values.items())
    lines, head = ["    always_comb begin"], "        if"
    for k, name in turning:
        lines.append(f"{head} (!{name}_last) begin")
        lines += [f"            {signal} = {row[k]};" for signal, row in values.items()]
        head = "        end else if"
    lines.append("        end else begin")
    lines += [f"            {signal} = {row[-1]};" for signal, row in values.items()]
    return "\n".join([*lines, "        end", "    end"])
