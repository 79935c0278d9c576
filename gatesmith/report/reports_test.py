"""Pages of pruning and of compression: what they say, and the rules that hold for every page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatesmith.report import figures_prune
from gatesmith.report.content import (
    CodedRow,
    CompressReport,
    PointRow,
    PrunedRow,
    PruneReport,
    StageRow,
)
from gatesmith.report.curves import unbeaten
from gatesmith.report.write import write_report
from gatesmith.report.write_test import EVIL, Page

pytest.importorskip("matplotlib")

HISTORY: list[dict[str, Any]] = [
    {"loss": 1.5, "accuracy": 0.5, "held_out": 0.4},
    {"loss": 1.25, "accuracy": 0.6, "held_out": None},
]
PRUNE = ("layers", "hardware", "sensitivity", "training")
COMPRESS = ("storage", "pareto", "training")


def pruning(name: str = "conv1") -> PruneReport:
    """A report of everything: a layer that shrank, one that is gone, one that is new."""
    return PruneReport(
        model=name,
        accuracy_before=0.98,
        accuracy_after=0.97,
        frames=450,
        steps=[("before", 0.98), ("pruned", 0.5), (name, 0.97), ("unlabelled", None)],
        parameters=(6090, 3254),
        macs=(84224, 41280),
        layers=[
            PrunedRow(name, "Conv", 16, 10, 144, 90, 9216, 5760),
            PrunedRow("gone", "Conv", 8, None, 64, 0, 640, 0),
            PrunedRow("new", "MatMul", None, 4, 0, 40, 0, 40),
        ],
        removed={name: "6 of 16 channels", "block": name},
        hardware=[("LUT", 5077, 3881), ("DSP", 0, 0), ("cycles at the price of before", 960, None)],
        history=HISTORY,
        sensitivity=[(name, 0.25, 0.125), (name, 0.5, 0.75), ("head", 0.25, -0.01)],
        settings={"kind": "structured", "layers": {name: 0.5}, "bf16": False},
        notes=[name],
    )


def compression(name: str = "prune 0: structured") -> CompressReport:
    """A report of everything."""
    hardware = {"lut": 5077.0, "dsp": 101.0, "energy_nj": 33.186}
    first = StageRow("float", 0.99, 6090, 84224, 193024, 1.0, hardware)
    last = StageRow(name, 0.985, 1193, 14991, 7273, 26.54)
    return CompressReport(
        model="net.onnx",
        frames=450,
        stages=[first, last],
        coding=[CodedRow(name, 1440, 4, "huffman", {"dense": 5760, "huffman": 3785}),
                CodedRow("head", 800, 4, "plain", {"dense": 3200})],
        histories={name: HISTORY, "quantize": HISTORY},
        points=[PointRow("0.3, int8", 0.985, 7273.0, True, last),
                PointRow(name, 0.97, 8000.0, False, last),
                PointRow("0.9, int2", None, None, False, None, name)],
        axis="bits of weights",
        settings={"model": "net.onnx", "prune.0.ratio": 0.5, "quantize.weights": name},
        notes=[name],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("report", "figures", "texts"),
    [
        (pruning(), PRUNE, (
            "97.00 %", "\u22121.00", "points against 98.00 % before", "49 %",
            "of the multiplications left, 41,280", "of the parameters left, 3,254",  # head
            "6 of 16 channels", "9,216", "5,760", "62 %",  # a layer
            "3,881", "76 %",  # hardware
            "50.00 %", "0.125", "25.00 %", "1.2500", "40.00 %", "conv1: 0.5", "no",
        )),
        (compression(), COMPRESS, (
            "98.50 %", "\u22120.50", "26.5 times", "0.9 KiB",  # head
            "193,024", "1,193", "14,991", "5,077", "33.186", "energy a frame, nJ",  # stages
            "on the front", "0.3, int8", "8,000",  # points
            "huffman", "3,785", "5,760",  # coding
            "prune.0.ratio", "0.5",
        )),
    ],
    ids=["prune", "compress"],
)  # fmt: skip
def test_the_page_says_what_was_found(
    report: Any, figures: tuple[str, ...], texts: tuple[str, ...], tmp_path: Path
) -> None:
    files = write_report(report, tmp_path / "page.html")
    assert [path.name for path in files] == [
        "page.html",
        *(f"page_{name}.png" for name in figures),
    ]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    text = files[0].read_text("utf-8")
    page = Page(text)
    assert not [wanted for wanted in texts if wanted not in page.texts]
    assert "450 frames" in text
    assert text.count("<svg") == len(figures)


@pytest.mark.parametrize("report", [pruning(EVIL), compression(EVIL)], ids=["prune", "compress"])
def test_the_rules_of_every_page(report: Any, tmp_path: Path) -> None:
    """It loads nothing, ids are unique, colours follow the page, names are text."""
    text = write_report(report, tmp_path)[0].read_text("utf-8")
    page = Page(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "image", "foreignobject"}
    assert page.texts.count(EVIL) >= 4
    for key, value in page.attributes:
        assert not key.startswith("on") and key != "src"
        assert not key.endswith("href") or value.startswith("#")
    spaces = r"http://www\.w3\.org/(2000/svg|1999/xlink)"
    assert re.findall(r"https?://", re.sub(spaces, "", text)) == []
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    svg = text[text.index("<svg") :]
    assert re.findall(r"(?:fill|stroke): #[0-9a-f]+", svg) == []


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    """In another process, under another hash seed."""
    code = (
        "from gatesmith.report.reports_test import *; "
        "write_report(pruning(), Path('a')); write_report(compression(), Path('b'))"
    )
    there = tmp_path / "there"
    there.mkdir()
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], cwd=there, env=environment, check=True)
    for name, report in (("a", pruning()), ("b", compression())):
        for path in write_report(report, tmp_path / name):
            assert path.read_bytes() == (there / name / path.name).read_bytes(), path.name


@pytest.mark.parametrize("report", [PruneReport("net"), CompressReport("net")])
def test_what_is_empty_is_left_out(report: Any, tmp_path: Path) -> None:
    (path,) = write_report(report, tmp_path / "net.html")
    page = Page(path.read_text("utf-8"))
    assert not {"svg", "h2", "table"} & page.tags


def test_many_layers_are_cut_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_prune, "MOST_ROWS", 2)
    monkeypatch.setattr(figures_prune, "MOST_PANELS", 2)
    row = PrunedRow("a", "Conv", 1, 1, 1, 1, 1, 1)
    names = [f"layer{i}" for i in range(3)]
    report = PruneReport(
        "net",
        layers=[PrunedRow(**{**_fields(row), "name": name}) for name in names],
        sensitivity=[(name, 0.5, 0.1) for name in names],
    )
    text = write_report(report, tmp_path)[0].read_text("utf-8")
    assert text.count("The first 2 of 3.") == 2
    assert ">layer1</text>" in text and ">layer2</text>" not in text


def _fields(row: PrunedRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in PrunedRow.__dataclass_fields__}


def test_the_front() -> None:
    """Nobody better at the same cost or less; equal ones are both on it."""
    assert unbeaten([3, 1, 2, 2], [0.9, 0.5, 0.9, 0.9]).tolist() == [False, True, True, True]
    assert unbeaten([1, 1], [0.5, 0.6]).tolist() == [False, True]
    assert unbeaten([], []).tolist() == []
