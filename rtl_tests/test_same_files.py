"""The same model gives the same bytes: in other processes, places, languages, with other users."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from gatesmith.rtl_tests import (  # the networks register themselves
    branching_networks,
    exit_networks,
    integer_networks,
    qonnx_networks,
)
from gatesmith.rtl_tests.fuzz.killed import contents
from gatesmith.rtl_tests.qonnx_builder import NETWORKS, Network

REGISTER = (branching_networks, integer_networks, qonnx_networks)

JOBS: dict[str, tuple[str, ...]] = {
    "rounded_scores": (),
    "two_ends": ("--cycles", "64"),
    "finn_channels_first": ("--unroll", "all"),
}
"""By network: options of the build."""

MORE: dict[str, tuple[str, ...]] = {
    "fire": ("--cycles", "500"),
    "bipolar_input": ("--unroll", "all"),
    "early_exit": ("--input", "u8:1/256", "--exit", "early:0.5"),
    "mobilenet": ("--budget", "20000"),
    "radio": ("--fps", "10000", "--clock-mhz", "100"),
    "resnet_own_scales": ("--device", "ice40up5k"),
    "audio": ("--latency-us", "50", "--clock-mhz", "100"),
    "gated": (),
    "strange_names": (),
}

SCRIPT = """
import json, os, sys
os.umask(int(sys.argv[1], 8))
from gatesmith.cli import main
for words in json.loads(sys.argv[2]):
    code = main(words)
    if code:
        sys.exit(code)
"""

ENVIRONMENTS = (
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LANG": "C", "LC_ALL": "C"}
    | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LANG": "tr_TR.UTF-8"}
    | {"LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "1", "USER": "someone", "COLUMNS": "40"}
    | {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "OPENBLAS_CORETYPE": "Prescott"}
    | {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX2 FMA3"},
)
"""The last looks to NumPy and OpenBLAS like an old processor."""


def build_all(jobs: dict[str, tuple[str, ...]], folder: Path, number: int) -> dict[str, str]:
    """Hash of every build, made in one process of its own."""
    models, home = folder / "models", folder / "home"
    models.mkdir(parents=True)
    home.mkdir()
    lines = []
    for name, options in jobs.items():
        network = Network(exit_networks.chain()) if name == "early_exit" else NETWORKS[name](True)
        onnx.save(network.model, models / f"{name}.onnx")
        spec = () if network.spec is None else ("--input", network.spec)
        words = ["build", os.path.relpath(models / f"{name}.onnx", home)]
        lines.append([*words, "-o", str(folder / "out" / name), *spec, *options])
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONHASH"))}
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": str(root), "HOME": str(home)} | ENVIRONMENTS[number]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, ("22", "77")[number], json.dumps(lines)],
        cwd=home,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(home.iterdir()) == []
    return {name: contents(folder / "out" / name) for name in jobs}


def compare(jobs: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    first = build_all(jobs, tmp_path / "a", 0)
    second = build_all(jobs, tmp_path / "b" / "somewhere else" / "moved", 1)
    for name in jobs:
        if first[name] != second[name]:
            one, two = tmp_path / "a/out" / name, tmp_path / "b/somewhere else/moved/out" / name
            differ = [
                str(path.relative_to(one))
                for path in sorted(one.rglob("*"))
                if path.is_file()
                and path.read_bytes() != (two / path.relative_to(one)).read_bytes()
            ]
            pytest.fail(f"{name}: {differ}")


def test_same_files_everywhere(tmp_path: Path) -> None:
    compare(JOBS, tmp_path)


@pytest.mark.slow
def test_same_files_everywhere_of_more_networks(tmp_path: Path) -> None:
    compare(MORE, tmp_path)


def test_a_moved_build_is_the_same(tmp_path: Path) -> None:
    """The sum in build.json are of the files, and nothing in them says where they are."""
    build_all({"rounded_scores": ()}, tmp_path / "a", 0)
    out = tmp_path / "a" / "out" / "rounded_scores"
    before = contents(out)
    shutil.move(out, tmp_path / "moved")
    assert contents(tmp_path / "moved") == before
    for path in (tmp_path / "moved").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path.name
