"""Every way to compute a network that gatesmith times: engine.py says what an engine is."""

from gatesmith.cpu_gpu_baselines.engines.engine import (
    Bound,
    Engine,
    Opened,
    Subject,
    Unavailable,
    all_engines,
)

__all__ = ["Bound", "Engine", "Opened", "Subject", "Unavailable", "all_engines"]
