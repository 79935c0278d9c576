"""The map in every form: SystemRDL, C header, table and IP-XACT say what the Python map says.

The RTL is compared with the map in test_registers.py, by reading and writing it.
"""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from gatesmith.build_folder import Built
from gatesmith.codegen.registers.described import header, rdl, table
from gatesmith.codegen.registers.fields import Field, Kind, Register, RegisterMap
from gatesmith.codegen.registers.layout import Facts, layout
from gatesmith.rtl_tests import ip_builds
from gatesmith.rtl_tests.test_ip import IPXACT, SPIRIT

HOSTILE = 'x"\\*/ <b>|\n%s'
MAPS = {
    "small": layout(Facts("a_registers", 1, ("x",), ("y",), (True,), ("x", "fc"), 0, 8, 9)),
    "large": layout(
        Facts(
            "a_registers",
            0xFEDCBA9876543210,
            ("x", HOSTILE.replace("\n", "")),
            ("y", "z", "w"),
            (False, True, False),
            tuple(f"stage_{k}" for k in range(90)),
            7,
            64,
            241,
            dma=True,
        )
    ),
}


@pytest.fixture(params=list(MAPS))
def registers(request: pytest.FixtureRequest) -> RegisterMap:
    return MAPS[request.param]


def test_addresses_are_apart(registers: RegisterMap) -> None:
    assert all(register.offset < registers.span for register in registers)
    assert registers.address_bits == 12


def test_many_streams_make_a_larger_map() -> None:
    streams = tuple(f"stage_{k}" for k in range(1100))
    large = layout(Facts("a_registers", 1, ("x",), ("y",), (True,), streams, 0, 8, 9))
    assert (large.address_bits, large.span) == (13, 8192)
    assert large.registers[-1].offset < large.span


def compiled(registers: RegisterMap, place: Path) -> Any:
    systemrdl = pytest.importorskip("systemrdl")
    path = place / "a.rdl"
    path.write_text(rdl(registers, "a"), "utf-8")
    compiler = systemrdl.RDLCompiler()
    compiler.compile_file(str(path))
    return compiler.elaborate().top


SOFTWARE = {
    Kind.CONST: "r",
    Kind.STATUS: "r",
    Kind.CONTROL: "rw",
    Kind.FLAG: "rw",
    Kind.PULSE: "w",
    Kind.PUSH: "w",
    Kind.POP: "r",
    Kind.ACCESS: "rw",
}


def test_systemrdl_is_the_map(registers: RegisterMap, tmp_path: Path) -> None:
    top = compiled(registers, tmp_path)
    assert top.inst_name == registers.name
    found = {node.inst_name: node for node in top.registers()}
    assert list(found) == [register.name for register in registers]
    for register in registers:
        node = found[register.name]
        assert node.absolute_address == register.offset
        assert node.get_property("desc") is not None
        fields = {field.inst_name: field for field in node.fields()}
        assert list(fields) == [field.name for field in register.fields]
        for field in register.fields:
            seen = fields[field.name]
            assert (seen.low, seen.high) == (field.lsb, field.msb), f"{register.name}.{field.name}"
            assert seen.get_property("sw").name == SOFTWARE[field.kind]
            cleared = seen.get_property("onwrite")
            assert (cleared is not None and cleared.name == "woclr") == (field.kind is Kind.FLAG)
            assert seen.get_property("singlepulse") == (field.kind is Kind.PULSE)
            if field.kind in (Kind.CONST, Kind.CONTROL, Kind.FLAG, Kind.PULSE):
                assert seen.get_property("reset") == field.value


