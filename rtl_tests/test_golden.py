"""One rendered file per template, so that a review sees a change in the RTL.

After a change that is meant: GATESMITH_UPDATE_GOLDEN=1 pytest rtl_tests/test_golden.py, then look
at the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gatesmith import __version__
from gatesmith.codegen import top
from gatesmith.rtl_tests import test_dense, test_requantize, test_threshold, test_top, test_top_k

GOLDEN = Path(__file__).parent / "golden"


def rendered() -> dict[str, str]:
    chosen = {
        "dense_xnor_folded": test_dense.CASES,
        "dense_signed": test_dense.CASES,
        "threshold_signed": test_threshold.CASES,
        "requantize_per_channel": test_requantize.CASES,
        "top_k_digits_by_five": test_top_k.CASES,
    }
    files: dict[str, str] = {}
    for module, cases in chosen.items():
        (stage,) = (case.stage for case in cases if case.stage.module == module)
        files |= {name: text for name, text in stage.files().items() if name.startswith(module)}
    files["net.sv"] = top.render_top(test_top.chain("net", test_top.stages()), "net.onnx")
    made_by = f"gatesmith {__version__} "
    return {name: text.replace(made_by, "gatesmith ") for name, text in files.items()}


@pytest.mark.parametrize("name", sorted(rendered()))
def test_rendered_file_is_the_golden_one(name: str) -> None:
    text = rendered()[name]
    if os.environ.get("GATESMITH_UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_text(text, "utf-8")
    assert text == (GOLDEN / name).read_text("utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(rendered())
