"""The values of ``--fold``: a TOML file, or LAYER=PE,SIMD, once for each layer.

PE is how many outputs of a layer are computed side by side, SIMD how many inputs of each. The file
has one table a layer:

    [dense_0]
    pe = 8
    simd = 16
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from gatesmith.errors import UserError, raise_all

Folds = dict[str, tuple[int, int]]

_INLINE = re.compile(r"(?P<layer>[^=]+)=(?P<pe>\d+),(?P<simd>\d+)")
_EXAMPLE = "one table a layer, [dense_0] with pe = 8 and simd = 16; or --fold dense_0=8,16"


def read_folds(options: Sequence[str]) -> Folds:
    """(PE, SIMD) by layer; a later option wins over an earlier one.

    Errors: cli.bad-fold.

    >>> read_folds(["dense_0=8,16", "dense_1=1,4"])
    {'dense_0': (8, 16), 'dense_1': (1, 4)}
    """
    folds: Folds = {}
    for option in options:
        inline = _INLINE.fullmatch(option)
        if inline:
            folds[inline["layer"]] = (int(inline["pe"]), int(inline["simd"]))
        else:
            folds |= _read_file(Path(option))
    raise_all(
        [
            _bad(f"layer {layer}", f"PE is {pe} and SIMD is {simd}; both must be 1 or more")
            for layer, (pe, simd) in folds.items()
            if min(pe, simd) < 1
        ]
    )
    return folds


def _bad(where: str, why: str) -> UserError:
    return UserError(
        "cli.bad-fold",
        "cannot read the folding",
        where=f"--fold, {where}",
        why=why,
        fix=(f"write {_EXAMPLE}", "let gatesmith choose: --cycles N or --fps N --clock-mhz F"),
    )


def _read_file(path: Path) -> Folds:
    if not path.is_file():
        raise _bad(str(path), "this is neither a file nor LAYER=PE,SIMD")
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _bad(str(path), f"this is not TOML: {error}") from None
    folds: Folds = {}
    errors = []
    for layer, entry in content.items():
        fold = entry if isinstance(entry, dict) else {}
        pe, simd = fold.get("pe"), fold.get("simd")
        if set(fold) == {"pe", "simd"} and type(pe) is int and type(simd) is int:
            folds[layer] = (pe, simd)
        else:
            errors.append(_bad(f"{path}, {layer}", f"expected integers pe and simd, not {entry}"))
    raise_all(errors)
    return folds
