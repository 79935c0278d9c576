"""The build that is to be synthesised, and whether it can fit."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatesmith.build_json import FORMAT
from gatesmith.errors import UserError
from gatesmith.synthesis.devices import Device


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A build folder.

    Attributes:
        content: build.json.
        sources: Files of rtl/, as files.f lists them.
    """

    folder: Path
    content: dict[str, Any]
    sources: tuple[str, ...]

    @property
    def top(self) -> str:
        """The top module."""
        return str(self.content["top"])

    @property
    def stages(self) -> list[dict[str, Any]]:
        """Stages, as build.json has them."""
        return list(self.content["stages"])


def read(folder: Path) -> Given:
    """The build in a folder. Errors: ``synth.no-build``."""
    try:
        content: dict[str, Any] = json.loads((folder / "build.json").read_text("utf-8"))
        why = "" if content["format"] == FORMAT else f"format {content['format']}, not {FORMAT}"
        sources = tuple((folder / "rtl" / "files.f").read_text("utf-8").split())
        missing = [name for name in sources if not (folder / "rtl" / name).is_file()]
        why = why or (f"rtl/{missing[0]} is missing" if missing else "")
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
    except (ValueError, KeyError, TypeError) as error:
        why = f"build.json cannot be read: {type(error).__name__}: {error}"
    if why:
        raise UserError(
            "synth.no-build",
            "this is no build folder that can be synthesised",
            where=str(folder),
            why=why,
            fix=("give the folder that gatesmith build -o wrote", "run gatesmith build again"),
        )
    return Given(folder, content, sources)


def predicted(cost: dict[str, int]) -> dict[str, float]:
    """build.json's cost in the units of a device's capacity."""
    return {
        "lut": cost["lut"],
        "ff": cost["ff"],
        "dsp": cost["dsp"],
        "bram_kbits": round(cost["ram_bits"] / 1024, 1),
    }


def check_fit(needs: dict[str, float], device: Device, how: str, fix: tuple[str, ...]) -> None:
    """That what is needed is there. Errors: ``synth.does-not-fit``.

    Args:
        needs: By resource of a device.
        device: The device.
        how: Where the numbers come from.
        fix: What can be done about it.
    """
    words = {"lut": "LUT", "ff": "flip-flops", "dsp": "DSP", "bram_kbits": "kbit of block RAM"}
    over = [
        f"{needs[key]:,} {words[key]} of {there:,}"
        for key, there in device.capacity.items()
        if needs[key] > there
    ]
    if over:
        raise UserError(
            "synth.does-not-fit",
            f"the design does not fit {device.name} ({device.about})",
            where=f"--device {device.name}",
            why=f"{how}: {', '.join(over)}",
            fix=fix,
        )


def write_json(folder: Path, name: str, content: Mapping[str, Any]) -> Path:
    """FOLDER/synth/NAME.json, whole or not at all."""
    path = folder / "synth" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        fresh.write_text(json.dumps(content, indent=1) + "\n", "utf-8", newline="\n")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path
