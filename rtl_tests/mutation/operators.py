"""What an operator, a number, a condition becomes (Jia and Harman, TSE 2011, section II).

Every alternative has the width and the sign of what it stands for, so that a choice between the two
leaves the expression around it as it was.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

BINARY: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "AddExpression": ("arithmetic", ("-",)),
    "SubtractExpression": ("arithmetic", ("+",)),
    "MultiplyExpression": ("arithmetic", ("+",)),
    "DivideExpression": ("arithmetic", ("*",)),
    "BinaryAndExpression": ("bitwise", ("|",)),
    "BinaryOrExpression": ("bitwise", ("&",)),
    "BinaryXorExpression": ("bitwise", ("|",)),
    "BinaryXnorExpression": ("bitwise", ("^",)),
    "LogicalAndExpression": ("logic", ("||",)),
    "LogicalOrExpression": ("logic", ("&&",)),
    "EqualityExpression": ("relation", ("!=",)),
    "InequalityExpression": ("relation", ("==",)),
    "LessThanExpression": ("relation", ("<=", ">=")),
    "LessThanEqualExpression": ("relation", ("<", ">")),
    "GreaterThanExpression": ("relation", (">=", "<=")),
    "GreaterThanEqualExpression": ("relation", (">", "<")),
    "LogicalShiftLeftExpression": ("shift", (">>",)),
    "LogicalShiftRightExpression": ("shift", ("<<",)),
    "ArithmeticShiftRightExpression": ("shift", (">>",)),
}
LOGICAL = ("LogicalAndExpression", "LogicalOrExpression")
REDUCTIONS: Mapping[str, str] = {
    "UnaryBitwiseAndExpression": "|",
    "UnaryBitwiseOrExpression": "&",
    "UnaryBitwiseXorExpression": "|",
}
SIZED = re.compile(r"(\d+)'(s?)([bdhBDH])([0-9a-fA-F_]+)")
BASES = {"b": 2, "d": 10, "h": 16}
Words = Callable[[Any], str]


def alternatives(node: Any, name: str, words: Words) -> Iterator[tuple[str, str]]:
    """Kind and text of each.

    Args:
        node: Of the syntax tree.
        name: Its kind.
        words: Text of a node.
    """
    if name in BINARY:
        yield from _binary(node, name, words)
    elif name in REDUCTIONS:
        yield "bitwise", f"{REDUCTIONS[name]}({words(node.operand)})"
    else:
        match name:
            case "UnaryLogicalNotExpression":
                yield "logic", f"!(!({words(node.operand)}))"
            case "UnaryBitwiseNotExpression":
                yield "bitwise", f"({words(node.operand)})"
            case "UnaryMinusExpression":
                yield "arithmetic", f"({words(node.operand)})"
            case "ConditionalExpression":
                parts = (words(part) for part in (node.predicate, node.right, node.left))
                yield "condition", "({}) ? ({}) : ({})".format(*parts)
            case "ConcatenationExpression":
                yield from _swapped(node, words)
            case "IntegerLiteralExpression" | "UnbasedUnsizedLiteralExpression":
                yield from (("constant", after) for after in near(words(node)))
            case "IntegerVectorExpression":
                yield from (("constant", after) for after in _sized(words(node)))
            case _:
                pass


def near(text: str) -> list[str]:
    """One more and one less, of a number or of an expression."""
    if text in ("'0", "'1"):
        return ["'1" if text == "'0" else "'0"]
    if text.isdigit():
        value = int(text)
        return [str(value + 1), *([str(value - 1)] if value else [])]
    if SIZED.fullmatch(text):
        return _sized(text)
    return [f"({text}) + 1", f"({text}) - 1"]


def _binary(node: Any, name: str, words: Words) -> Iterator[tuple[str, str]]:
    kind, others = BINARY[name]
    left, right = words(node.left), words(node.right)
    for other in others:
        yield kind, f"({left}) {other} ({right})"
    if name in LOGICAL:
        yield "logic", f"!(!({left}))"
        yield "logic", f"!(!({right}))"
    if name == "SubtractExpression":
        yield "swap", f"({right}) - ({left})"


def _swapped(node: Any, words: Words) -> Iterator[tuple[str, str]]:
    parts = [words(part) for part in node.expressions if type(part).__name__ != "Token"]
    if len(parts) > 1:
        yield "swap", "{" + ", ".join([parts[1], parts[0], *parts[2:]]) + "}"


def _sized(text: str) -> list[str]:
    """Of a number with a width: its neighbours, and one bit that the text decides."""
    found = SIZED.fullmatch(text)
    if found is None:
        return []
    size, base = int(found[1]), found[3].lower()
    value = int(found[4].replace("_", ""), BASES[base])
    wrap = 1 << size
    values = [
        (value + 1) % wrap,
        (value - 1) % wrap,
        value ^ (1 << zlib.crc32(text.encode()) % size),
    ]
    return [
        f"{size}'{found[2]}{base}{other:{'x' if base == 'h' else base}}"
        for other in dict.fromkeys(values)
    ]
