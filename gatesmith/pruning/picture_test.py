"""The page of a real run says what its JSON says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatesmith.cli import main
from gatesmith.report.words import part, percent
from gatesmith.report.write_test import Page

pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[2]
MLP = ROOT / "examples/float/digits_mlp_s0.onnx"
TRAIN = ROOT / "examples/digits/digits_train.npz"

if not MLP.exists():
    pytest.skip("examples/ is not beside the package: it is installed", allow_module_level=True)


def test_the_page_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatesmith.pruning.hardware.HALVINGS", 1)
    page = tmp_path / "page.html"
    words = ["prune", str(MLP), "--data", str(TRAIN), "--input", "u5:1/16", "--ratio", "0.4"]
    words += ["--sensitivity", "--samples", "64", "-o", str(tmp_path / "out.onnx")]
    assert main([*words, "--report", str(page), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    names = ("layers", "hardware", "sensitivity")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["out.onnx", "page.html", *(f"page_{name}.png" for name in names)]
    )
    texts = Page(page.read_text("utf-8")).texts
    wanted = [percent(found["accuracy_after"]), part(found["macs_after"], found["macs_before"])]
    for row in found["layers"]:
        wanted += [row["name"], f"{row['macs_before']:,}", f"{row['macs_after']:,}"]
    for layer, ratio, rise in found["sensitivity"]:
        wanted += [layer, percent(ratio), f"{rise:.4g}"]
    before, after = found["hardware_before"], found["hardware_after"]
    wanted += [f"{before['lut']:,}", f"{after['lut']:,}", f"{after['fastest']:,}"]
    assert not [text for text in wanted if text not in texts]
    assert MLP.name in texts
