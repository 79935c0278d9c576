"""One wrong bit in a generated core is noticed, and the layer that it is in is named.

In every weight memory, every threshold memory, and on streams between the stages of the digits
example. Weights and thresholds are no part of the simulator, so these need one build together.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import gatesmith
from gatesmith.api import build as build_core
from gatesmith.rtl_tests import mutate
from gatesmith.rtl_tests.verify import verify
from gatesmith.templates.tb import toolchain

DIGITS = Path(gatesmith.__file__).parents[1] / "examples" / "digits"
SHARD_SAFE = 40
"""Frames after which a beat is lost; a process of a sharded run sees at least so many."""

try:
    toolchain.find_cocotb()
    toolchain.find_verilator()
except toolchain.ToolError as missing:
    pytest.skip(f"no simulator: {missing}", allow_module_level=True)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutated") / "right"
    build_core(DIGITS / "digits_2w2a.onnx", folder, cycles=50, input_spec="u5:1/16")
    return folder


@pytest.fixture
def core(right: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(right, tmp_path / "core"))


def stages(folder: Path, kind: str) -> list[str]:
    build = json.loads((folder / "build.json").read_text("utf-8"))
    return [stage["name"] for stage in build["stages"] if stage["kind"] == kind]


def caught_in(folder: Path) -> str:
    """The layer that is blamed."""
    verdict = verify(folder, DIGITS / "digits_test.npz")
    assert not verdict.all_equal
    assert verdict.equal < verdict.frames
    assert verdict.mismatch is not None
    assert (folder / "verify" / "window.vcd").stat().st_size > 0
    return str(verdict.mismatch["layer"])


def test_unchanged_core_passes(core: Path) -> None:
    verdict = verify(core, DIGITS / "digits_test.npz")

    assert verdict.all_equal
    assert verdict.mismatch is None


@pytest.mark.parametrize(("layer", "bit"), [(0, 2 * 28), (1, 2), (2, 2)])
def test_one_weight_bit(layer: int, bit: int, core: Path) -> None:
    """A low bit, for the high one of a ternary 0 says nothing; of a pixel that is not always 0."""
    name = stages(core, "Dense")[layer]
    (memory,) = (core / "rtl").glob(f"*_{name}_weights.mem")

    mutate.flip_bit(memory, word=1, bit=bit)

    assert caught_in(core) == name


@pytest.mark.parametrize("layer", range(2))
def test_one_threshold_bit(layer: int, core: Path) -> None:
    name = stages(core, "Threshold")[layer]
    (memory,) = (core / "rtl").glob(f"*_{name}_thresholds.mem")

    mutate.flip_bit(memory, word=1, bit=3)

    assert caught_in(core) == name


@pytest.mark.parametrize("kind", ["Requantize", "Threshold"])
def test_one_lost_beat(kind: str, core: Path) -> None:
    build = json.loads((core / "build.json").read_text("utf-8"))
    names = [stage["name"] for stage in build["stages"]]
    at = names.index(stages(core, kind)[0])
    beats = int(build["stages"][at]["sinks"][0]["beats"])

    mutate.drop_beat(core / "rtl" / f"{build['top']}.sv", names[at], SHARD_SAFE * beats + 1)

    assert caught_in(core) in names[at : at + 3]  # nothing was wrong in the stage's own output
