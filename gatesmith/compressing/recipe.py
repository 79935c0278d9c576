"""A recipe file, read and checked as a whole before any work.

1. it is TOML; 2. its tables and keys are known, its files are there; 3. ``[[pareto]]`` names keys
of steps; 4. every network that it stands for has steps that the commands would take; 5. accuracies
of all steps are of the same frames. Everything that is wrong is said at once: ``compress.recipe``.

The recipe as written is the first network, and its result; a key that it leaves to ``[[pareto]]``
has the first value there. The others are all combinations of each ``[[pareto]]`` table's values.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatesmith.compressing.options import Option, shown
from gatesmith.compressing.points import read_points
from gatesmith.compressing.problems import CODE, Problems
from gatesmith.compressing.steps import AXES, Recipe
from gatesmith.compressing.tables import TABLES, unknown
from gatesmith.data import python_object
from gatesmith.errors import UserError
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.task import Sources

TOP: dict[str, type] = {
    **dict.fromkeys(
        ("model", "data", "labels", "test", "test_labels", "input", "out", "axis"), str
    ),
    "seed": int,
    "report": bool,
}
"""Keys at the top, and their types."""


def read_recipe(file: Path, out: Path | None = None, axis: str | None = None) -> Recipe:
    """The recipe, with files made absolute.

    Args:
        file: Files in it are relative to its folder.
        out: In the place of the recipe's own.
        axis: Likewise.

    Errors: ``compress.recipe``, all at once.
    """
    problems = Problems(file.name)
    raw = _tables(_parsed(file), problems)
    top = _top(raw, problems)
    folder = file.absolute().parent
    model, sources = _files(raw, top, folder, problems)
    if out is None and "out" not in top:
        problems.add("out", "nothing says where results go", "out is missing",
                     'add out = "build/small"', "name it on the command line: -o DIR")  # fmt: skip
    chosen = axis or top.get("axis", "weight_bits")
    if chosen not in AXES:
        problems.add("axis", f"axis {shown(chosen)} is unknown", f"there are {', '.join(AXES)}",
                     'write axis = "weight_bits"')  # fmt: skip
    points, keys = read_points(raw, sources, top.get("seed", 0), problems)
    problems.check()
    return Recipe(
        file,
        _flat(raw),
        model,
        sources,
        (folder / top["out"] if out is None else out).absolute(),
        chosen,
        top.get("report", True),
        points,
        keys,
    )


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        why, fix = "there is no such file", "check the spelling and the working directory"
        raise _unreadable(file, why, fix) from error
    except UnicodeDecodeError as error:
        raise _unreadable(file, f"it is not UTF-8: {error}", "save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(file, f"it is not TOML: {error}", "docs/cli.md has a recipe") from error


def _unreadable(file: Path, why: str, fix: str) -> UserError:
    return UserError(CODE, "the recipe cannot be read", where=str(file), why=why, fix=(fix,))


def _tables(raw: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """What is known and is a table where it should be; everything else is a problem."""
    known = {**TOP, **TABLES, "pareto": list}
    found = {}
    for key, value in raw.items():
        if key not in known:
            unknown(problems, "top", key, known)
        elif key in ("prune", "pareto"):
            if isinstance(value, list) and all(isinstance(table, dict) for table in value):
                found[key] = value
                continue
            problems.add(f"[[{key}]]", f"{key} is no list of tables",
                         "there may be several of them", f"write [[{key}]]")  # fmt: skip
        elif key in TABLES and not isinstance(value, dict):
            problems.add(f"[{key}]", f"{key} is no table", "there is one of it at most",
                         f"write [{key}]")  # fmt: skip
        else:
            found[key] = value
    if not {"prune", "quantize"} & set(raw):
        problems.add("top", "the recipe does nothing", "it has no [[prune]] and no [quantize]",
                     "add one of them")  # fmt: skip
    for key in ("code", "build"):
        if key in raw and "quantize" not in raw:
            problems.add(f"[{key}]", f"[{key}] needs integers", "there is no [quantize]",
                         "add [quantize]", f"leave out [{key}]")  # fmt: skip
    return found


def _top(raw: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """Values at the top that are of their type."""
    found = {}
    for key, kind in TOP.items():
        if key not in raw:
            continue
        try:
            found[key] = Option(key, key, kind).read(raw[key])
        except ValueError as error:
            problems.add(key, f"{key} cannot be {shown(raw[key])}", str(error), f"change {key}")
    return found


def _files(
    raw: Mapping[str, Any], top: Mapping[str, Any], folder: Path, problems: Problems
) -> tuple[Path, Sources]:
    """Where everything is; files that are not there."""
    if "model" not in top:
        problems.add("model", "nothing says what to compress", "model is missing",
                     'add model = "net.onnx"')  # fmt: skip
    places: dict[str, str] = {}
    for key in ("model", "data", "labels", "test", "test_labels"):
        if key not in top:
            continue
        path = folder / top[key]
        if key in ("data", "test") and python_object.is_name(top[key]) and not path.exists():
            places[key] = top[key]
            continue
        places[key] = str(path)
        fits = path.exists() if key in ("data", "test") else path.is_file()
        if not fits:
            problems.add(key, f"there is no file {top[key]}", f"{path} leads nowhere",
                         "files are named relative to the recipe's folder")  # fmt: skip
    for labels, data in (("labels", "data"), ("test_labels", "test")):
        if labels in places and data not in places:
            problems.add(labels, f"{labels} says nothing without {data}",
                         f"they are the labels of {data}", f"add {data}")  # fmt: skip
    if "data" not in top and "quantize" in raw:
        problems.add("data", "[quantize] looks at data, and there is none", "data is missing",
                     'add data = "train.npz"')  # fmt: skip
    text = top.get("input")
    if text is not None:
        problems.tried("input", lambda: InputSpec.parse(text))
    own, others = (
        Path(places[key]) if key in places else None for key in ("labels", "test_labels")
    )
    sources = Sources(places.get("data"), own, places.get("test"), others, text)
    return Path(places.get("model", "")), sources


def _flat(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the recipe says, a line each."""
    found: dict[str, Any] = {}
    for key, value in raw.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": content for inner, content in value.items()}
        elif isinstance(value, list):
            for number, table in enumerate(value):
                found |= {f"{key}.{number}.{inner}": content for inner, content in table.items()}
        else:
            found[key] = value
    return found
