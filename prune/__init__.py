"""Float networks made smaller: a pass from the real graph to a smaller one.

The package has the name of the command: ``gatesmith.prune(model, data, out)`` is
:func:`gatesmith.api.prune`, whether or not something in the package was imported before.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Command(ModuleType):
    """A package that is a command too."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """:func:`gatesmith.api.prune`."""
        from gatesmith.api import prune

        return prune(*args, **options)


sys.modules[__name__].__class__ = _Command
