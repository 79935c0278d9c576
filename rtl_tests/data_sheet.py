"""What a reader of a data sheet does with it: looks at the page, runs its Python, reads a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.rtl_tests.vectors import Port


class Page(HTMLParser):
    """Tags in use, and the text outside of tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def functions(page: str) -> Mapping[str, Callable[[Any], Any]]:
    """The Python of a data sheet (Markdown), as a reader would use it."""
    space: dict[str, Any] = {"np": np}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, space)  # the page's own code is what is tested
    return {name: found for name, found in space.items() if name.startswith(("to_", "from_"))}


def words(port: Port, path: Path) -> Iterator[list[int]]:
    """Frames of a file, each as its beats."""
    size, data = port.tdata_bits // 8, path.read_bytes()
    beats = [int.from_bytes(data[k : k + size], "big") for k in range(0, len(data), size)]
    for k in range(0, len(beats), port.beats):
        yield beats[k : k + port.beats]
