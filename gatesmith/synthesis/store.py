"""Results of long runs, kept by the content of what went in: $GATESMITH_CACHE/synth, /prove."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gatesmith.errors import UserError
from gatesmith.templates.tb import cache
from gatesmith.templates.tb.cache import digest

__all__ = ["digest", "kept"]

KEEP = 512
"""Results of a kind; the longest unused go first."""


def kept(key: str, make: Callable[[Path], None], kind: str = "synth") -> Path:
    """The folder of a result; ``make`` fills a new one, which appears whole or not at all.

    Args:
        key: A digest of everything that the result depends on.
        make: Is given the folder.
        kind: Results of different kinds do not push each other out.

    Errors: ``synth.no-cache``, and those of ``make``.
    """
    try:
        return cache.kept(cache.folder(kind), key, make, KEEP)
    except cache.UnwritableError as error:
        raise UserError(
            "synth.no-cache",
            "the cache cannot be written",
            where=str(error.home),
            why=error.why,
            fix=("set GATESMITH_CACHE to a folder that can be written",),
        ) from error
