"""A module without its memories: what they would give comes from outside, the same for both.

A memory does the same in both as long as both read the same places and write the same words at the
same time. So its reads become inputs, and its addresses and writes outputs that are compared like
all others. Who cannot tell the two then cannot with the memories either. A solver has a thousand
bits less to think about; what it finds to be different may be equal, though.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatesmith.rtl_tests.mutation.free_word import PORT

WIDE = 1024
"""Bits of the inputs; wider words are not taken."""

DECLARED = re.compile(r"(?m)^\s*logic\s*\[([^\]]*)\]\s+(\w+)\s*\[0:[^\]]*\];")


@dataclass(frozen=True, slots=True)
class Freed:
    """A module's text.

    Attributes:
        text: With more ports.
        inputs: These inputs with their bits.
        outputs: These outputs.
    """

    text: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


def free_memories(text: str) -> Freed | None:
    """The module without memories; None where it has none, or one that is used in another way."""
    inputs: list[tuple[str, int]] = []
    outputs: list[tuple[str, int]] = []
    ends = ""
    for number, (size, memory) in enumerate(DECLARED.findall(text)):
        reads = re.findall(rf"\b{memory}\[([^\[\]]*)\](?!\s*<=)", text)
        written = re.findall(rf"\b{memory}\[[^\[\]]*\]\s*<=", text)
        writes = re.findall(rf"if \((\w+)\) {memory}\[([^\[\]]*)\] <= ([^;]+);", text)
        if len(reads) != 1 or len(written) != len(writes) or len(writes) > 1:
            return None
        word, at = f"gs_word{number}", f"gs_at{number}"
        inputs.append((word, WIDE))
        outputs.append((at, 32))
        ends += f"    assign {at} = 32'({reads[0]});\n"
        text = text.replace(f"{memory}[{reads[0]}]", f"{word}[{size}]")
        for enable, place, data in writes:
            put, given = f"gs_put{number}", f"gs_data{number}"
            outputs += [(put, 33), (given, WIDE)]
            ends += f"    assign {put} = {enable} ? {{1'b1, 32'({place})}} : 33'd0;\n"
            ends += f"    assign {given} = {enable} ? {WIDE}'({data}) : {WIDE}'d0;\n"
    port = PORT.search(text)
    if not inputs or port is None:
        return None
    ports = "".join(f"\n    input wire logic [{n - 1}:0] {name}," for name, n in inputs)
    ports += "".join(f"\n    output wire logic [{n - 1}:0] {name}," for name, n in outputs)
    end = text.rindex("endmodule")
    text = text[: port.start()] + ports + text[port.start() : end] + ends + text[end:]
    return Freed(text, tuple(inputs), tuple(outputs))
