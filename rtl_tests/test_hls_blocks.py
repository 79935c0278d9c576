"""Blocks of the HLS library: what they compute, no warning, pragmas where they belong."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gatesmith import codegen
from gatesmith.codegen.early_exit import EarlyExitStage
from gatesmith.codegen.gate import GateStage
from gatesmith.codegen.hls.kernel import KERNELS
from gatesmith.codegen.hls.kernels import PASSING
from gatesmith.codegen.stream import Stage
from gatesmith.errors import UserError
from gatesmith.rtl_tests import hls_blocks
from gatesmith.rtl_tests.bench import Case
from gatesmith.rtl_tests.csim import find_headers
from gatesmith.rtl_tests.pragmas import problems
from gatesmith.templates.tb import toolchain

IN_NETWORKS = {GateStage, EarlyExitStage}
"""Stages that are tested there: they see other frames on each side."""

try:
    find_headers()
    toolchain.find_compiler()
except (UserError, toolchain.ToolError) as missing:
    pytest.skip(str(missing), allow_module_level=True)


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from subclasses(sub)


def concrete() -> set[type[Any]]:
    """Every class of stages that can be made."""
    for module in pkgutil.walk_packages(codegen.__path__, "gatesmith.codegen."):
        if not module.name.endswith("_test"):
            importlib.import_module(module.name)
    return {  # a dataclass with slots replaces the class that was written
        stage
        for stage in subclasses(Stage)
        if stage.__module__.startswith("gatesmith.codegen.")
        and not stage.__module__.endswith("_test")  # another test's, in the same process
        and getattr(sys.modules[stage.__module__], stage.__name__) is stage
        and not inspect.isabstract(stage)
    }


def some(count: int) -> list[Case]:
    """A few cases of each block, as far apart as its list allows."""
    found = []
    for stem in hls_blocks.STEMS:
        cases = hls_blocks.cases(stem)
        step = max(1, len(cases) // count)
        found += cases[::step][:count]
    return found


FEW, FEWER = some(2), some(1)


def test_every_stage_has_a_kernel() -> None:
    """Of which some case is tested here, unless it is tested in networks."""
    assert concrete() - set(PASSING) == set(KERNELS)
    tested = {type(case.stage) for stem in hls_blocks.STEMS for case in hls_blocks.cases(stem)}
    assert set(KERNELS) - tested == IN_NETWORKS


@pytest.mark.parametrize(
    ("types", "cases"), [("fast", FEW), ("ap_int", FEWER)], ids=("fast", "ap_int")
)
def test_a_few_of_each_equal_the_reference(types: str, cases: list[Case], tmp_path: Path) -> None:
    assert hls_blocks.differing(cases, tmp_path, types) == {}


@pytest.mark.slow
@pytest.mark.parametrize("types", ["fast", "ap_int"])
@pytest.mark.parametrize("stem", hls_blocks.STEMS)
def test_all_equal_the_reference(stem: str, types: str, tmp_path: Path) -> None:
    assert hls_blocks.differing(hls_blocks.cases(stem), tmp_path, types) == {}


@pytest.mark.parametrize(
    ("standard", "define"),
    [("c++14", "GS_CHUNKS"), ("c++14", "GS_AP_INT"), ("c++11", "GS_VIVADO_HLS")],
)
def test_no_warning(standard: str, define: str, tmp_path: Path) -> None:
    """HLS pragmas aside, which g++ cannot know. Vivado HLS has no later standard than C++11."""
    hls_blocks.write(FEWER, tmp_path)
    command = [toolchain.find_compiler(), f"-std={standard}", "-Wall", "-Wextra", "-fsyntax-only"]
    command += ["-Wno-unknown-pragmas", f"-D{define}", "-isystem", str(find_headers())]
    for name in ("blocks.cpp", "blocks_tb.cpp"):
        done = subprocess.run(
            [*command, str(tmp_path / "hls" / name)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr[:3000]) == (0, "")


def test_pragmas_are_where_they_belong(tmp_path: Path) -> None:
    hls_blocks.write(FEW, tmp_path)
    files = [*sorted((tmp_path / "hls").rglob("*.h")), tmp_path / "hls" / "blocks.cpp"]
    found = {path.name: problems(path.read_text("utf-8"), "blocks") for path in files}
    assert not any(found.values()), {name: told for name, told in found.items() if told}
    text = "".join(path.read_text("utf-8") for path in files)
    for name in ("PIPELINE", "UNROLL", "ARRAY_PARTITION", "ARRAY_RESHAPE", "DATAFLOW", "STREAM"):
        assert f"#pragma HLS {name}" in text


BLOCK = """
template <class T>
void block(hls::stream<int>& s, const int (&rom)[4][2]) {
#pragma HLS ARRAY_RESHAPE variable=rom complete dim=2
    int x[3];
#pragma HLS ARRAY_PARTITION variable=x complete
    for (int i = 0; i < 3; i++) {
#pragma HLS PIPELINE II=1
        x[i] = s.read();
    }
}
void core(hls::stream<int>& a) {
#pragma HLS INTERFACE axis port=a
#pragma HLS DATAFLOW
    hls::stream<int> b("b");
#pragma HLS STREAM variable=b depth=2
    block<int>(a, b);
}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("PIPELINE II=1", "PIPELIN II=1", "line 8: PIPELIN is not known"),
        ("PIPELINE II=1", "PIPELINE III=1", "line 8: PIPELINE has no option III=1"),
        ("variable=x complete", "variable=y complete", "line 6: there is no array y"),
        ("complete dim=2", "complete dim=3", "line 4: rom has no dimension 3"),
        ("variable=b depth", "variable=c depth", "line 16: there is no stream c"),
        ("axis port=a", "axis port=b", "line 13: the top function has no b"),
        (
            "    int x[3];\n#pragma HLS ARRAY_PARTITION variable=x complete",
            "#pragma HLS PIPELINE II=1\n    int x[3];",
            "line 5: PIPELINE is not at the beginning of a loop",
        ),
        (
            "#pragma HLS PIPELINE II=1\n        x[i] = s.read();",
            "        x[i] = s.read();\n#pragma HLS PIPELINE II=1",
            "line 9: PIPELINE is not at the beginning of a loop",
        ),
        ("void core(", "void other(", "line 14: DATAFLOW is not in the top function"),
    ],
)
def test_what_the_check_of_pragmas_finds(right: str, wrong: str, told: str) -> None:
    assert problems(BLOCK, "core") == []
    assert right in BLOCK
    assert told in problems(BLOCK.replace(right, wrong), "core")
