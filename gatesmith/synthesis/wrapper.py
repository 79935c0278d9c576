"""A module of six pins around a core with any number of them, so that pins do not limit the clock.

Inputs of the core come from a shift register, outputs are taken by another one: every path in or
out of the core begins or ends at a flip-flop. For devices whose nextpnr has no --out-of-context.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

NAME = "gs_registers_around"
CORE = "core"
"""Name of the core's instance."""
CLOCK, RESET = "aclk", "aresetn"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the core: ``input`` or ``output``, and its bits."""

    direction: str
    bits: int


def wrapper(core: str, ports: Mapping[str, Port]) -> str:
    """Verilog of the module NAME around ``core``."""
    lines, at = [], {"input": 0, "output": 0}
    for name, port in ports.items():
        if name in (CLOCK, RESET):
            lines.append(f"        .{name}({name})")
        else:
            start = at[port.direction]
            vector = "given" if port.direction == "input" else "made"
            lines.append(f"        .{name}({vector}[{start} +: {port.bits}])")
            at[port.direction] += port.bits
    joined = ",\n".join(lines)
    stub = ", ".join(f"{p.direction} [{p.bits - 1}:0] {name}" for name, p in ports.items())
    return f"""\
// {NAME}: {core} with registers at every port but clock and reset.
// Made by gatesmith/synthesis/wrapper.py for placement; no part of the core.
(* blackbox *)
module {core} ({stub});
endmodule

module {NAME} (
    input  wire {CLOCK},
    input  wire {RESET},
    input  wire in,
    input  wire take,
    output wire out
);
    reg  [{at["input"] - 1}:0] given;
    reg  [{at["output"] - 1}:0] taken;
    wire [{at["output"] - 1}:0] made;

    always @(posedge {CLOCK}) begin
        given <= {{given, in}};
        taken <= take ? made : {{taken, 1'b0}};
    end

    assign out = taken[{at["output"] - 1}];

    {core} {CORE} (
{joined}
    );
endmodule
"""


def ports(netlist: bytes, core: str) -> dict[str, Port]:
    """Ports of a module in Yosys' JSON."""
    found = json.loads(netlist)["modules"][core]["ports"]
    return {name: Port(port["direction"], len(port["bits"])) for name, port in found.items()}
