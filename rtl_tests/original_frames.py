"""Frames of a data set as the original model takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from gatesmith.errors import UserError
from gatesmith.ir import Affine, Ints, Values
from gatesmith.rtl_tests.dataset import Dataset


def original_frames(
    entries: Sequence[Mapping[str, Any]], given: Dataset, first: int, last: int
) -> dict[str, Values]:
    """Frames ``first`` to ``last - 1`` by name of the real graph's Input.

    Args:
        entries: ``inputs`` of build.json.
        given: What was read for them.
        first: Frame.
        last: Frame behind the last.

    Errors: ``verify.data-off-grid``.
    """
    codes = given.frames(first, last)
    found: dict[str, Values] = {}
    for k, entry in enumerate(entries):
        real = given.real[k]
        if real is not None:
            found[entry["real_node"]] = real[first:last].astype(np.float64)
        elif entry["host_quantizer"] is None:
            found[entry["real_node"]] = codes[k]
        else:
            found[entry["real_node"]] = _meant(entry, codes[k], given)
    return found


def _meant(entry: Mapping[str, Any], codes: Ints, given: Dataset) -> Values:
    """The real numbers that codes of the model's first quantizer stand for."""
    if entry["meaning"] is None:
        raise UserError(
            "verify.data-off-grid",
            "the original model takes real numbers and the data is codes",
            where=str(given.source),
            why="build.json has no single scale that turns the codes into real numbers",
            fix=("give the real numbers as a float array",),
        )
    scale, offset = (tuple(map(Fraction, entry["meaning"][k])) for k in ("scale", "offset"))
    return Affine(scale, offset).real(codes)
