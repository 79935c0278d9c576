"""The top level: AXI4-Stream in, the stages in a row, AXI4-Stream out.

Knows streams and nothing of what the stages do. Every stream between two stages is a signal named
after the stage that drives it (``<stage>_tdata``, ``_tvalid``, ``_tready``), for a bench to tap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatesmith.codegen import parts
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream

RESERVED = ("in", "s_axis", "m_axis")
"""Streams of the top level itself: no stage may have these names."""


def byte_bits(bits: int) -> int:
    """Width of an AXI4-Stream TDATA for a payload of ``bits``: whole bytes.

    >>> byte_bits(1), byte_bits(8), byte_bits(20)
    (8, 8, 24)
    """
    return 8 * parts.ceil_div(bits, 8)


@dataclass(frozen=True, slots=True)
class Top:
    """What templates/sv/top.sv.j2 is given, under the name ``hw``.

    Attributes:
        name: Name of the module.
        stages: In the order of the data; each sink is the source of the next.
        source_text: What the design was made from, for the header.
    """

    name: str
    stages: tuple[Stage, ...]
    source_text: str

    def __post_init__(self) -> None:
        taken = Counter([stage.name for stage in self.stages] + list(RESERVED))
        double = sorted(name for name, times in taken.items() if times > 1)
        if double:
            raise ValueError(
                f"stage names must be unique and none of {RESERVED}: {', '.join(double)}"
            )
        for driver, reader in zip(self.stages, self.stages[1:], strict=False):
            a, b = driver.sink, reader.source
            if (a.elem, a.lanes, a.beats) != (b.elem, b.lanes, b.beats):
                raise ValueError(f"{driver.name} drives {a}, but {reader.name} reads {b}")

    @property
    def head(self) -> Stream:
        """Input stream."""
        return self.stages[0].source

    @property
    def tail(self) -> Stream:
        """Output stream."""
        return self.stages[-1].sink

    @property
    def last_name(self) -> str:
        """Stage that drives the output."""
        return self.stages[-1].name

    @property
    def interval(self) -> int:
        """Cycles a frame: that of the slowest stage."""
        return max(stage.interval for stage in self.stages)

    @property
    def s_bits(self) -> int:
        """Bits of s_axis_tdata."""
        return byte_bits(self.head.width)

    @property
    def m_bits(self) -> int:
        """Bits of m_axis_tdata."""
        return byte_bits(self.tail.width)

    @property
    def m_data(self) -> str:
        """Output data, filled up with zeros (SystemVerilog)."""
        if self.m_bits == self.tail.width:
            return f"{self.last_name}_tdata"
        return f"{{{self.m_bits - self.tail.width}'d0, {self.last_name}_tdata}}"

    @property
    def pad(self) -> str:
        """Room of the widest range, so that the ports stand in columns."""
        return " " * len(self.widest)

    @property
    def widest(self) -> str:
        """The wider of the two ranges."""
        return f"[{max(self.s_bits, self.m_bits) - 1}:0]"

    def range(self, bits: int) -> str:
        """Range of a vector of ``bits``, as wide as the widest."""
        return f"[{bits - 1}:0]".ljust(len(self.widest))

    def counter_bits(self, count: int) -> int:
        """Bits of a counter of 0..count - 1."""
        return parts.counter_bits(count)

    def feeder(self, index: int) -> str:
        """Name of the stream that feeds a stage."""
        return self.stages[index - 1].name if index else "in"

    def remark(self, origin: Sequence[str]) -> str:
        """ONNX names for a comment."""
        return parts.remark(origin)

    def parameters(self, stage: Stage) -> str:
        """Parameter assignment of an instance, with the blank behind it (SystemVerilog)."""
        given = ", ".join(f".{name}({value})" for name, value in stage.parameters.items())
        return f"#({given}) " if given else ""


def render_top(name: str, stages: Sequence[Stage], source: str = "") -> str:
    """Text of the top module.

    Args:
        name: Name of the module.
        stages: In the order of the data; each sink is the source of the next.
        source: What the design was made from (ONNX file and its hash), one line of the header.

    Raises:
        ValueError: Two stages do not fit together, or a name is there twice.
    """
    text = parts.remark([source]) if source else "a streaming network"
    return render("sv/top.sv.j2", hw=Top(name, tuple(stages), text))


def files(stages: Sequence[Stage]) -> Mapping[str, str]:
    """Every file below rtl/ that the stages need, by name; shared ones once."""
    merged: dict[str, str] = {}
    for stage in stages:
        for name, text in stage.files().items():
            if merged.setdefault(name, text) != text:
                raise ValueError(f"two different files are named {name}: module names must differ")
    return merged
