import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Array, IntType
from gatesmith.ops.fake_quant import Grid
from gatesmith.report import figures
from gatesmith.report.content import ActivationPicture, LayerRow, QuantReport, WeightPicture
from gatesmith.report.write import check_report, write_report

pytest.importorskip("matplotlib")

EVIL = '<script>alert("x")</script>--><img src=x onerror=1> $\\frac{$ {{ 7*7 }} &amp;'
FIGURES = ("accuracy", "sensitivity", "training", "weights", "activations")


def sample(name: str = "conv1") -> QuantReport:
    """A report of everything, its weights on real grids."""
    grid = Grid("int", IntType(-7, 7), Array(0.125))
    few = Grid("pow2", IntType(-4, 4), Array(0.25), levels=Array([-4, -2, -1, 0, 1, 2, 4]))
    weights = np.random.default_rng(0).normal(0, 0.3, 500)
    counts, edges = np.histogram(weights, 40)

    def weight(of: Grid, taken: np.ndarray) -> WeightPicture:
        codes = np.array([(of.codes(weights) == code).sum() for code in taken])
        return WeightPicture(counts, edges, of.values(taken), codes)

    byte = np.arange(-128, 128) / 128
    row = LayerRow(name, "Conv", "int", 4, "channel", "u8", 8, 500, 2000, (0.125, 0.25), 21.5)
    return QuantReport(
        model=name,
        accuracy_float=0.98333,
        accuracy_quantized=0.97111,
        frames=360,
        steps=[("float", 0.98333), (name, 0.95), ("integers", 0.97111), ("unlabelled", None)],
        layers=[row, LayerRow("head", "MatMul", None, None, None, None, None, 100, None)],
        weights={
            name: weight(grid, np.arange(-7, 8)),
            "pow2": weight(few, np.array([-4, -2, -1, 0, 1, 2, 4])),
            "int8": WeightPicture(counts, edges, byte, np.ones(256, int)),
        },
        activations={
            name: ActivationPicture(counts, edges, np.arange(16) / 8),
            "constant": ActivationPicture(np.array([0, 9]), np.array([0.0, 1.0, 2.0]), byte),
        },
        sensitivity=[(name, 8, 1e-4), (name, 2, 0.3), ("head", 8, 0.01), ("head", 4, 0.02)],
        history=[
            {"loss": 1.5, "accuracy": 0.5, "held_out": 0.4, "bits": 4},
            {"loss": 1.0, "accuracy": 0.6, "held_out": None, "bits": 2},
        ],
        trade=[("int8", 8, 0.98), ("int2", 2, 0.9), (name, 3.1, 0.97), ("worse", 4, 0.95)],
        settings={"weights": "int4", "layers": {name: "int8"}, "hints": False, "seed": 0},
        notes=[name],
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "new"
    files = write_report(sample(), folder)
    assert [path.name for path in files] == ["report.html", *(f"{name}.png" for name in FIGURES)]
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in files)
    return folder


