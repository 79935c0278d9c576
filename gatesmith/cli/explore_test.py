"""build with limits, and explore, on a real network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatesmith.cli import main

DIGITS = str(Path(__file__).parents[2] / "examples" / "digits" / "digits_2w2a.onnx")


def explored(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, int]]:
    assert main(["explore", DIGITS, *options, "--json"]) == 0
    curve: list[dict[str, int]] = json.loads(capsys.readouterr().out)["curve"]
    return curve


def test_a_build_within_a_budget_is_the_point_of_the_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = explored(capsys)
    point = next(p for p in curve if p["lut"] <= 1500)

    out = tmp_path / "b"
    assert main(["build", DIGITS, "-o", str(out), "--budget", "1500", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)

    assert summary["interval"] == summary["folding"]["interval"] == point["interval"]
    assert summary["folding"]["used"]["lut"] == summary["cost"]["lut"] == point["lut"]
    assert summary["folding"]["curve"] == curve
    content = json.loads((out / "build.json").read_text("utf-8"))
    assert content["folding"] == summary["folding"]
    assert content["options"]["budget"] == "1500"


def test_explore_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", DIGITS, "--clock-mhz", "100", "--fold", "*=folded"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["MatMul_0,", "MatMul_1,", "MatMul_2"] for line in lines)
    assert "frames/s" in lines[1] + lines[2]


def test_what_cannot_be_leaves_the_build_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "b"
    assert main(["build", DIGITS, "-o", str(out), "--cycles", "64"]) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    for options, code in (
        (["--budget", "lut=20"], "codegen.does-not-fit"),
        (["--cycles", "1", "--device", "ice40-up5k"], "codegen.does-not-fit"),
        (["--latency-us", "0.05", "--clock-mhz", "100"], "codegen.latency"),
        (["--device", "xc2v"], "synth.unknown-device"),
        (["--budget", "luts=20"], "cli.budget"),
        (["--budget", "accuracy>=97"], "cli.budget"),
        (["--unroll", "nothing"], "codegen.fold"),
    ):
        capsys.readouterr()
        assert main(["build", DIGITS, "-o", str(out), *options, "--json"]) == 2, options
        errors = json.loads(capsys.readouterr().out)["errors"]
        assert [error["code"] for error in errors] == [code]
        assert errors[0]["fix"]

    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert main(["explore", DIGITS, "--fold", "MatMul_0=1,1"]) == 2


def test_the_page_has_the_curve_and_is_the_same_every_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    pages = []
    for name in "ab":
        page = tmp_path / name / "page.html"
        page.parent.mkdir()
        argv = ["build", DIGITS, "-o", str(tmp_path / "out"), "--device", "ice40-hx8k"]
        assert main([*argv, "--report", str(page)]) == 0
        pages.append(page.read_bytes())
    capsys.readouterr()

    assert pages[0] == pages[1]
    text = pages[0].decode()
    assert "cycles a frame" in text
    assert text.count("<svg") == 1
    assert "--device ice40-hx8k" in text
