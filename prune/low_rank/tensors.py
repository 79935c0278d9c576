"""The package tensorly (Kossaifi et al., JMLR 2019), imported when it is needed."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gatesmith.errors import UserError


@contextmanager
def decompositions() -> Iterator[Any]:
    """``tensorly.decomposition`` on NumPy, whatever back end is set. Errors: ``prune.no-tensorly``.

    It warns where a rank is above what one unfolding has; that is no news here.
    """
    if importlib.util.find_spec("tensorly") is None:
        raise UserError(
            "prune.no-tensorly",
            "decompositions of tensors need TensorLy",
            where="methods tucker and cp",
            why="the package is not installed",
            fix=(
                'pip install "gatesmith[prune]"',
                "methods svd, separable and depthwise need none",
            ),
        )
    tensorly = importlib.import_module("tensorly")
    with warnings.catch_warnings(), tensorly.backend_context("numpy", local_threadsafe=True):
        warnings.simplefilter("ignore")
        yield importlib.import_module("tensorly.decomposition")
