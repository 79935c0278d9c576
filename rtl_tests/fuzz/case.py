"""One damaged file with everything that lies beside it, and how it is handed to the command."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import onnx

SECRET = b"canary-7f3a9d51-outside-the-folder-of-the-model"
"""Content of a file outside the model's folder, four times; may never turn up in a build."""

SECRET_NAME = "secret.bin"


@dataclass(slots=True)
class Case:
    """A file to be.

    Attributes:
        model: Parsed form; what is not None in ``raw`` goes before it.
        rng: Everything random about the case comes from here.
        donor: Another model, to take parts from.
        raw: Bytes of the file, where it is damaged below the level of protobuf.
        name: Of the file.
        beside: Other files in its folder, by path below it.
        links: Symbolic links in its folder: path below it, and where it leads.
        options: Words behind ``gatesmith build MODEL -o DIR``.
        odd: What stands where the file should be: "folder", "fifo", "loop", "nothing", "device".
    """

    model: onnx.ModelProto
    rng: random.Random
    donor: onnx.ModelProto
    raw: bytes | None = None
    name: str = "model.onnx"
    beside: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    odd: str = ""

    @property
    def graph(self) -> onnx.GraphProto:
        """The model's graph."""
        return self.model.graph

    def data(self) -> bytes:
        """Bytes of the file."""
        if self.raw is not None:
            return self.raw
        made: bytes = self.model.SerializePartialToString(deterministic=True)
        return made

    def write(self, folder: Path) -> Path:
        """Put it all into a new folder; returns the path of the model."""
        folder.mkdir()
        (folder.parent / SECRET_NAME).write_bytes(SECRET * 4)
        path = folder / self.name
        match self.odd:
            case "folder":
                path.mkdir()
            case "fifo":
                os.mkfifo(path)
            case "loop":
                path.symlink_to(path.name)
            case "device":
                path.symlink_to("/dev/zero")
            case "nothing":
                pass
            case _:
                path.write_bytes(self.data())
        for name, content in self.beside.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        for name, target in self.links.items():
            (folder / name).symlink_to(target)
        return path


Damage: TypeAlias = Callable[[Case], None]
"""Changes a case in place."""

DAMAGES: dict[str, Damage] = {}
"""By name, in the order of the table in docs/robustness.md."""


def damage(function: Damage) -> Damage:
    """Register a kind of damage under its name."""
    DAMAGES[function.__name__] = function
    return function