def test_header_says_the_map(registers: RegisterMap) -> None:
    text = header(registers, "a")
    found = {
        m[1]: int(m[2].rstrip("u"), 0)
        for m in re.finditer(r"^#define (A_\w+) (0x[0-9a-f]+u|\d+)", text, re.MULTILINE)
    }
    assert found.pop("A_SPAN") == registers.span
    for register in registers:
        assert found.pop(f"A_{register.name.upper()}") == register.offset
        for field in register.fields:
            name = f"A_{register.name.upper()}_{field.name.upper()}"
            assert found.pop(f"{name}_MASK") == field.mask
            assert found.pop(f"{name}_SHIFT") == field.lsb
            assert found.pop(f"{name}_RESET") == field.value
    assert not found
    done = subprocess.run(
        [
            "gcc",
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-fsyntax-only",
            "-xc",
            "-",
        ],
        input=text + "int a;\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_header_of_peakrdl_says_the_same(registers: RegisterMap, tmp_path: Path) -> None:
    cheader = pytest.importorskip("peakrdl_cheader.exporter")
    top = compiled(registers, tmp_path)
    path = tmp_path / "theirs.h"
    cheader.CHeaderExporter().export(top.parent, str(path), std=cheader_std())
    theirs = {
        m[1]: int(m[2], 0)
        for m in re.finditer(r"^#define (\w+)_(?:bm|bp) (\S+)", path.read_text(), re.MULTILINE)
        if m[0].split()[1].endswith("_bm")
    }
    assert theirs, "PeakRDL names fields by _bm"
    for register in registers:
        for field in register.fields:
            ends = f"{register.name}__{field.name}"
            mine = [name for name in theirs if name.lower().endswith(ends)]
            assert mine, ends
            assert {theirs[name] for name in mine} == {field.mask}, ends


def cheader_std() -> Any:
    """C99, as PeakRDL calls it."""
    from peakrdl_cheader.design_state import CStandard  # type: ignore[attr-defined]

    return CStandard.gnu99


def test_table_has_every_field(registers: RegisterMap) -> None:
    text = table(registers, "a")
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) == sum(1 + len(register.fields) for register in registers)
    for register in registers:
        assert f"| `0x{register.offset:04x}` | `{register.name}` |" in text
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 8 for row in rows)


def test_what_cannot_be() -> None:
    bit = Field("a", 0, 1, Kind.CONTROL, "")
    with pytest.raises(ValueError, match=r"^r\.b overlaps, or leaves the register$"):
        Register("r", 0, "", (bit, Field("b", 0, 4, Kind.CONTROL, "")))
    with pytest.raises(ValueError, match=r"^r\.b overlaps, or leaves the register$"):
        Register("r", 0, "", (bit, Field("b", 30, 4, Kind.CONTROL, "")))
    with pytest.raises(ValueError, match=r"^r is at 0x2, which is no word$"):
        Register("r", 2, "", (bit,))
    one, two = Register("r", 0, "", (bit,)), Register("r", 4, "", (bit,))
    with pytest.raises(ValueError, match=r"^registers must rise and have names of their own$"):
        RegisterMap("m", (one, two))
    with pytest.raises(ValueError, match=r"^registers must rise and have names of their own$"):
        RegisterMap("m", (Register("a", 4, "", (bit,)), Register("b", 0, "", (bit,))))


# ---- IP-XACT ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return ip_builds.registers(tmp_path_factory.mktemp("registers"))


@pytest.mark.parametrize(("space", "name"), [(IPXACT, "{top}.xml"), (SPIRIT, "component.xml")])
def test_ipxact_has_the_map(built: Built, space: str, name: str) -> None:
    told = built.content["registers"]
    path = built.folder / "ip" / name.format(top=told["module"])
    root = ET.parse(path).getroot()
    (block,) = root.iter(f"{space}addressBlock")
    assert int(str(block.findtext(f"{space}range"))) == told["span"]
    found = {}
    for register in block.iter(f"{space}register"):
        at = str(register.findtext(f"{space}addressOffset")).replace("'h", "0x")
        fields = {
            str(field.findtext(f"{space}name")): (
                int(str(field.findtext(f"{space}bitOffset"))),
                int(str(field.findtext(f"{space}bitWidth"))),
                field.findtext(f"{space}modifiedWriteValue"),
            )
            for field in register.iter(f"{space}field")
        }
        found[str(register.findtext(f"{space}name"))] = (int(at, 0), fields)
    changed = {"flag": "oneToClear", "access": "modify"}
    assert found == {
        entry["name"]: (
            entry["offset"],
            {f["name"]: (f["lsb"], f["bits"], changed.get(f["kind"])) for f in entry["fields"]},
        )
        for entry in told["map"]
    }
    (bus,) = [
        b for b in root.iter(f"{space}busInterface") if b.findtext(f"{space}name") == "s_axil"
    ]
    (ref,) = bus.iter(f"{space}memoryMapRef")
    (memory_map,) = root.iter(f"{space}memoryMap")
    assert memory_map.findtext(f"{space}name") in ref.attrib.values()
