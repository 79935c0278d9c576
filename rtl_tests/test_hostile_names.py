"""Names out of an ONNX file stay text in every file of a build.

A network is built twice: with hostile names, and with the plain identifiers that the frontend makes
of them. What is left of each file without its comments and strings must be the same: a name that
closed a comment, a string, an element or a line would change it.
"""

from __future__ import annotations

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import onnx
import pytest

import gatesmith
from gatesmith.frontend.names import identifier
from gatesmith.rtl_tests import lint
from gatesmith.rtl_tests.fuzz.values import NAMES
from gatesmith.rtl_tests.qonnx_builder import Net

PARTS = 6
"""Networks that share the names out among them."""

LONGEST = 6000
CODE = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
HASH = re.compile(r'"(?:\\.|[^"\\])*"|(?m:#[^\n]*)', re.DOTALL)
NUMBER = re.compile(r"\b[0-9a-f]{8,64}\b")
"""Hashes: of the model, of files."""


def network(names: list[str]) -> onnx.ModelProto:
    """A small one with as many names."""
    net = Net((4,), 5)
    net.quant(3, 0.5)
    while len(net.nodes) < len(names) - 2:
        net.dense(4, 4, 2).quant(2, 1.0)
    net.put("ArgMax", axis=1)
    plain = [node.name for node in net.nodes]
    model = net.model(kind=onnx.TensorProto.INT64)
    renamed = dict(zip(plain, names, strict=False))
    for node in model.graph.node:
        node.name = renamed.get(node.name, node.name)
    model.graph.input[0].name = names[-2]
    model.graph.output[0].name = names[-1]
    for node in model.graph.node:
        node.input[:] = [names[-2] if name == "x" else name for name in node.input]
        node.output[:] = [names[-1] if name == net.current else name for name in node.output]
    return model


def chosen(part: int) -> tuple[list[str], list[str]]:
    """Hostile names whose identifiers are all different, and these identifiers."""
    found: dict[str, str] = {}
    for name in NAMES[part::PARTS]:
        if name and len(name) < LONGEST:
            found.setdefault(identifier(name).lower(), name)
    plain = [identifier(name) for name in found.values()]
    return list(found.values()), plain


class Tags(HTMLParser):
    """Elements and their attributes, without text and values."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}",))


def skeleton(path: Path) -> Any:
    """What a file says to its reader, without names and other text."""
    if path.suffix in {".npz", ".bin", ".onnx"}:
        return None
    text = NUMBER.sub("#", path.read_text("utf-8"))
    if path.suffix in {".json", ".core"}:
        content = text.removeprefix("CAPI=2:\n")
        if path.suffix == ".json":
            return keys(json.loads(content))
        yaml = pytest.importorskip("yaml")
        return keys(yaml.safe_load(content))
    if path.suffix in {".xml", ".svg"}:
        return [(element.tag, sorted(element.attrib)) for element in ET.fromstring(text).iter()]
    if path.suffix == ".html":
        page = Tags()
        page.feed(text)
        return page.found
    if path.suffix == ".md":
        return [line.count("|") - line.count("\\|") for line in text.splitlines()]
    if path.suffix in {".sv", ".svh", ".cpp", ".h", ".v"}:
        joined = text.replace("??/\n", "").replace("\\\n", "")
        return CODE.sub(lambda found: " ", joined)
    return HASH.sub(" ", text.replace("\\\n", ""))


def keys(content: Any) -> Any:
    """Structure without texts; what hangs on a name's length or order is left out."""
    if isinstance(content, dict):
        return {
            key if re.fullmatch(r"[\w .-]+", key) else "": keys(v) for key, v in content.items()
        }
    return [keys(entry) for entry in content] if isinstance(content, list) else type(content)


@pytest.fixture(scope="module", params=range(PARTS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A build with hostile names, one with plain ones."""
    folders = []
    for kind, names in zip(("hostile", "plain"), chosen(request.param), strict=True):
        folder = tmp_path_factory.mktemp(kind)
        onnx.save(network(names), folder / "net.onnx")
        folders.append(gatesmith.build(folder / "net.onnx", folder / "out", cycles=64).folder)
    return folders


def test_every_file_says_the_same(pair: tuple[Path, Path]) -> None:
    hostile, plain = pair
    files = {path.relative_to(plain) for path in plain.rglob("*") if path.is_file()}
    assert {p.relative_to(hostile) for p in hostile.rglob("*") if p.is_file()} == files
    wrong = [str(p) for p in sorted(files) if skeleton(hostile / p) != skeleton(plain / p)]
    assert wrong == []


def test_verilator_reads_it(pair: tuple[Path, Path]) -> None:
    hostile, _ = pair
    report = lint._verilator(sorted((hostile / "rtl").glob("*.sv")), "net")
    if report.skipped:
        pytest.skip(report.skipped)
    assert report.messages == ()


def test_make_reads_it(pair: tuple[Path, Path]) -> None:
    hostile, _ = pair
    for file in hostile.rglob("Makefile*"):
        try:
            done = subprocess.run(
                ["make", "--dry-run", "--file", file.name, "clean"],
                cwd=file.parent,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            pytest.skip("no make on PATH")
        assert "missing separator" not in done.stderr
        assert not (file.parent / "evil").exists()


def test_no_template_is_evaluated(pair: tuple[Path, Path]) -> None:
    hostile, _ = pair
    told = (hostile / "build.json").read_text("utf-8")
    for name in NAMES:
        if "{{" in name and json.dumps(name, ensure_ascii=False)[1:-1] in told:
            assert "49" not in [entry for entry in re.findall(r'"origin": \[\s*"([^"]*)"', told)]
