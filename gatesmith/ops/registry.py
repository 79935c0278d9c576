"""Every operator class by name, for the file form of a graph and for the completeness test."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

import gatesmith.ops
from gatesmith.ir import Op

NOT_OPERATORS = {"registry", "elementwise"}


def stems() -> list[str]:
    """File stem of every operator."""
    found = (module.name for module in pkgutil.iter_modules(gatesmith.ops.__path__))
    return sorted(name for name in found if name not in NOT_OPERATORS and "_test" not in name)


@cache
def classes() -> dict[str, type[Op]]:
    """Operator class by class name."""
    found: dict[str, type[Op]] = {}
    for stem in stems():
        module = importlib.import_module(f"gatesmith.ops.{stem}")
        for name, cls in vars(module).items():
            own = inspect.isclass(cls) and cls.__module__ == module.__name__
            if own and issubclass(cls, Op):
                found[name] = cls
    return found
