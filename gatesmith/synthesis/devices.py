"""FPGAs, from the data files in devices/: how Yosys is called, what its cells are, what there is.

A file is a family: ``yosys`` (the synthesis command), ``cells`` (Yosys' cell types by resource, as
patterns; the number is inputs for ``lut``, kbit for ``bram``, LUTs taken for ``lut_memory`` and
``carry``, blocks for ``dsp``), ``fold`` (how much of a device a design may take by the estimate,
and how many of its LUTs one of the estimate's 6-input LUTs takes), ``place`` (nextpnr), and
``parts``, the devices.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from gatesmith.errors import UserError

RESOURCES = ("lut", "ff", "dsp", "bram_kbits")
KINDS = ("lut", "lut_memory", "carry", "ff", "dsp", "bram", "free")
BLOCK_KBITS = 18
ISOLATE = ("option", "registers")


@dataclass(frozen=True, slots=True)
class Place:
    """How nextpnr is called.

    Attributes:
        program: On PATH.
        package: Of PyPI, with the program as ``function`` of ``module``.
        arguments: Which device.
        isolate: How pins are kept from limiting the clock: ``option`` (--out-of-context), or
            ``registers`` (wrapper.py).
    """

    program: str
    package: str
    module: str
    function: str
    isolate: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """One FPGA.

    Attributes:
        yosys: The synthesis command, to be told the top module.
        cells: By resource (KINDS), patterns of cell types and what one counts.
        capacity: By resource (RESOURCES).
        place: None where nothing places it.
        luts_of_one: LUTs that a 6-input LUT of the estimate takes.
        share: By resource, the part of the capacity that a design may take by the estimate.
    """

    name: str
    about: str
    family: str
    yosys: str
    cells: Mapping[str, Mapping[str, int]]
    capacity: Mapping[str, int]
    place: Place | None
    luts_of_one: float
    share: Mapping[str, float]

    @property
    def lut_inputs(self) -> int:
        """Of the largest LUT."""
        return max(self.cells["lut"].values())


@cache
def devices() -> dict[str, Device]:
    """All devices by name."""
    files = resources.files("gatesmith.synthesis").joinpath("devices").iterdir()
    texts = [f.read_text("utf-8") for f in files if f.name.endswith(".toml")]
    found = {d.name: d for text in texts for d in _family(tomllib.loads(text))}
    return dict(sorted(found.items()))


def device(name: str, option: str = "--device", others: Sequence[str] = ()) -> Device:
    """The device of that name.

    Args:
        name: As in the files.
        option: By which it was asked for, for the message.
        others: What else may stand there.

    Errors: ``synth.unknown-device``.
    """
    known = devices()
    if name not in known:
        raise UserError(
            "synth.unknown-device",
            "there is no such device",
            where=f"{option} {name}",
            why=f"known are {', '.join([*others, *known])}",
            fix=("take one of these", "a device is a few lines in gatesmith/synthesis/devices"),
        )
    return known[name]


def room(device: Device) -> dict[str, int]:
    """What a design may take by the estimate: most of lut (6 inputs), ff, dsp, bram (18 kbit)."""
    most = {key: there * device.share[key] for key, there in device.capacity.items()}
    return {
        "lut": int(most["lut"] / device.luts_of_one),
        "ff": int(most["ff"]),
        "dsp": int(most["dsp"]),
        "bram": int(most["bram_kbits"] / BLOCK_KBITS),
    }


def _family(text: Mapping[str, Any]) -> list[Device]:
    return [_part(text, name, part) for name, part in text["parts"].items()]


def _part(text: Mapping[str, Any], name: str, part: Mapping[str, Any]) -> Device:
    cells, place = text["cells"], text.get("place")
    assert set(cells) == set(KINDS), f"{name}: cells are {sorted(KINDS)}"
    assert set(part["capacity"]) == set(RESOURCES), f"{name}: capacities are {RESOURCES}"
    assert set(text["fold"]["share"]) == set(RESOURCES), f"{name}: shares are {RESOURCES}"
    assert place is None or place["isolate"] in ISOLATE, f"{name}: isolate is one of {ISOLATE}"
    return Device(
        name=name,
        about=part["about"],
        family=text["family"],
        yosys=" ".join(filter(None, (text["yosys"], part.get("yosys")))),
        cells=cells,
        capacity=part["capacity"],
        place=place and Place(**place, arguments=tuple(part["place"])),
        luts_of_one=text["fold"]["luts_of_one"],
        share=text["fold"]["share"],
    )
