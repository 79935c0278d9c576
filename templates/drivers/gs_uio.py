"""A gatesmith core as a Linux UIO device: mapped registers, and its interrupt.

from gs_core import Core
from gs_uio import Uio
with Uio("/dev/uio0") as io:
    core = Core(io, "core.json")
    core.enable_interrupt()
    io.wait()                 # sleeps until a frame has left
    core.acknowledge()
"""

from __future__ import annotations

import mmap
import os
import struct
from types import TracebackType

import numpy as np


class Uio:
    """Registers of a core as a Linux UIO device: mapped memory, and its interrupt.

    Args:
        path: /dev/uioN.
        span: Bytes of the map: ``registers.span`` of core.json.
    """

    def __init__(self, path: str, span: int = 4096) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_SYNC)
        self.map = mmap.mmap(self.file, span, mmap.MAP_SHARED)
        self.words = np.frombuffer(self.map, np.uint32)  # whole words, never bytes

    def read(self, offset: int) -> int:
        """A register."""
        return int(self.words[offset // 4])

    def write(self, offset: int, value: int) -> None:
        """Write it."""
        self.words[offset // 4] = value

    def wait(self) -> int:
        """Sleep until the interrupt comes; how many there were so far."""
        os.write(self.file, struct.pack("<I", 1))  # the kernel masked it when it came
        return int(struct.unpack("<I", os.read(self.file, 4))[0])

    def close(self) -> None:
        """Give the device back."""
        del self.words
        self.map.close()
        os.close(self.file)

    def __enter__(self) -> Uio:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
