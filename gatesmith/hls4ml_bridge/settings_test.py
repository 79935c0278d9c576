from __future__ import annotations

import importlib.util
import re
import shutil
from typing import Any

import pytest

from gatesmith.errors import UserError, UserErrors
from gatesmith.hls4ml_bridge.settings import Settings, check

AT = "  at   gatesmith hls4ml\n"


def refused(**options: Any) -> str:
    with pytest.raises((UserError, UserErrors)) as raised:
        check(Settings(**({"data": "x.npz"} | options)))
    return str(raised.value)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options are judged the same where hls4ml is missing."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "shls" else name)


def test_what_is_right_passes() -> None:
    check(Settings(data="x.npz", backend="vivado", io="stream"))
    check(Settings(project_only=True, backend="oneapi"))
    assert Settings(backend="ONEAPI").vendor == "oneAPI"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"backend": "Xilinx"},
            "error[cli.bad-value]: --backend 'xilinx' is unknown\n" + AT
            + "  why  there are Vitis, Vivado, VivadoAccelerator, Quartus, Catapult, oneAPI and "
            "Libero\n"
            "  fix  write --backend Vitis",
        ),
        (
            {"io": "serial"},
            "error[cli.bad-value]: --io 'serial' is unknown\n" + AT
            + "  why  there are parallel and stream\n  fix  write --io parallel",
        ),
        (
            {"form": "qonnx"},
            "error[cli.bad-value]: --form 'qonnx' is unknown\n" + AT
            + "  why  there are codes and real\n  fix  write --form codes",
        ),
        (
            {"strategy": "fast"},
            "error[cli.bad-value]: --strategy 'fast' is unknown\n" + AT
            + "  why  there are latency and resource\n  fix  write --strategy latency",
        ),
        (
            {"fraction": 41},
            "error[cli.bad-value]: 41 fractional bits\n" + AT
            + "  why  --fraction-bits counts from 1 to 40\n  fix  leave it at 24",
        ),
        (
            {"reuse": 0},
            "error[cli.bad-value]: --reuse 0 is below 1\n" + AT
            + "  why  it counts from 1\n  fix  leave it out",
        ),
        (
            {"timeout": 0.0},
            "error[cli.bad-value]: --timeout is not above 0\n" + AT
            + "  why  it is in seconds\n  fix  leave it out",
        ),
        (
            {"data": None},
            "error[cli.missing-option]: there are no frames to simulate\n" + AT
            + "  why  the C simulation is compared on data\n  fix  add --data FILE\n"
            "  fix  or write the project alone: --project-only",
        ),
        (
            {"backend": "Libero"},
            "error[hls.vendor-tool]: there is no shls on PATH\n  at   --backend Libero\n"
            "  why  hls4ml asks Libero's SmartHLS for its folder when it writes the project\n"
            "  fix  install Libero SoC and put shls on PATH\n  fix  take another --backend",
        ),
    ],
)  # fmt: skip
def test_options(options: dict[str, Any], text: str) -> None:
    assert re.fullmatch(re.escape(text), refused(**options))


def test_everything_is_told_at_once() -> None:
    told = refused(backend="x", io="y", form="z", data=None)
    assert told.count("error[") == 4


def test_hls4ml_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert refused() == (
        "error[hls.not-installed]: hls4ml and qonnx is not installed\n" + AT
        + "  why  it converts the network and writes the project\n"
        "  fix  pip install 'gatesmith[hls]'"
    )  # fmt: skip


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert refused() == (
        "error[hls.no-compiler]: there is no g++ on PATH\n" + AT
        + "  why  hls4ml's C simulation is C++ that g++ compiles\n"
        "  fix  apt-get install g++\n  fix  or write the project alone: --project-only"
    )  # fmt: skip
    check(Settings(project_only=True))
