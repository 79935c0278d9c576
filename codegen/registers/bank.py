"""The module that holds the registers: their RTL, from nothing but the map."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.codegen.registers.fields import Field, Kind, Register, RegisterMap
from gatesmith.codegen.render import plain, render

STROBED = (Kind.POP, Kind.ACCESS)
"""Kinds of which every read is told."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port towards the hardware."""

    name: str
    out: bool
    bits: int

    @property
    def range(self) -> str:
        """Its range, in a column of its own (SystemVerilog)."""
        return f"[{self.bits - 1}:0] ".ljust(7) if self.bits > 1 else " " * 7


@dataclass(frozen=True, slots=True)
class Bank:
    """What templates/sv/axil_registers.sv.j2 is given, under the name ``hw``.

    Attributes:
        core: Module that the registers are of.
        map: The registers.
    """

    core: str
    map: RegisterMap

    @property
    def words(self) -> list[str]:
        """Every address (SystemVerilog)."""
        return [self.word(register) for register in self.map]

    @property
    def written(self) -> list[Register]:
        """Registers that a write does something to."""
        return [r for r in self.map if any(field.writable for field in r.fields)]

    @property
    def counted(self) -> list[Register]:
        """Registers of which every read counts."""
        return [r for r in self.map if r.fields[0].kind in STROBED]

    @property
    def ports(self) -> list[Port]:
        """All ports towards the hardware, in the order of the map."""
        return [
            port for register in self.map for f in register.fields for port in ports(register, f)
        ]

    def word(self, register: Register) -> str:
        """Address of a register (SystemVerilog)."""
        return f"{self.map.address_bits - 2}'d{register.word}"

    def port(self, register: Register, field: Field) -> str:
        """Name of the port of a field."""
        return port_name(register, field)

    def forgotten(self, register: Register) -> bool:
        """Whether its flags are gone after a soft reset: errors are, events stay."""
        return register.name == "errors"

    def range(self, field: Field) -> str:
        """Range of a field's flip-flops (SystemVerilog)."""
        return f"[{field.bits - 1}:0] " if field.bits > 1 else ""

    def value(self, register: Register) -> str:
        """What it reads as (SystemVerilog)."""
        if all(field.kind is Kind.CONST for field in register.fields):
            return f"32'h{register.reset:08x}"
        parts, above = list[str](), 32
        for field in reversed(register.fields):
            if not field.readable:
                continue
            if above > field.msb + 1:
                parts.append(f"{above - field.msb - 1}'d0")
            parts.append(self._read(register, field))
            above = field.lsb
        if above:
            parts.append(f"{above}'d0")
        return parts[0] if len(parts) == 1 else f"{{{', '.join(parts)}}}"

    def _read(self, register: Register, field: Field) -> str:
        if field.kind is Kind.CONST:
            return f"{field.bits}'d{field.value}"
        return port_name(register, field)

    def files(self) -> dict[str, str]:
        """The module and what it is made of, by name below rtl/."""
        return {
            f"{self.map.name}.sv": render("sv/axil_registers.sv.j2", hw=self),
            "gs_axil.sv": plain("sv/gs_axil.sv"),
        }


def port_name(register: Register, field: Field) -> str:
    """Name of the port of a field: that of the register, of its field where that says more."""
    return register.name if field.name == "value" else f"{register.name}_{field.name}"


def ports(register: Register, field: Field) -> list[Port]:
    """Ports of a field towards the hardware."""
    name = port_name(register, field)
    match field.kind:
        case Kind.CONST:
            return []
        case Kind.STATUS:
            return [Port(name, False, field.bits)]
        case Kind.CONTROL | Kind.PULSE:
            return [Port(name, True, field.bits)]
        case Kind.FLAG:
            return [Port(f"{name}_set", False, 1), Port(name, True, 1)]
        case Kind.PUSH:
            return [Port(f"{register.name}_write", True, 1)]
        case Kind.POP:
            return [Port(name, False, field.bits), Port(f"{register.name}_read", True, 1)]
        case Kind.ACCESS:
            return [
                Port(f"{register.name}_write", True, 1),
                Port(name, False, field.bits),
                Port(f"{register.name}_read", True, 1),
                Port(f"{register.name}_done", False, 1),
            ]
        case _:
            raise AssertionError(f"{field.kind}: see codegen/registers/fields.py")
