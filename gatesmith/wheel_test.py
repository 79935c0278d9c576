"""A wheel is whole: the linked stages, every template, and it works away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import gatesmith.codegen, gatesmith.frontend.importer, gatesmith.quant.lower
from gatesmith.codegen.render import plain
from gatesmith.cli import main
assert "module gs_adder_tree" in plain("sv/gs_adder_tree.sv")
raise SystemExit(main(["inspect", "digits.onnx", "--input", "u5:1/16", "--json"]))
"""


@pytest.mark.slow
def test_wheel_builds_and_runs_elsewhere(tmp_path: Path) -> None:
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("this is an installed package, not the source tree")
    source = tmp_path / "source"  # setuptools writes into the tree that it builds
    shutil.copytree(ROOT, source, symlinks=True, ignore=shutil.ignore_patterns(".*", "build"))
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
        content.extractall(tmp_path / "site")
    templates = [p for p in (ROOT / "templates").rglob("*") if p.is_file()]
    wanted = {f"gatesmith/{p.relative_to(ROOT)}" for p in templates if "__pycache__" not in p.parts}
    wanted |= {"gatesmith/constraints.txt", "gatesmith/py.typed", "gatesmith/rtl_tests/verify.py"}
    wanted |= {f"gatesmith/synthesis/devices/{family}.toml" for family in ("ecp5", "xcup")}
    assert wanted - names == set()

    (tmp_path / "digits.onnx").write_bytes(
        (ROOT / "examples" / "digits" / "digits_2w2a.onnx").read_bytes()
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    layers = json.loads(done.stdout)["layers"]
    assert sum(layer["op"] == "Dense" for layer in layers) == 3
