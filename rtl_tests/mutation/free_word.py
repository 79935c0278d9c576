"""A word of a memory image that reads like the original one: another code of the same number.

A ROM with its address counter hides from a solver what is plain: that two bits for a weight of 0
are as good as two others. So the reading module is compared with itself where what it reads is, in
every cycle, any word at all, the same in both, or the word in question: the original one in the
one, the changed one in the other. Who cannot tell the two then cannot with any content either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatesmith.rtl_tests.mutation.mutant import IMAGE, Mutant

PORT = re.compile(r"(?m)^\s+input\s+wire logic")
PICK, WORD = "gs_pick", "gs_word"


@dataclass(frozen=True, slots=True)
class FreeWord:
    """Two versions of a module.

    Attributes:
        files: Their texts.
        inputs: Inputs that they have besides, with their bits.
    """

    files: Mapping[str, str]
    inputs: tuple[tuple[str, int], ...]


def free_word(texts: Mapping[str, str], mutant: Mutant, module: str) -> FreeWord | None:
    """The versions for a changed word; None where it is not one word, read in one place."""
    if mutant.how != IMAGE or not re.fullmatch(r"[0-9a-fA-F]+", mutant.before):
        return None
    ((file, text),) = [(f, t) for f, t in texts.items() if f'"{mutant.file}"' in t]
    bits = 4 * len(mutant.before)
    made = {}
    for side, word in (("gold", mutant.before), ("gate", mutant.after)):
        found = _freed(text, mutant.file, f"({PICK} ? {bits}'h{word} : {WORD})", bits)
        if found is None:
            return None
        made[f"{side}_{file}"] = sided(found, side, [module]).replace(f'"{side}_', '"')
    return FreeWord(made, ((PICK, 1), (WORD, bits)))


def _freed(text: str, image: str, word: str, bits: int) -> str | None:
    """The text with this word in the place of what it reads from the image."""
    memory = re.findall(rf'\$readmemh\("{re.escape(image)}", (\w+)\)', text)
    if len(memory) != 1:
        return None
    reads = re.findall(rf"\b{memory[0]}\[[^\[\]]*\]", text)
    port = PORT.search(text)
    if len(reads) != 1 or port is None:
        return None
    ports = f"\n    input wire logic {PICK},\n    input wire logic [{bits - 1}:0] {WORD},"
    at = port.start()
    return (text[:at] + ports + text[at:]).replace(reads[0], word)


def sided(text: str, side: str, names: Sequence[str]) -> str:
    """A file in which these modules, and the images, have names of their own."""
    modules = "|".join(map(re.escape, names))
    text = re.sub(rf"(?m)^(module )({modules})\b", rf"\1\2__{side}", text)
    text = re.sub(rf"(?m)^(\s+)({modules})(?=\s+(#\(|\w+ \())", rf"\1\2__{side}", text)
    return re.sub(r'\$readmemh\("', f'$readmemh("{side}_', text)
