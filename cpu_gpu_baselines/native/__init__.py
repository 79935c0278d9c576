"""Integer graphs as plain C++ on the CPU: source.py is where to start, bits.h has the kernels."""

from gatesmith.cpu_gpu_baselines.native.compiler import CannotCompile
from gatesmith.cpu_gpu_baselines.native.program import Program
from gatesmith.cpu_gpu_baselines.native.source import NotCovered, Written, write

__all__ = ["CannotCompile", "NotCovered", "Program", "Written", "write"]
