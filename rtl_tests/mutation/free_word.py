"""A word of a memory image that reads like the original one: another code of the same number.

A ROM with its address counter hides from a solver what is plain: that two bits for a weight of 0
are as good as two others. So the reading module is compared with itself where what it reads is any
word at all, in every cycle, the same in both. In the one, wherever the word in question is used,
the changed one may be used in its place, or not, as it comes, in every cycle anew. Who cannot tell
the two then cannot tell the images either; and all registers hold the same in both, so that it is
a question of logic alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatesmith.rtl_tests.mutation.mutant import IMAGE, Mutant

PORT = re.compile(r"(?m)^\s+input\s+wire logic")
PICK, WORD, USED = "gs_pick", "gs_word", "gs_used"


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
    memory = re.findall(rf'\$readmemh\("{re.escape(mutant.file)}", (\w+)\)', text)
    reads = re.findall(rf"\b{memory[0]}\[[^\[\]]*\]", text) if len(memory) == 1 else []
    if len(reads) != 1 or PORT.search(text) is None:
        return None
    bits = 4 * len(mutant.before)
    last = _last_register(text, reads[0])
    gold = text.replace(reads[0], WORD)
    changed = "({0} && {1} == {2}'h{3} ? {2}'h{4} : {1})"
    used = changed.format(PICK, last or WORD, bits, mutant.before, mutant.after)
    gate = text.replace(reads[0], used) if last is None else _used_elsewhere(gold, last, used)
    if gate is None:
        return None
    made = {
        f"{side}_{file}": sided(_with_ports(version, bits), side, [module]).replace(
            f'"{side}_', '"'
        )
        for side, version in (("gold", gold), ("gate", gate))
    }
    return FreeWord(made, ((PICK, 1), (WORD, bits)))


def _last_register(text: str, read: str) -> str | None:
    """The last of the registers that the whole word goes through; None without any."""
    found: list[str] = []
    while len(names := re.findall(rf"\b(\w+)\s*<=\s*{re.escape(read)}\s*;", text)) == 1:
        if names[0] in found:
            break
        found += names
        read = names[0]
    return found[-1] if found else None


def _used_elsewhere(text: str, register: str, used: str) -> str | None:
    """The text with something else wherever the register is read."""
    declared = re.search(
        rf"(?m)^.*\blogic(\s+signed)?\s*(\[[^\]]*\])[^;]*\b{register}\b[^;]*;", text
    )
    if declared is None:
        return None
    head, rest = text[: declared.end()], text[declared.end() :]
    rest = re.sub(rf"\b{register}\b(?!\s*<=)", USED, rest)
    sign, size = declared[1] or "", declared[2]
    return f"{head}\n    wire logic{sign} {size} {USED};\n    assign {USED} = {used};\n{rest}"


def _with_ports(text: str, bits: int) -> str:
    port = PORT.search(text)
    assert port is not None
    ports = f"\n    input wire logic {PICK},\n    input wire logic [{bits - 1}:0] {WORD},"
    return text[: port.start()] + ports + text[port.start() :]


def sided(text: str, side: str, names: Sequence[str]) -> str:
    """A file in which these modules, and the images, have names of their own."""
    modules = "|".join(map(re.escape, names))
    text = re.sub(rf"(?m)^(module )({modules})\b", rf"\1\2__{side}", text)
    text = re.sub(rf"(?m)^(\s+)({modules})(?=\s+(#\(|\w+ \())", rf"\1\2__{side}", text)
    return re.sub(r'\$readmemh\("', f'$readmemh("{side}_', text)
