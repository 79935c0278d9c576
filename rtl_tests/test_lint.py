"""Verilator -Wall, Icarus, slang and Yosys accept every block in every configuration."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pytest

from gatesmith.codegen import top
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.skid_buffer import SkidBufferStage
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.top_k import TopKStage
from gatesmith.codegen.width_converter import WidthConverterStage
from gatesmith.ir import BIPOLAR, Array, IntType
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.top_k import TopK
from gatesmith.rtl_tests import (
    bench,
    test_dense,
    test_dense_many,
    test_fifo,
    test_requantize,
    test_skid_buffer,
    test_threshold,
    test_top_k,
    test_width_converter,
)
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.test_top import chain

BLOCKS = {
    "dense": test_dense.CASES,
    "threshold": test_threshold.CASES,
    "requantize": test_requantize.CASES,
    "top_k": test_top_k.CASES,
    "width_converter": test_width_converter.CASES,
    "skid_buffer": test_skid_buffer.CASES,
    "fifo": test_fifo.CASES,
}


def network() -> list[Stage]:
    """A bipolar layer of 2 x 20 inputs, thresholds, arg-max; names as odd as ONNX allows."""
    x = Stream(BIPOLAR, 20, 2, 5)
    weights = Array([[1 if (3 * i + j) % 4 else -1 for j in range(20)] for i in range(6)])
    origin = ("/fc/MatMul\\", "ünï\ncode */ `define")
    dense = DenseStage("fc", "fc", origin, "net_fc", Dense(weights, BIPOLAR), x, 2)
    act = Threshold(Array([[-4, 0, 6]]), IntType(0, 3), Array([0]))
    threshold = ThresholdStage("act", "act", (), "net_act", act, dense.sink)
    skid = SkidBufferStage("act_skid", "act", (), threshold.sink)
    wider = WidthConverterStage("wider", "act", (), skid.sink, 6, 3)
    best = TopKStage("best", "best", (), "net_best", TopK(1), wider.sink)
    return [dense, threshold, skid, wider, best]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


def expect_clean(folder: Path, name: str) -> None:
    reports = lint(folder, name)
    found = {tool: report.messages for tool, report in reports.items() if report.messages}
    assert not found, "\n\n".join("\n".join([tool, *text]) for tool, text in found.items())
    skipped = [report.skipped for report in reports.values() if report.skipped]
    if len(skipped) == len(reports):
        pytest.skip("; ".join(skipped))


@pytest.mark.parametrize("block", BLOCKS)
def test_block_is_clean(block: str, tmp_path: Path) -> None:
    stages = [case.stage for case in BLOCKS[block]]
    write(tmp_path, dict(top.files(stages)) | {"tb.sv": bench.wrapper(stages)})
    expect_clean(tmp_path, "tb")


def test_top_level_is_clean(tmp_path: Path) -> None:
    stages: Sequence[Stage] = network()
    text = top.render_top(chain("net", stages), "mödel.onnx")
    write(tmp_path, dict(top.files(stages)) | {"net.sv": text})
    expect_clean(tmp_path, "net")


def test_same_input_gives_the_same_bytes() -> None:
    first, second = (
        dict(top.files(stages)) | {"net.sv": top.render_top(chain("net", stages))}
        for stages in (network(), network())
    )
    assert first == second


def test_faults_are_found(tmp_path: Path) -> None:
    stages = network()
    texts = dict(top.files(stages)) | {"net.sv": top.render_top(chain("net", stages))}
    texts["net_fc.sv"] = texts["net_fc.sv"].replace("assign finished", "assign missing", 1)
    write(tmp_path, texts)
    for tool, report in lint(tmp_path, "net").items():
        assert report.messages or report.skipped, tool


@pytest.mark.slow
def test_many_folds_are_clean(tmp_path: Path) -> None:
    stages = [case.stage for case in test_dense_many.CASES]
    write(tmp_path, dict(top.files(stages)) | {"tb.sv": bench.wrapper(stages)})
    expect_clean(tmp_path, "tb")


def test_no_assertion_is_judged_at_the_first_edge() -> None:
    """rst is a register, random until then: an assertion that it disables looks an edge later."""
    folder = resources.files("gatesmith.templates.sv")
    texts = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.is_file()}
    asserting = [name for name, text in texts.items() if "assert property" in text]
    assert len(asserting) > 10
    assert [name for name in asserting if "|->" in texts[name]] == []
