"""gatesmith: trained networks to streaming FPGA cores, every bit proven equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatesmith.api import (
        bench,
        build,
        compress,
        explore,
        hls4ml,
        inspect,
        prune,
        quantize,
        reload,
        synth,
        verify,
    )
    from gatesmith.checks import mutate, prove, regress

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "bench",
    "build",
    "compress",
    "explore",
    "hls4ml",
    "inspect",
    "mutate",
    "prove",
    "prune",
    "quantize",
    "regress",
    "reload",
    "synth",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import the commands when they are first used, so that ``import gatesmith`` stays light."""
    if name in __all__:
        from gatesmith import api, checks

        return getattr(checks if name in ("mutate", "prove", "regress") else api, name)
    raise AttributeError(f"module 'gatesmith' has no attribute {name!r}")
