from __future__ import annotations

from dataclasses import replace

import pytest

from gatesmith.errors import UserError
from gatesmith.synthesis.counts import count
from gatesmith.synthesis.devices import RESOURCES, Device, device, devices

COMMANDS = {"synth_ecp5", "synth_ice40", "synth_gowin", "synth_xilinx"}


def test_devices_of_every_family_are_there() -> None:
    families = {known.family for known in devices().values()}
    assert families == {"ecp5", "ice40", "gowin", "xc7", "xcup"}
    named = {"ecp5-85k", "ecp5-25k", "ice40-hx8k", "gowin-gw1nr-9", "xc7", "xcup"}
    assert named <= set(devices())


@pytest.mark.parametrize("known", devices().values(), ids=devices())
def test_a_device_is_complete(known: Device) -> None:
    assert known.yosys.split()[0] in COMMANDS
    assert tuple(known.capacity) == RESOURCES
    assert known.capacity["lut"] > 1000 and known.capacity["bram_kbits"] > 100
    assert known.lut_inputs in (4, 6)
    assert known.cells["ff"] and known.cells["bram"]
    if known.place is not None:
        assert known.place.arguments[1] == "--package"


def test_an_unknown_device_is_refused_with_those_known() -> None:
    with pytest.raises(UserError) as caught:
        device("ecp6")
    error = caught.value
    assert error.code == "synth.unknown-device"
    assert error.where == "--device ecp6"
    assert error.why == f"known are {', '.join(devices())}"


def test_cells_become_resources() -> None:
    cells = {
        "$scopeinfo": 28,
        "CCU2C": 152,
        "DP16KD": 7,
        "L6MUX21": 27,
        "LUT4": 889,
        "PFUMX": 156,
        "TRELLIS_DPR16X4": 6,
        "TRELLIS_FF": 674,
        "MULT18X18D": 2,
        "STRANGE": 1,
    }
    found = count(cells, device("ecp5-85k"))
    assert found.figures() == {
        "lut": 889,
        "lut_memory": 24,
        "lut_sites": 889 + 24 + 2 * 152,
        "carry": 152,
        "ff": 674,
        "dsp": 2,
        "bram": 7,
        "bram_kbits": 126,
    }
    assert found.lut_by_size == {"4": 889}
    assert found.other == {"STRANGE": 1}  # told, not dropped


def test_luts_of_every_size_are_summed() -> None:
    cells = {"LUT2": 1, "LUT6": 20, "INV": 5, "MUXF7": 9, "FDRE": 3, "FDSE": 4, "RAMB18E2": 1}
    found = count(cells | {"RAMB36E2": 2, "SRL16E": 2, "RAM64M8": 1}, device("xcup"))
    assert (found.lut, found.lut_memory, found.ff, found.bram_kbits) == (21, 10, 7, 90)
    assert found.lut_by_size == {"2": 1, "6": 20}
    assert found.other == {}


def test_a_pattern_stands_for_all_its_cells() -> None:
    found = count({"SB_DFF": 1, "SB_DFFESR": 2, "SB_CARRY": 3}, device("ice40-hx8k"))
    assert (found.ff, found.carry, found.lut_sites, found.other) == (3, 3, 0, {})
    bare = replace(device("ice40-hx8k"), cells={"ff": {"SB_DFF": 1}})
    assert count({"SB_DFFESR": 2}, bare).other == {"SB_DFFESR": 2}
