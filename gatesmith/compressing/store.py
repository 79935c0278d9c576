"""Finished stages as files, found again by what they were made from.

A stage is ``N_KIND_KEY.json`` with its figures and, where it makes a network, the ``.onnx`` of the
same name. KEY is a hash of everything that decides what comes out: options, the bytes of the
network and of the data, gatesmith's version. The .json is written last, whole or not at all, and
has the hash of the .onnx: a stage that was interrupted, or whose file was changed, is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from gatesmith import __version__
from gatesmith.errors import UserError

Content = Mapping[str, Any]
Work = Callable[[Path, Path], Content]
"""Makes a stage: gets the .onnx to write and a file for checkpoints."""

DIGITS = 12
"""Of the key, in file names."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A finished stage.

    Attributes:
        name: For people.
        kind: float, prune, quantize, code or build.
        network: The network behind it.
        file: Its .json.
        content: Its figures.
        resumed: Whether it was there already.
        seconds: That it took in this run.
    """

    name: str
    kind: str
    network: Path
    file: Path
    content: Content
    resumed: bool
    seconds: float


@dataclass(slots=True, eq=False)
class Store:
    """A folder of stages.

    Attributes:
        folder: It is made when the first stage is.
        known: Stages of this run, by key.
    """

    folder: Path
    known: dict[str, Stage] = field(default_factory=dict)

    def stage(
        self, number: int, kind: str, name: str, made_from: Content, *, before: Path, work: Work
    ) -> Stage:
        """The stage, made only where it is not there.

        Args:
            number: Steps before it.
            kind: What it does.
            name: For people.
            made_from: Everything that decides what comes out, as JSON.
            before: The network that it reads, which stays the network where it makes none.
            work: Makes it.
        """
        key = key_of(kind, made_from)
        if key in self.known:
            return self.known[key]
        stem = f"{number}_{kind}_{key[:DIGITS]}"
        file, network = self.folder / f"{stem}.json", self.folder / f"{stem}.onnx"
        content = _finished(file, network, key)
        resumed, started = content is not None, perf_counter()
        if content is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            made = _fresh(work, network, self.folder / f"{stem}.pt")
            content = {
                "gatesmith": __version__,
                "stage": kind,
                "key": key,
                "made_from": made_from,
                "network": network.name if network.exists() else None,
                "sha256": digest(network) if network.exists() else None,
                **made,
            }
            write_json(file, content)
            _tidy(self.folder, stem)
        took = 0.0 if resumed else perf_counter() - started
        own = network if content["network"] is not None else before
        self.known[key] = Stage(name, kind, own, file, content, resumed, took)
        return self.known[key]


def key_of(kind: str, made_from: Content) -> str:
    """SHA-256, in hexadecimal."""
    text = json.dumps([__version__, kind, made_from], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file, or of all files below a folder with their names."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    found = hashlib.sha256()
    for inner in sorted(p for p in path.rglob("*") if p.is_file()):
        found.update(f"{inner.relative_to(path).as_posix()}\0{digest(inner)}\n".encode())
    return found.hexdigest()


def write_json(file: Path, content: Content) -> None:
    """Whole or not at all; the same content gives the same bytes."""
    write_bytes(file, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def write_bytes(file: Path, content: bytes) -> None:
    """Whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(content)
    os.replace(part, file)


def _finished(file: Path, network: Path, key: str) -> Content | None:
    """What a stage found, if all of it is there."""
    try:
        content: Content = json.loads(file.read_text("utf-8"))
        whole = content["key"] == key and content["sha256"] in (
            None if content["network"] is None else digest(network),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if whole else None


def _fresh(work: Work, network: Path, checkpoint: Path) -> Content:
    """The work, begun again where a checkpoint is of another training (an older gatesmith's)."""
    network.unlink(missing_ok=True)
    try:
        return work(network, checkpoint)
    except UserError as error:
        if error.code != "quantize.checkpoint":
            raise
        _tidy(checkpoint.parent, checkpoint.stem)
        return work(network, checkpoint)


def _tidy(folder: Path, stem: str) -> None:
    """Remove the checkpoints of a stage."""
    for path in folder.glob(f"{stem}.pt*"):
        path.unlink()
