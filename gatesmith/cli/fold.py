"""The values of ``--fold``: a TOML file, or LAYER=PE,SIMD,WORDS, once for each layer.

PE is how many outputs of a layer are computed side by side, SIMD how many inputs of each; words
name how the layer is built and how its weights are stored. LAYER may have * for any text. The file
has one table a layer:

    [dense_0]
    pe = 8
    simd = 16
    unit = "folded"
    rom = "plain"
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatesmith.errors import UserError, raise_all

if TYPE_CHECKING:
    from gatesmith.codegen.wish import Wish

_EXAMPLE = "one table a layer, [dense_0] with pe = 8 and simd = 16; or --fold dense_0=8,16"
_KEYS = ("pe", "simd", "unit", "rom")


def read_folds(options: Sequence[str]) -> dict[str, Wish]:
    """Wishes by layer; a later option wins over an earlier one.

    Errors: cli.bad-fold.

    >>> {name: str(wish) for name, wish in read_folds(["dense_0=8,16", "dense_*=folded"]).items()}
    {'dense_0': '8,16', 'dense_*': 'folded'}
    """
    folds: dict[str, Wish] = {}
    errors: list[UserError] = []
    for option in options:
        layer, equals, text = option.rpartition("=")
        if equals and layer and not Path(option).is_file():
            _add(folds, errors, f"layer {layer}", layer, text)
        else:
            _read_file(folds, errors, Path(option))
    raise_all(errors)
    return folds


def _add(
    folds: dict[str, Wish], errors: list[UserError], where: str, layer: str, text: str
) -> None:
    from gatesmith.codegen.wish import Wish  # lazily: --help needs no hardware

    try:
        folds[layer] = Wish.parse(text)
    except ValueError as error:
        errors.append(_bad(where, str(error)))


def _bad(where: str, why: str) -> UserError:
    return UserError(
        "cli.bad-fold",
        "cannot read the folding",
        where=f"--fold, {where}",
        why=why,
        fix=(f"write {_EXAMPLE}", "let gatesmith choose: --cycles N or --fps N --clock-mhz F"),
    )


def _read_file(folds: dict[str, Wish], errors: list[UserError], path: Path) -> None:
    if not path.is_file():
        errors.append(_bad(str(path), "this is neither a file nor LAYER=PE,SIMD"))
        return
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        errors.append(_bad(str(path), f"this is not TOML: {error}"))
        return
    for layer, entry in content.items():
        if not _well_formed(entry):
            errors.append(_bad(f"{path}, {layer}", f"expected integers pe and simd, not {entry}"))
            continue
        _add(
            folds,
            errors,
            f"{path}, {layer}",
            layer,
            ",".join(str(entry[key]) for key in _KEYS if key in entry),
        )


def _well_formed(entry: Any) -> bool:
    """Known keys; PE and SIMD both or neither; integers and texts."""
    return (
        isinstance(entry, dict)
        and bool(entry)
        and set(entry) <= set(_KEYS)
        and ("pe" in entry) == ("simd" in entry)
        and all(
            type(value) is (int if key in ("pe", "simd") else str) for key, value in entry.items()
        )
    )
