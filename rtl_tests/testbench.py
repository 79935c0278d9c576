"""The tb/ folder of a build: everything to run the bench again without gatesmith."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatesmith.codegen.render import plain, render
from gatesmith.rtl_tests.stream_sums import FACTOR, streams_of

TEMPLATES = ("tb.sv", "main.sv", "probe.svh", "streams.svh", "README.md", "Makefile")
PLAIN = ("bench.py", "toolchain.py", "cache.py", "shards.py", "run.py")


def bench_files(build: Mapping[str, Any]) -> dict[str, str]:
    """Text of each file below tb/, by name, for the content of build.json."""
    context = {"build": build, "streams": streams_of(build), "factor": FACTOR}
    files = {name: render(f"tb/{name}.j2", **context) for name in TEMPLATES}
    files |= {name: plain(f"tb/{name}") for name in PLAIN}
    return files
