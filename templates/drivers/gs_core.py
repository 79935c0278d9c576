"""Driver of a gatesmith core behind registers: frames, results, counters, other weights.

Plain Python and NumPy, no import of gatesmith: this file stands in ip/drivers of every build with
registers, beside the core.json that says what the core is.

    from gs_core import Core
    from gs_uio import Uio
    with Uio("/dev/uio0") as io:
        core = Core(io, "core.json")
        scores = core.infer(image)           # real numbers in, real numbers out
        core.load_image("other.gsr")         # gatesmith reload DIR OTHER.onnx -o other.gsr

An io is anything with ``read(offset)`` and ``write(offset, value)`` of 32-bit registers:
gs_uio.Uio, ``pynq.MMIO``, a simulator. gs_numbers.py, beside it, knows how numbers stand on the
wires.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from gatesmith.templates.drivers import gs_numbers
else:  # beside this file, wherever that is
    import gs_numbers

MAGIC, IMAGE_VERSION = 0x4C525347, 1
"""First words of an image: ``GSRL``."""


class Io(Protocol):
    """Registers of 32 bits."""

    def read(self, offset: int) -> int:
        """Value of the register at a byte offset."""

    def write(self, offset: int, value: int) -> None:
        """Write it."""


class CoreError(Exception):
    """The core is not the one that was expected, or did not do what it was told."""


class Core:
    """A core.

    Args:
        io: Its registers.
        description: core.json, or its content.
        patience: Polls without progress after which the core counts as stuck.
    """

    def __init__(
        self, io: Io, description: str | Path | Mapping[str, Any], patience: int = 1_000_000
    ) -> None:
        about: Mapping[str, Any]
        if isinstance(description, Mapping):
            about = description
        else:
            about = json.loads(Path(description).read_text("utf-8"))
        self.io, self.about, self.patience = io, about, patience
        told = about["registers"]
        self.inputs: list[Any] = about["inputs"]
        self.outputs: list[Any] = about["outputs"]
        self.memories: list[Any] = told["memories"]
        self.registers: dict[str, Any] = {entry["name"]: entry for entry in told["map"]}
        self.fields: dict[tuple[str, str], Any] = {
            (entry["name"], field["name"]): field
            for entry in told["map"]
            for field in entry["fields"]
        }
        self._check()

    def _check(self) -> None:
        """Whether this is the core that core.json is of."""
        for name, field in (("id", "value"), ("version", "major")):
            found, wanted = self.get(name, field), self.fields[name, field]["value"]
            if found != wanted:
                raise CoreError(f"{name} is {found:#x}, expected {wanted:#x}: not this core")
        found = self.get("hash_high") << 32 | self.get("hash_low")
        if found != int(self.about["registers"]["content"], 16):
            raise CoreError(f"content is {found:016x}: another build than core.json is of")

    # ---- registers ------------------------------------------------------------------------------

    def get(self, register: str, field: str = "value") -> int:
        """A field of a register."""
        at = self.fields[register, field]
        value = self.io.read(self.registers[register]["offset"])
        return int(value >> at["lsb"] & ((1 << at["bits"]) - 1))

    def put(self, register: str, **fields: int) -> None:
        """Write a register; fields that are not named become 0."""
        value = sum(n << self.fields[register, name]["lsb"] for name, n in fields.items())
        self.io.write(self.registers[register]["offset"], value)

    def control(self, *, reset: int = 0, **fields: int) -> None:
        """Change fields of control, leave the others."""
        kept = {name: self.get("control", name) for name in ("enable", "window")}
        self.put("control", **(kept | fields), reset=reset)

    def wait(self, register: str, field: str, value: int = 1) -> None:
        """Poll until a field has a value."""
        for _ in range(self.patience):
            if self.get(register, field) == value:
                return
        raise CoreError(f"{register}.{field} does not become {value}")

    # ---- what it does ---------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget frames that are under way, counters and errors; memories stay."""
        self.control(reset=1)
        self.wait("status", "resetting", 0)

    def enable(self) -> None:
        """Let frames in."""
        self.control(enable=1)

    def disable(self) -> None:
        """Let no more in, and wait until those that are in are out."""
        self.control(enable=0)
        self.wait("status", "drained")

    def use_windows(self, on: bool = True) -> None:
        """Frames through registers (True) or the streams (False); leaves the core disabled."""
        self.disable()
        self.control(window=int(on))
        self.wait("status", "window", int(on))

    def errors(self) -> list[str]:
        """Names of the errors so far; clears them."""
        names = [name for register, name in self.fields if register == "errors"]
        found = [name for name in names if self.get("errors", name)]
        if found:
            self.put("errors", **dict.fromkeys(found, 1))
        return found

    def counters(self) -> dict[str, int]:
        """Frames that went in and out, by port, and cycles that each stream stood still."""
        told = {f"in {e['name']}": self.get(f"in{k}_frames") for k, e in enumerate(self.inputs)}
        told |= {f"out {e['name']}": self.get(f"out{k}_frames") for k, e in enumerate(self.outputs)}
        streams = self.about["registers"]["streams"]
        return told | {f"stalled {name}": self.get(f"stall{k}") for k, name in enumerate(streams)}

    def last_class(self, output: int = 0) -> int | None:
        """Class of the last frame, as the core found it; None where there was none."""
        if self.about["registers"]["outputs"][output]["classes"] is None:
            raise CoreError("the integers of this output do not say the class: use argmax of real")
        register = f"out{output}_argmax"
        return self.get(register, "index") if self.get(register, "valid") else None

    def enable_interrupt(self, *, frame: bool = True, error: bool = False) -> None:
        """What the interrupt line is for."""
        self.put("interrupt_enable", frame=int(frame), error=int(error))

    def acknowledge(self) -> tuple[bool, bool]:
        """Whether a frame left and whether an error came since the last time; clears both."""
        frame, error = (self.get("interrupt", name) for name in ("frame", "error"))
        self.put("interrupt", frame=frame, error=error)
        return bool(frame), bool(error)

    # ---- numbers --------------------------------------------------------------------------------

    def quantize(self, x: ArrayLike, port: int = 0) -> NDArray[np.int64]:
        """Integers of a frame of real numbers, exactly as the model quantizes it; integers stay.

        Raises:
            ValueError: The model has no quantizer there, and x is not what integers stand for.
        """
        return gs_numbers.quantize(np.asarray(x), self.inputs[port])

    def real(self, n: ArrayLike, port: int = 0) -> NDArray[np.float64]:
        """The real numbers that integers of an output stand for, each the nearest float64."""
        exact = self.exact(n, port)
        return np.array([float(v) for v in exact.reshape(-1)]).reshape(exact.shape)

    def exact(self, n: ArrayLike, port: int = 0) -> NDArray[Any]:
        """The same as fractions."""
        return gs_numbers.exact(np.asarray(n), self.outputs[port])

    # ---- frames ---------------------------------------------------------------------------------

    def run(self, *frame: ArrayLike) -> list[NDArray[np.int64]]:
        """One frame of integers through the data windows: an array for each output.

        Writes and reads in turn, so that a frame may be larger than all windows. The windows have
        to be in use, the core enabled.
        """
        sent = [
            gs_numbers.words(n, self.inputs[k]).reshape(-1).tolist() for k, n in enumerate(frame)
        ]
        if len(sent) != len(self.inputs):
            raise CoreError(f"{len(sent)} arrays for {len(self.inputs)} inputs")
        size = [-(-e["tdata_bits"] // 32) for e in self.outputs]
        wanted = [e["beats"] * chunks for e, chunks in zip(self.outputs, size, strict=True)]
        taken: list[list[int]] = [[] for _ in self.outputs]
        places = [0] * len(sent)
        idle = 0
        while any(len(t) < w for t, w in zip(taken, wanted, strict=True)):
            moved = sum(self._push(k, sent[k], places) for k in range(len(sent)))
            for k, words in enumerate(taken):
                moved += self._pull(k, words, wanted[k], size[k])
            idle = 0 if moved else idle + 1
            if idle > self.patience:
                raise CoreError(f"the core is stuck; errors: {self.errors() or 'none'}")
        return [
            gs_numbers.integers(np.array(words, np.uint32), entry)
            for words, entry in zip(taken, self.outputs, strict=True)
        ]

    def _push(self, port: int, words: list[int], places: list[int]) -> int:
        """Write as many whole beats as find room; how many words."""
        left = len(words) - places[port]
        if not left:
            return 0
        chunks = -(-self.inputs[port]["tdata_bits"] // 32)
        count = min(left, int(chunks) * self.get(f"in{port}_space", "beats"))
        offset = self.registers[f"in{port}_data"]["offset"]
        for word in words[places[port] : places[port] + count]:
            self.io.write(offset, word)
        places[port] += count
        return count

    def _pull(self, port: int, words: list[int], wanted: int, chunks: int) -> int:
        """Read the beats that wait, up to the end of a frame; how many words."""
        if len(words) == wanted:
            return 0
        beats = self.get(f"out{port}_level", "beats")
        count = min(wanted - len(words), chunks * beats)
        offset = self.registers[f"out{port}_data"]["offset"]
        words += [self.io.read(offset) for _ in range(count)]
        return count

    def infer(self, *x: ArrayLike) -> list[NDArray[np.float64]]:
        """One frame of real numbers (or integers) in, real numbers of every output.

        Takes the windows into use and enables the core where that is not so already.
        """
        if not self.get("status", "window"):
            self.use_windows()
        self.enable()
        found = self.run(*(self.quantize(given, k) for k, given in enumerate(x)))
        return [self.real(n, k) for k, n in enumerate(found)]

    # ---- frames by address ----------------------------------------------------------------------

    def pack(self, frames: ArrayLike, port: int = 0) -> NDArray[np.uint32]:
        """(frames, words): integers of an input, a frame each, as they lie in memory."""
        entry = self.inputs[port]
        return np.stack([gs_numbers.words(n, entry).reshape(-1) for n in np.asarray(frames)])

    def unpack(self, words: ArrayLike, port: int = 0) -> NDArray[np.int64]:
        """The inverse, of an output: integers, a frame each."""
        entry = self.outputs[port]
        given = np.asarray(words, np.uint32)
        rows = given.reshape(-1, self.about["registers"]["outputs"][port]["words"])
        return np.stack([gs_numbers.integers(row, entry) for row in rows])

    def move(self, frames: int, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Start: frames out of memory, and their results into memory, of a core with --dma.

        Args:
            frames: How many, one behind the other.
            inputs: For each input, the address on the bus of its first frame, a multiple of 4.
            outputs: The same of every output.

        The windows have to be in use, the core enabled. Caches are the caller's business.
        """
        if ("dma_command", "start") not in self.fields:
            raise CoreError("this core moves no frames: gatesmith build --registers --dma")
        if (len(inputs), len(outputs)) != (len(self.inputs), len(self.outputs)):
            raise CoreError(f"{len(inputs)} and {len(outputs)} addresses: one for each port")
        self.wait("status", "moving", 0)
        for side, addresses in (("in", inputs), ("out", outputs)):
            for k, address in enumerate(addresses):
                if address % 4 or not 0 <= address < 1 << 64:
                    raise CoreError(f"{address:#x} is no address of a word")
                low, high = (f"{side}{k}_address_{part}" for part in ("low", "high"))
                self.put(low, word=(address & 0xFFFFFFFF) // 4)
                self.put(high, value=address >> 32)
        self.put("errors", bus=1)
        self.put("dma_frames", value=frames)
        self.put("dma_command", start=1)

    def moved(self) -> None:
        """Wait until all frames of :meth:`move` are in memory."""
        self.wait("status", "moving", 0)
        if self.get("errors", "bus"):
            raise CoreError("memory answered with an error")

    # ---- memories -------------------------------------------------------------------------------

    def write_memory(self, number: int, words: ArrayLike) -> None:
        """Write a whole memory, in words of 32 bits, and check its CRC. The core is disabled."""
        data = np.asarray(words, np.uint32).reshape(-1)
        entry = self.memories[number]
        if data.size != entry["depth"] * entry["chunks"]:
            raise CoreError(f"{data.size} words for memory {number} of {entry['stage']}")
        self.put("reload_memory", index=number)
        offset = self.registers["reload_data"]["offset"]
        for word in data.tolist():
            self.io.write(offset, word)
        wanted = zlib.crc32(data.astype("<u4").tobytes())
        if (found := self.memory_crc(number)) != wanted:
            why = f"CRC is {found:08x}, expected {wanted:08x}; errors: {self.errors() or 'none'}"
            raise CoreError(f"memory {number} of {entry['stage']} was not written: {why}")

    def read_memory(self, number: int) -> NDArray[np.uint32]:
        """Content of a memory: (words, parts of 32 bits). The core is disabled."""
        entry = self.memories[number]
        self.put("reload_memory", index=number)
        offset = self.registers["reload_data"]["offset"]
        words = [self.io.read(offset) for _ in range(entry["depth"] * entry["chunks"])]
        return np.array(words, np.uint32).reshape(entry["depth"], entry["chunks"])

    def memory_crc(self, number: int) -> int:
        """CRC-32 of the content of a memory, by the core. The core is disabled."""
        self.put("reload_memory", index=number)
        self.put("reload_command", sum=1)
        self.wait("status", "summing", 0)
        return self.get("reload_crc")

    def load_image(self, path: str | Path, *, only: Sequence[int] | None = None) -> list[int]:
        """Turn the core into another network; the numbers of the memories that were written.

        Args:
            path: What gatesmith reload made for this core.
            only: Memories to write; all by default. What outputs stand for follows the image
                only where all are written.

        The core is drained for it, and enabled again where it was. Nothing is written of an image
        that is damaged or of another core.
        """
        memories, told = read_image(Path(path).read_bytes(), self.about["registers"]["content"])
        sizes = [(entry["depth"], entry["chunks"]) for entry in self.memories]
        if [data.shape for data in memories] != sizes:
            raise CoreError("the memories of the image have other sizes")
        enabled = self.get("control", "enable")
        self.disable()
        numbers = list(range(len(memories))) if only is None else list(only)
        for number in numbers:
            self.write_memory(number, memories[number])
        if only is None:
            self.outputs = [
                entry | given for entry, given in zip(self.outputs, told["outputs"], strict=True)
            ]
        self.control(enable=enabled)
        return numbers


def read_image(data: bytes, content: str) -> tuple[list[NDArray[np.uint32]], dict[str, Any]]:
    """Memories and description of an image for a core of this content. Raises CoreError."""
    if len(data) < 28 or len(data) % 4 or struct.unpack_from("<I", data)[0] != MAGIC:
        raise CoreError("this is no image: gatesmith reload makes one")
    if zlib.crc32(data[:-4]) != struct.unpack_from("<I", data, len(data) - 4)[0]:
        raise CoreError("the image is damaged: its CRC is wrong")
    _, version, low, high, count = struct.unpack_from("<5I", data)
    if version != IMAGE_VERSION:
        raise CoreError(f"the image is of version {version}, expected {IMAGE_VERSION}")
    if high << 32 | low != int(content, 16):
        raise CoreError(f"the image is for core {high:08x}{low:08x}, this is {content}")
    at, memories = 20, []
    for _ in range(count):
        _, depth, chunks, _ = struct.unpack_from("<4I", data, at)
        words = np.frombuffer(data, "<u4", depth * chunks, at + 16)
        memories.append(words.astype(np.uint32).reshape(depth, chunks))
        at += 16 + 4 * words.size
    (length,) = struct.unpack_from("<I", data, at)
    return memories, json.loads(data[at + 4 : at + 4 + length])
