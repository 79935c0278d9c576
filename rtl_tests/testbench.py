"""The tb/ folder of a build: everything to run the bench again without gatesmith."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatesmith.codegen.render import plain, render

TEMPLATES = ("tb.sv", "main.sv", "probe.svh", "README.md", "Makefile")
PLAIN = ("bench.py", "toolchain.py", "shards.py", "run.py")


def bench_files(build: Mapping[str, Any]) -> dict[str, str]:
    """Text of each file below tb/, by name, for the content of build.json."""
    files = {name: render(f"tb/{name}.j2", build=build) for name in TEMPLATES}
    files |= {name: plain(f"tb/{name}") for name in PLAIN}
    return files
