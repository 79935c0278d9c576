"""benchmarks/ is not type-checked and runs seldom: what it imports from the product is there."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.rglob("*.py")) if BENCHMARKS.is_dir() else []


@pytest.mark.skipif(not SCRIPTS, reason="benchmarks/ is not beside the package")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_imports_of_the_product_are_there(script: Path) -> None:
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gatesmith":
            assert node.module is not None
            module = importlib.import_module(node.module)
            for name in node.names:
                found = hasattr(module, name.name)
                if not found:  # a module of its own
                    importlib.import_module(f"{node.module}.{name.name}")
