"""What the C driver is told of a core: ports, numbers, memories, as constants.

Numbers are exact where C has a type for them: an integer of an output stands for
(mul * n + add) / one, with 64-bit integers, where these fit; doubles are written in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from gatesmith.codegen.ip.quote import told
from gatesmith.codegen.render import render

LARGEST = 1 << 63
MOST_AXES = 8
"""Of a frame whose order the driver changes: GS_MOST_AXES of gs_core.h."""


@dataclass(frozen=True, slots=True)
class CPort:
    """A gs_port of gs_core.h."""

    symbol: str
    name: str
    data: int
    fill: int
    frames: int
    classes: int
    address: int
    beats: int
    lanes: int
    bits: int
    words: int
    size: int
    lo: str
    hi: str
    step: int
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    quantizer: str
    rounding: str
    scale: str
    zero: str
    channels: int
    exact: bool
    tables: tuple[tuple[str, tuple[str, ...]], ...]


def c_files(build: Mapping[str, Any], ends: Mapping[str, Any]) -> dict[str, str]:
    """TOP.h and TOP.c.

    Args:
        build: Content of build.json.
        ends: ``inputs`` and ``outputs`` of core.json.
    """
    top, registers = str(build["top"]), build["registers"]
    offsets = {entry["name"]: int(entry["offset"]) for entry in registers["map"]}
    number = int(registers["content"], 16)
    context = {
        "top": top,
        "content": (number & 0xFFFFFFFF, number >> 32),
        "inputs": [_port("in", k, e, offsets) for k, e in enumerate(ends["inputs"])],
        "outputs": [_port("out", k, e, offsets) for k, e in enumerate(ends["outputs"])],
        "memories": registers["memories"],
        "streams": len(registers["streams"]),
        "stalls": offsets["stall0"],
    }
    return {
        f"{top}.h": render("drivers/core.h.j2", top=top),
        f"{top}.c": render("drivers/core.c.j2", **context),
    }


def _port(side: str, k: int, entry: Mapping[str, Any], offsets: Mapping[str, int]) -> CPort:
    fill = "space" if side == "in" else "level"
    elem, axes = entry["elem"], tuple(entry["axes"] or ())
    shape = tuple(entry["code_shape"] if side == "in" else entry["shape"])
    if len(axes) > MOST_AXES:
        raise ValueError(f"{len(axes)} axes: raise GS_MOST_AXES in templates/drivers/gs_core.h")
    channels, exact, tables = _meaning(entry)
    quantizer, rounding, scale, zero = _quantizer(entry.get("quantizer"))
    return CPort(
        f"{side}{k}",
        c_string(str(entry["name"])),
        offsets[f"{side}{k}_data"],
        offsets[f"{side}{k}_{fill}"],
        offsets[f"{side}{k}_frames"],
        offsets.get(f"{side}{k}_argmax", 0),
        offsets.get(f"{side}{k}_address_low", 0),
        entry["beats"],
        entry["lanes"],
        entry["bits"],
        -(-entry["tdata_bits"] // 32),
        entry["channels"] * entry["vectors"],
        c_int(elem["lo"]),
        c_int(elem["hi"]),
        elem["step"],
        shape if axes else (),
        axes,
        quantizer,
        rounding,
        scale,
        zero,
        channels,
        exact,
        tables,
    )


def c_string(text: str) -> str:
    r"""``text`` inside quotes of C, in ASCII.

    >>> print(c_string('a"b\\?'))
    a\"b\\\?
    """
    plain = told(text).encode("ascii", "backslashreplace").decode()
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")


def c_int(value: int) -> str:
    """A 64-bit constant; the least one has no literal of its own."""
    return "INT64_MIN" if value == -LARGEST else f"INT64_C({value})"


def c_double(value: Fraction) -> str:
    """The nearest double, in hexadecimal."""
    return float(value).hex()


def _quantizer(how: Mapping[str, Any] | None) -> tuple[str, str, str, str]:
    """Kind, rounding, scale, zero point."""
    if how is None:
        return "GS_GIVEN", "", "", ""
    if how["kind"] == "bipolar":
        return "GS_BIPOLAR", "", "", ""
    if how["kind"] != "uniform":
        return "GS_OTHER", "", "", ""
    scale, zero = Fraction(how["scale"]), Fraction(how["zero"])
    if (2 * zero).denominator != 1 or abs(zero) > 1 << 50:  # bound - zero would be rounded
        return "GS_OTHER", "", "", ""
    return "GS_UNIFORM", how["rounding"], c_double(scale), c_double(zero)


def _meaning(
    entry: Mapping[str, Any],
) -> tuple[int, bool, tuple[tuple[str, tuple[str, ...]], ...]]:
    """Channels, whether integers say it exactly, tables by name."""
    meaning = entry["meaning"]
    if meaning is None:
        return 0, False, ()
    scale, offset = ([Fraction(text) for text in meaning[key]] for key in ("scale", "offset"))
    count = max(len(scale), len(offset))
    pairs = [(scale[c % len(scale)], offset[c % len(offset)]) for c in range(count)]
    one = [lcm(s.denominator, o.denominator) for s, o in pairs]
    mul = [int(s * d) for (s, _), d in zip(pairs, one, strict=True)]
    add = [int(o * d) for (_, o), d in zip(pairs, one, strict=True)]
    reach = max(abs(entry["elem"]["lo"]), abs(entry["elem"]["hi"]))
    largest = max([abs(m) * reach + abs(a) for m, a in zip(mul, add, strict=True)] + one)
    exact = largest < LARGEST
    tables: list[tuple[str, tuple[str, ...]]] = []
    if exact:
        for name, values in (("mul", mul), ("add", add), ("one", one)):
            tables.append((name, tuple(map(c_int, values))))
    tables.append(("scales", tuple(c_double(s) for s, _ in pairs)))
    tables.append(("offsets", tuple(c_double(o) for _, o in pairs)))
    return count, exact, tuple(tables)
