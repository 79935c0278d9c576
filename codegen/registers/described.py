"""The register map for people and other tools: SystemRDL, a C header, a table.

Written by template from the same map as the RTL; the tests compile the SystemRDL with
systemrdl-compiler, PeakRDL makes a header of it, and both are compared with ours, field by field.
"""

from __future__ import annotations

from gatesmith.codegen.registers.fields import Kind, RegisterMap
from gatesmith.codegen.render import render

PROPERTIES = {
    Kind.CONST: "sw = r; hw = na;",
    Kind.STATUS: "sw = r; hw = w;",
    Kind.CONTROL: "sw = rw; hw = r;",
    Kind.FLAG: "sw = rw; hw = rw; onwrite = woclr; hwset;",
    Kind.PULSE: "sw = w; hw = r; singlepulse;",
    Kind.PUSH: "sw = w; hw = r; swmod;",
    Kind.POP: "sw = r; hw = w; swacc;",
    Kind.ACCESS: "sw = rw; hw = rw; we; swmod; swacc;",
}
"""What a kind of field is in SystemRDL."""


def rdl(registers: RegisterMap, core: str) -> str:
    """SystemRDL 2.0."""
    properties = {kind.name: text for kind, text in PROPERTIES.items()}
    return render("registers/registers.rdl.j2", map=registers, core=core, properties=properties)


def header(registers: RegisterMap, core: str) -> str:
    """C header; names begin with that of the core."""
    return render("registers/registers.h.j2", map=registers, core=core, prefix=core.upper())


def table(registers: RegisterMap, core: str) -> str:
    """Markdown."""
    return render("registers/registers.md.j2", map=registers, core=core)
