"""Where a file or a folder is, as callers of the Python functions may say it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias, overload

Place: TypeAlias = str | os.PathLike[str]


@overload
def path_of(place: Place) -> Path: ...
@overload
def path_of(place: Place | None) -> Path | None: ...
def path_of(place: Place | None) -> Path | None:
    """The path of a text or path; None stays None.

    >>> path_of("build/net").name, path_of(None)
    ('net', None)
    """
    return None if place is None else Path(place)
