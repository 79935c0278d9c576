"""Where HLS pragmas stand: a check of generated C++ that needs no HLS compiler.

Known are those that the library uses. A pragma belongs to the innermost block around it. PIPELINE
and UNROLL stand at the beginning of a loop, INLINE at the beginning of a function,
DATAFLOW and INTERFACE at that of the top function. Arrays are declared before, in a block or in the
parameters of the function around it, with as many dimensions as are named; STREAM stands directly
behind its stream.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import takewhile

LOOP = ("PIPELINE", "UNROLL")
TOP = ("DATAFLOW", "INTERFACE")
ARRAY = ("ARRAY_PARTITION", "ARRAY_RESHAPE")
OPTIONS = {
    "PIPELINE": {"II=1"},
    "UNROLL": set[str](),
    "DATAFLOW": set[str](),
    "INTERFACE": {"axis", "port", "ap_ctrl_none"},
    "INLINE": {"off"},
    "STREAM": {"variable", "depth"},
    "ARRAY_PARTITION": {"variable", "complete", "dim"},
    "ARRAY_RESHAPE": {"variable", "complete", "dim"},
}

_PRAGMA = re.compile(r"^#pragma HLS (\w+) ?(.*)$")


@dataclass
class _Block:
    """What stands before its brace, and the text in it so far; whether there are statements."""

    head: str
    text: str = ""
    begun: bool = False
    seen: list[str] = field(default_factory=list)

    @property
    def loop(self) -> bool:
        return re.match(r"(for|while) \(", self.head) is not None

    @property
    def function(self) -> bool:
        words = re.match(r"(for|while|if|else|namespace|struct|enum|switch)\b", self.head)
        return words is None and "(" in self.head


def problems(text: str, top: str) -> list[str]:
    """What is wrong with the pragmas of a C++ file, with line numbers.

    Args:
        text: The file.
        top: Name of the top function.
    """
    found: list[str] = []
    blocks, head = [_Block("")], ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r'"[^"]*"', '""', raw.split("//")[0]).strip()
        pragma = _PRAGMA.match(line)
        if pragma:
            found += [f"line {number}: {p}" for p in _problems(pragma[1], pragma[2], blocks, top)]
            blocks[-1].seen.append(pragma[1])
        elif line.startswith("#") or not line:
            continue
        else:
            head = _read(line, blocks, head)
    if len(blocks) != 1:
        found.append("braces do not match")
    return found


def _read(line: str, blocks: list[_Block], head: str) -> str:
    """A line of code: blocks open and close; what stands before the next brace."""
    for part in re.split(r"([{};])", line):
        if part == "{":
            blocks[-1].begun = True
            blocks.append(_Block(head.strip()))
            head = ""
        elif part == "}":
            inner = blocks.pop()
            blocks[-1].text += inner.text if not (inner.loop or inner.function) else ""
            head = ""
        elif part == ";" and head.count("(") == head.count(")"):
            blocks[-1].begun = True
            blocks[-1].text += head + ";\n"
            head = ""
        elif part:
            head += part + " "
    return head


def _problems(name: str, options: str, blocks: list[_Block], top: str) -> list[str]:
    known = OPTIONS.get(name)
    if known is None:
        return [f"{name} is not known"]
    given = dict(part.partition("=")[::2] for part in options.split())
    strange = [o for o in options.split() if o not in known and o.partition("=")[0] not in known]
    found = [f"{name} has no option {option}" for option in strange]
    block = blocks[-1]
    if name in LOOP and not (block.loop and not block.begun):
        found.append(f"{name} is not at the beginning of a loop")
    if name == "INLINE" and not (block.function and not block.begun):
        found.append("INLINE is not at the beginning of a function")
    if name in TOP and not (block.function and re.search(rf"\b{top}\s*\(", block.head)):
        found.append(f"{name} is not in the top function")
    if name == "DATAFLOW" and block.begun:
        found.append("DATAFLOW is not at the beginning of the top function")
    port = given.get("port", "return")
    if port != "return" and not re.search(rf"\b{port}\b", block.head):
        found.append(f"the top function has no {port}")
    if name == "STREAM":
        if not block.text.rstrip().split("\n")[-1].startswith("hls::stream<"):
            found.append("STREAM is not behind its stream")
        if not re.search(rf"\b{given['variable']}\(", block.text):
            found.append(f"there is no stream {given['variable']}")
    if name in ARRAY:
        found += _array(given["variable"], int(given.get("dim", 1)), blocks)
    return found


def _array(variable: str, dim: int, blocks: list[_Block]) -> list[str]:
    """Whether an array of so many dimensions is declared before, in the function."""
    around = list(reversed(blocks))
    inside = list(takewhile(lambda block: not block.function, around))
    for block in [*inside, *around[len(inside) : len(inside) + 1]]:
        for text in (block.text, block.head):
            match = re.search(rf"(?:[ ,]|\(&){variable}\)?((?:\[[^;,]*?\])+)[;,)=]", text)
            match = match or re.search(rf"(?:[ ,]|\(&){variable}\)?((?:\[[^;]*?\])+)", text)
            if match:
                dims = len(re.findall(r"\]", match[1]))
                return [] if dim <= dims else [f"{variable} has no dimension {dim}"]
    return [f"there is no array {variable}"]
