"""The files of a benchmark: JSON, CSV and plot; places are checked before anything is measured."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from gatesmith.benching import picture
from gatesmith.benching.result import Benched
from gatesmith.errors import UserError, raise_all


@dataclass(frozen=True, slots=True)
class Files:
    """Where results go; None: nowhere.

    Attributes:
        out: JSON.
        keep: Folder for a JSON whose name has the model and the date.
        csv: Rows.
        plot: PNG.
    """

    out: Path | None = None
    keep: Path | None = None
    csv: Path | None = None
    plot: Path | None = None

    def check(self) -> None:
        """Errors: ``bench.out``, ``report.matplotlib``."""
        given = {"--out": self.out, "--csv": self.csv, "--plot": self.plot}
        errors = [
            _cannot_write(option, path, why)
            for option, path in given.items()
            if path is not None and (why := _trouble(path))
        ]
        if self.keep is not None and not (self.keep.is_dir() and os.access(self.keep, os.W_OK)):
            errors.append(_cannot_write("--keep", self.keep, "it is no folder that can be written"))
        raise_all(errors)
        if self.plot is not None:
            picture.check()

    def write(self, found: Benched) -> None:
        """All that are wanted, each whole or not at all. Errors: ``bench.out``."""
        stamp = re.sub(r"[-:]|\+.*", "", found.date)  # 20260131T120000, UTC
        text = json.dumps(found.as_json(), indent=1) + "\n"
        if self.out is not None:
            _put("--out", self.out, text.encode())
        if self.keep is not None:
            _put(
                "--keep",
                self.keep / f"bench-{found.model['name']}-{stamp}.json",
                text.encode(),
            )
        if self.csv is not None:
            _put("--csv", self.csv, found.as_csv().encode())
        if self.plot is not None:
            _put("--plot", self.plot, picture.image(found))


def _trouble(path: Path) -> str:
    """Why a file cannot be written, as far as that can be known before."""
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        return "it cannot be written"
    return ""


def _put(option: str, path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise _cannot_write(option, path, error.strerror or str(error)) from error


def _cannot_write(option: str, path: Path, why: str) -> UserError:
    return UserError(
        "bench.out",
        "cannot write a result",
        where=f"{option} {path}",
        why=why,
        fix=("name a file in a folder that is there and that you may write",),
    )
