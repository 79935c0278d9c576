"""Break generated RTL on purpose: the bench must notice each of these (docs: a bench that cannot
fail proves nothing).

Each function changes a file of a build folder in place and returns what it did, for messages.
"""

from __future__ import annotations

import re
from pathlib import Path


def flip_bit(memory: Path, word: int, bit: int) -> str:
    """Invert one bit of one word of a $readmemh file: a weight, a threshold."""
    lines = memory.read_text("ascii").splitlines()
    places = [i for i, line in enumerate(lines) if line.strip() and not line.startswith("//")]
    at = places[word]
    width = len(lines[at].strip())
    assert 0 <= bit < 4 * width, f"a word of {memory.name} has {4 * width} bits, there is no {bit}"
    lines[at] = f"{int(lines[at], 16) ^ (1 << bit):0{width}x}"
    memory.write_text("\n".join(lines) + "\n", "ascii")
    return f"bit {bit} of word {word} of {memory.name}"


def drop_beat(top: Path, stage: str, number: int) -> str:
    """Lose one beat on its way out of a stage: taken from it, never shown to the next.

    Args:
        top: File of the top module, where ``<stage>_tdata``, ``_tvalid`` and ``_tready`` run from
            one instance to the next.
        stage: Whose output.
        number: Which beat, counted from reset.
    """
    text = top.read_text("utf-8")
    lost = f"gs_lose_{stage}"
    text = _once(
        rf"(\.s_axis_tvalid\s*\(\s*){stage}_tvalid(\s*\))", rf"\1{stage}_tvalid && !{lost}\2", text
    )
    text = _once(
        rf"(\.m_axis_tready\s*\(\s*){stage}_tready(\s*\))", rf"\1{stage}_tready || {lost}\2", text
    )
    counter = (
        f"\n    reg [31:0] {lost}_q;\n"
        f"    wire {lost} = {lost}_q == 32'd{number} && {stage}_tvalid;\n"
        f"    always @(posedge aclk) begin\n"
        f"        if ({stage}_tvalid && ({stage}_tready || {lost})) {lost}_q <= {lost}_q + 32'd1;\n"
        f"        if (!aresetn) {lost}_q <= 32'd0;\n"
        f"    end\n"
    )
    declared = re.search(rf"^.*\b{stage}_tready\s*;", text, re.MULTILINE)
    assert declared, f"{top.name} declares no {stage}_tready"
    text = text[: declared.end()] + counter + text[declared.end() :]
    top.write_text(text, "utf-8")
    return f"beat {number} of {stage} in {top.name}"


def substitute(source: Path, old: str, new: str) -> str:
    """Replace one piece of text, which must be there exactly once."""
    text = source.read_text("utf-8")
    assert text.count(old) == 1, f"{source.name} has {text.count(old)} times {old!r}, not once"
    source.write_text(text.replace(old, new), "utf-8")
    return f"{old!r} to {new!r} in {source.name}"


def _once(pattern: str, replacement: str, text: str) -> str:
    text, count = re.subn(pattern, replacement, text)
    assert count == 1, f"{pattern} is there {count} times, not once"
    return text
