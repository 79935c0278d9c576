"""Two versions of a module side by side, in every environment that the protocol allows.

Each stream into the module gets any beats: a beat that is offered stays until it is taken, its
codes are those of values, and what lies on tdata meanwhile is anything. Other inputs are anything,
every cycle. Reset comes when it likes, as often as it likes. Registers begin with 0 in both, and
nothing is compared before the first reset, so that everything a reset has to clear can be there
before. Compared are: tvalid and tready always, tdata and tlast while tvalid is high, every other
output always. A miter whose output ``bad`` is never high shows that no bench can tell the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gatesmith.ir import IntType

NAME = "gs_miter"
PARTS = ("tvalid", "tdata", "tlast")


@dataclass(frozen=True, slots=True)
class Codes:
    """Elements on a stream, for their limits: code ranges of ``lanes`` elements."""

    elem: IntType
    lanes: int

    @staticmethod
    def of(entry: Mapping[str, Any]) -> Codes:
        """A source or an input of build.json."""
        return Codes(IntType(**entry["elem"]), int(entry["lanes"]))

    @property
    def limited(self) -> bool:
        """Whether some codes stand for no value."""
        return self.elem.count != 1 << self.elem.bits


@dataclass(frozen=True, slots=True)
class Instance:
    """How a design instantiates a module.

    Attributes:
        parameters: Values of those that an instance sets, as SystemVerilog writes them.
        inputs: Bits of each input, by name.
        outputs: Bits of each output.
    """

    parameters: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]

    @property
    def clock(self) -> str:
        """Its clock, or empty."""
        return next((p for p, _ in self.inputs if p in ("clk", "aclk")), "")

    @property
    def reset(self) -> str:
        """Its reset, or empty."""
        return next((p for p, _ in self.inputs if p in ("rst", "aresetn")), "")


def miter(module: str, instance: Instance, codes: Mapping[str, Codes]) -> str:
    """Text of module ``gs_miter`` around ``MODULE__gold`` and ``MODULE__gate``.

    Args:
        module: The module.
        instance: One of its instances.
        codes: Of the source streams, by prefix, where they are known.
    """
    streams = {p.removesuffix("_tvalid") for p, _ in instance.inputs if p.endswith("_tvalid")}
    clock = instance.clock or "gs_clk"
    held = {f"{s}_{part}" for s in streams for part in PARTS}
    free = [(p, bits) for p, bits in instance.inputs if p != instance.clock]
    names = {p: f"any_{p}" if p in held or p == instance.reset else p for p, _ in free}
    pins = [f"input wire {clock}", *(f"input wire [{n - 1}:0] {names[p]}" for p, n in free)]
    lines = [f"module {NAME} ({', '.join(pins)}, output wire bad);"]
    for port, bits in instance.outputs:
        lines.append(f"    wire [{bits - 1}:0] {port}__gold, {port}__gate;")
    lines += _reset(instance, clock)
    for stream in sorted(streams):
        lines += _source(stream, dict(instance.inputs), clock, codes.get(stream), instance.reset)
    sets = ", ".join(f".{name}({value})" for name, value in instance.parameters)
    for side in ("gold", "gate"):
        given = [f".{p}({p})" for p, _ in instance.inputs]
        given += [f".{p}({p}__{side})" for p, _ in instance.outputs]
        inner = f"{module}__{side} {f'#({sets}) ' if sets else ''}u_{side}"
        lines.append(f"    {inner} ({', '.join(given)});")
    different = " || ".join(_different(instance)) or "1'b0"
    return "\n".join([*lines, f"    assign bad = seen && ({different});", "endmodule", ""])


def _source(
    stream: str, inputs: Mapping[str, int], clock: str, codes: Codes | None, reset: str
) -> Iterator[str]:
    """Beats that stay until they are taken."""
    parts = [part for part in PARTS[1:] if f"{stream}_{part}" in inputs]
    yield f"    reg {stream}_tvalid = 0;"
    for part in parts:
        yield f"    reg [{inputs[f'{stream}_{part}'] - 1}:0] {stream}_{part} = 0;"
    yield f"    always @(posedge {clock}) begin"
    yield f"        if (!{stream}_tvalid || {stream}_tready__gold) begin"
    for part in ("tvalid", *parts):
        yield f"            {stream}_{part} <= any_{stream}_{part};"
    if codes is not None and codes.limited:
        yield from _limits(f"{stream}_tdata", codes)
    yield "        end"
    if reset:
        yield f"        if (in_reset) {stream}_tvalid <= 0;"
    yield "    end"


def _limits(data: str, codes: Codes) -> Iterator[str]:
    elem = codes.elem
    low, high = elem.code.lo, elem.code.hi
    for lane in range(codes.lanes):
        place = f"[{lane * elem.bits} +: {elem.bits}]"
        bits = f"any_{data}{place}"
        value = f"$signed({bits})" if elem.signed else f"$signed({{1'b0, {bits}}})"
        yield f"            if ({value} < {low} || {value} > {high}) {data}{place} <= {low};"


def _reset(instance: Instance, clock: str) -> Iterator[str]:
    """A reset of two cycles or more, and from when on both are compared: behind the first."""
    if not instance.reset:
        yield "    wire seen = 1'b1;"
        return
    wanted = f"any_{instance.reset}"
    yield "    reg [1:0] reset_q = 0;"
    yield "    reg seen = 0;"
    yield f"    wire in_reset = {wanted} || reset_q == 2'b01;"
    yield f"    always @(posedge {clock}) begin"
    yield "        reset_q <= {reset_q[0], in_reset};"
    yield "        if (reset_q == 2'b11) seen <= 1;"
    yield "    end"
    low = instance.reset == "aresetn"
    yield f"    wire {instance.reset} = {'!' if low else ''}in_reset;"


def _different(instance: Instance) -> Iterator[str]:
    outputs = [port for port, _ in instance.outputs]
    for port in outputs:
        stream, _, part = port.rpartition("_")
        differs = f"{port}__gold != {port}__gate"
        if part in PARTS[1:] and f"{stream}_tvalid" in outputs:
            yield f"({stream}_tvalid__gold && {differs})"
        else:
            yield f"({differs})"
