"""A training that can be interrupted: its whole state in a file, replaced after each epoch."""

from __future__ import annotations

import hashlib
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gatesmith.errors import UserError
from gatesmith.ir import Array, Graph

VERSION = 1
_ELSEWHERE = {"checkpoint", "device"}
"""Options that do not change what is computed, or only by rounding."""


def fingerprint(graph: Graph, teacher: Graph | None, options: Any, data: tuple[Any, ...]) -> str:
    """SHA-256 of everything that a training is made from, in hexadecimal."""
    digest = hashlib.sha256()
    for which in (graph, teacher):
        digest.update(b"none" if which is None else _text(which).encode())
    for entry in fields(options):
        if entry.name not in _ELSEWHERE:
            digest.update(f"{entry.name}={getattr(options, entry.name)!r};".encode())
    _add(digest, data)
    return digest.hexdigest()


def _text(graph: Graph) -> str:
    """With the whole content of every array."""
    lines = [str(graph)]
    for node in graph:
        attributes = (getattr(node.op, f.name) for f in fields(node.op))
        lines += [value.digest for value in attributes if isinstance(value, Array)]
    return "\n".join(lines)


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, tuple):
        for item in value:
            _add(digest, item)
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    else:
        digest.update(repr(value).encode())


class Checkpoint:
    """One file.

    Args:
        path: Where; None writes nothing.
        key: Fingerprint of the training it belongs to.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self.path, self.key = path, key

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file at once: a reader sees the old state or the new one."""
        if self.path is None:
            return
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            torch.save({"version": VERSION, "key": self.key, **state}, new)
            os.replace(new, self.path)
        finally:
            new.unlink(missing_ok=True)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The state, or None where there is no file.

        Raises:
            UserError: quantize.checkpoint, for a file of another training, or no checkpoint.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location=device, weights_only=True)
            version, key = state["version"], state["key"]
        except Exception as problem:  # torch has no one class for files that are not its own
            raise self._refused("it cannot be read as one") from problem
        if (version, key) != (VERSION, self.key):
            raise self._refused("it is of another model, other data or other options")
        assert isinstance(state, dict)
        return state

    def _refused(self, why: str) -> UserError:
        return UserError(
            "quantize.checkpoint",
            f"{self.path} is not a state of this training",
            where=str(self.path),
            why=why,
            fix=("remove the file to begin again", "name another file", "go back to its options"),
        )