class Page(HTMLParser):
    """Elements, attributes and text of a page; every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(key, value or "") for key, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def test_the_page_says_what_was_found(written: Path) -> None:
    page = Page((written / "report.html").read_text("utf-8"))

    for text in (
        "97.11 %", "98.33 %", "\u22121.22", "accuracy of the integers", "\u22123.33",  # head
        "int, 4 bits", "0.125 to 0.25", "21.5", "2,000", "real",  # layers
        "1.5000", "40.00 %", "conv1: int8", "no", "3.1",  # tables
        "0.6 KiB", "8.67",  # memory: 500 * 4 + 100 * 32 bits
    ):  # fmt: skip
        assert text in page.texts, text
    assert "Accuracy is top-1 on 360 frames." in " ".join(page.texts)
    assert [page.texts.count(title) for title in ("Sensitivity", "Training", "Weights")] == [1] * 3
    assert "svg" in page.tags
    drawn = (written / "report.html").read_text("utf-8").split("<svg")[1:]
    assert len(drawn) == len(FIGURES)
    assert "float 98.33 %" in drawn[0]
    for text in ("0.001", "conv1", "head"):
        assert f">{text}</text>" in drawn[1]
    for text in ("4 bits", "2 bits", "held out"):
        assert f">{text}</text>" in drawn[2]


def test_the_page_loads_nothing(written: Path) -> None:
    text = (written / "report.html").read_text("utf-8")
    page = Page(text)

    assert not page.tags & {"script", "link", "img", "iframe", "object", "image", "foreignobject"}
    assert "default-src 'none'" in text
    for key, value in page.attributes:
        assert not key.startswith("on")
        assert key != "src"
        if key.endswith("href"):
            assert value.startswith("#")
    spaces = r"http://www\.w3\.org/(2000/svg|1999/xlink)"
    assert re.findall(r"https?://", re.sub(spaces, "", text)) == []
    assert re.findall(r"@import|url\((?!#)", text) == []


def test_ids_are_unique_and_found(written: Path) -> None:
    page = Page((written / "report.html").read_text("utf-8"))
    ids = [value for key, value in page.attributes if key == "id"]
    used = {value[1:] for key, value in page.attributes if key.endswith("href")}
    used |= set(re.findall(r"url\(#([^)]*)\)", " ".join(value for _, value in page.attributes)))

    assert len(ids) == len(set(ids))
    assert used <= set(ids)
    assert used


def test_colours_follow_the_page(written: Path) -> None:
    text = (written / "report.html").read_text("utf-8")
    svg = text[text.index("<svg") :]

    assert {"var(--ink)", "var(--first)", "var(--second)"} <= set(re.findall(r"var\(--\w+\)", svg))
    assert re.findall(r"(?:fill|stroke): #[0-9a-f]+", svg) == []


NAMES = ("$\\frac{$", "a\nb\x00\x1b[31m", "\u5c42 /\u043a\u043e\u043d\u0432.1", "", EVIL)


def test_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    report = QuantReport(
        EVIL,
        steps=[(name, 0.5) for name in NAMES],
        layers=[replace(sample().layers[0], name=name, op=EVIL, weights=EVIL) for name in NAMES],
        sensitivity=[(name, 4, 0.1) for name in NAMES],
        sensitivity_unit=EVIL,
        trade=[(EVIL, 2, 0.5)],
        trade_unit=EVIL,
        settings={EVIL: {EVIL: EVIL}},
        notes=[EVIL],
    )
    write_report(report, tmp_path)
    page = Page((tmp_path / "report.html").read_text("utf-8"))

    assert not page.tags & {"script", "img"}
    assert page.texts.count(EVIL) >= 8
    assert {"$\\frac{$", "a\ufffdb\ufffd\ufffd[31m", NAMES[2]} <= set(page.texts)
    short = next(
        text for text in page.texts if text.startswith("<script>aler") and "\u2026" in text
    )
    assert len(short) == 36


def test_the_same_report_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    """In another process, under another hash seed, with the user's own matplotlib settings."""
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nsvg.fonttype: path\n")
    code = (
        "from gatesmith.report.write_test import sample, write_report; "
        "from pathlib import Path; write_report(sample(), Path('out'))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)

    for path in written.iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes(), path.name


def test_figures_are_pictures(written: Path) -> None:
    for name in FIGURES:
        data = (written / f"{name}.png").read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert b"Software" not in data
        assert int.from_bytes(data[16:20], "big") == 1536  # pixels


def test_what_is_empty_is_left_out(tmp_path: Path) -> None:
    (path,) = write_report(QuantReport("net"), tmp_path / "deep" / "net.html")
    page = Page(path.read_text("utf-8"))

    assert path == tmp_path / "deep" / "net.html"
    assert "svg" not in page.tags
    assert not {"h2", "table"} & page.tags


def test_figures_stand_beside_a_page_by_its_name(tmp_path: Path) -> None:
    report = replace(
        QuantReport("net"), history=[{"loss": 1.0, "accuracy": None, "held_out": None}]
    )
    files = write_report(report, tmp_path / "net.html")

    assert [path.name for path in files] == ["net.html", "net_training.png"]
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_many_layers_are_cut_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_PANELS", 4)
    picture = sample().activations["constant"]
    report = QuantReport("net", activations={f"a{i}": picture for i in range(5)})
    text = write_report(report, tmp_path)[0].read_text("utf-8")

    assert "The first 4 of 5." in text
    assert ">a3</text>" in text
    assert ">a4</text>" not in text


def test_where_a_report_cannot_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError) as caught:
        check_report(tmp_path / "report.pdf")
    assert (caught.value.code, caught.value.why) == (
        "report.out",
        "its name ends in .pdf, expected .html",
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as caught:
        write_report(QuantReport("net"), tmp_path)
    assert caught.value.code == "report.matplotlib"
    assert caught.value.fix[0] == 'pip install "gatesmith[quantize]"'
    assert list(tmp_path.iterdir()) == []
