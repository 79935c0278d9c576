"""What a mutant is: one change of one file of rtl/."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KINDS: Mapping[str, str] = {
    "arithmetic": "+, -, * become another",
    "bitwise": "&, |, ^, ~ and reductions become another, or are left out",
    "condition": "a condition is always true, never, the opposite; branches are swapped",
    "connection": "a handshake input of an instance is tied high or low",
    "constant": "a number is one more or less, or has another bit",
    "generate": "a bound or a condition at elaboration",
    "handshake": "a change to a condition of valid, ready, or of what moves a pipeline",
    "logic": "&& and || become the other, an operand or a ! is left out",
    "memory": "a bit of a memory image, or two words that change places",
    "parameter": "a parameter or a localparam is one more or less",
    "relation": "a comparison with the limit in or out, or the opposite",
    "reset": "a change to what a reset reaches",
    "shift": "a shift in the other direction, or without the sign",
    "sign": "signed numbers become unsigned, or the reverse",
    "statement": "an assignment is left out",
    "stuck": "what drives a net is 0, or 1",
    "swap": "operands change places",
    "width": "a register, a net or a cast is one bit narrower",
}
"""Kinds of mutants, in words."""

RUN, COPY, INSTANCE, IMAGE = "run", "copy", "instance", "image"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change.

    Attributes:
        file: In rtl/.
        module: Module that is changed; the file's name for a memory image.
        line: In the file, counted from 1.
        kind: Key of KINDS.
        start: First byte of what is replaced; of an image the first character.
        end: One behind the last.
        before: What was there.
        after: What is there instead.
        how: How it gets into one model with the others: ``run``, an expression or a statement, by a
            choice where it stands; ``copy``, of what is decided at elaboration, by a copy of the
            module; ``instance``, by a second instance beside it; ``image``, by another file.
        at: Of an instance: its module and the parameter; else empty.
    """

    file: str
    module: str
    line: int
    kind: str
    start: int
    end: int
    before: str
    after: str
    how: str
    at: tuple[str, str] | tuple[()] = ()

    @property
    def key(self) -> str:
        """A short name, the same whenever the RTL is the same."""
        text = f"{self.file}:{self.start}:{self.end}:{self.after}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def applied(self, text: str) -> str:
        """The whole file with this change."""
        assert text[self.start : self.end] == self.before, f"{self.file} is another text"
        return f"{text[: self.start]}{self.after}{text[self.end :]}"

    def as_json(self) -> dict[str, Any]:
        """What is told about it."""
        found = asdict(self)
        del found["start"], found["end"], found["at"], found["how"]
        return {"key": self.key, **found}


def ascii_of(data: bytes) -> str:
    """A file with one character a byte; names in comments may not be ASCII."""
    return data.decode("ascii", "replace") if data.isascii() else data.decode("latin-1")
