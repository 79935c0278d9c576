"""The registers of a core, from what the core is: which there are, where, and what they say.

0x000   what it is: identification, version, content hash, sizes
0x020   control, status, errors, interrupt
0x040   memories that can be reloaded (only where there are some)
0x060   frames from and to memory (only with DMA)
0x100   32 bytes for each input: frames, data window, address in memory
        then 32 bytes for each output: the same, and the last arg-max
        then the cycles for which each stream stood still
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gatesmith.codegen.registers.fields import Field, Kind, Register, RegisterMap

IDENTIFICATION = 0x47534D31
"""``GSM1``: what the first register of every core with this map reads as."""

MAJOR, MINOR = 1, 1
"""Version of the map: a driver for a major version works with every minor one."""

PORTS = 0x100
"""Where the registers of the ports begin."""

PORT_BYTES = 0x20


@dataclass(frozen=True, slots=True)
class Facts:
    """What the map hangs on.

    Attributes:
        name: Of the module with the registers.
        content: 64 bits of a hash of the RTL and the memory images.
        inputs: Name of each input, printable.
        outputs: The same of outputs.
        classes: Of each output, whether its arg-max is kept.
        streams: Name of each stream whose stalls are counted.
        memories: How many memories can be reloaded.
        interval: Cycles a frame.
        latency: Cycles from the first beat in to the last beat out.
        dma: Whether frames are moved from and to memory.
    """

    name: str
    content: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    classes: tuple[bool, ...]
    streams: tuple[str, ...]
    memories: int
    interval: int
    latency: int
    dma: bool = False


def layout(facts: Facts) -> RegisterMap:
    """The map of a core."""
    made = [*_identity(facts), *_control(reloads=facts.memories > 0, dma=facts.dma)]
    if facts.memories:
        made += _reload()
    if facts.dma:
        made += _dma()
    made += _ports(facts)
    return RegisterMap(facts.name, tuple(made))


def _constant(name: str, offset: int, about: str, value: int) -> Register:
    return Register(name, offset, about, (Field("value", 0, 32, Kind.CONST, about, value),))


def _status(name: str, offset: int, about: str) -> Register:
    return Register(name, offset, about, (Field("value", 0, 32, Kind.STATUS, about),))


def _bits(kind: Kind, *told: tuple[str, int, str]) -> tuple[Field, ...]:
    """Fields of one bit: name, place, what about."""
    return tuple(Field(name, at, 1, kind, about) for name, at, about in told)


def _identity(facts: Facts) -> Iterator[Register]:
    mask = (1 << 32) - 1
    yield _constant("id", 0x000, "A gatesmith core: the letters GSM1", IDENTIFICATION)
    yield Register(
        "version",
        0x004,
        "Version of this map",
        (
            Field("minor", 0, 16, Kind.CONST, "Registers were added", MINOR),
            Field("major", 16, 16, Kind.CONST, "Registers mean something else", MAJOR),
        ),
    )
    low, high = facts.content & mask, facts.content >> 32
    yield _constant("hash_low", 0x008, "Content of the core: SHA-256, its low 32 of 64 bits", low)
    yield _constant("hash_high", 0x00C, "Content of the core: the high 32 bits", high)
    yield Register(
        "shape",
        0x010,
        "How many there are",
        (
            Field("inputs", 0, 8, Kind.CONST, "Inputs", len(facts.inputs)),
            Field("outputs", 8, 8, Kind.CONST, "Outputs", len(facts.outputs)),
            Field("memories", 16, 16, Kind.CONST, "Memories to reload", facts.memories),
        ),
    )
    yield _constant("streams", 0x014, "Streams whose stalls are counted", len(facts.streams))
    yield _constant("interval", 0x018, "Cycles a frame, at most", facts.interval)
    yield _constant("latency", 0x01C, "Cycles of a frame, in to out, at most", facts.latency)


def _control(*, reloads: bool, dma: bool) -> Iterator[Register]:
    yield Register(
        "control",
        0x020,
        "What the core does",
        (
            *_bits(
                Kind.CONTROL,
                ("enable", 0, "Frames are let in; one that has begun is always let in whole"),
                ("window", 1, "Data windows in place of the streams; taken over when drained"),
            ),
            *_bits(
                Kind.PULSE,
                ("reset", 8, "Soft reset: core, windows, counters and errors, not this register"),
            ),
        ),
    )
    yield Register(
        "status",
        0x024,
        "What goes on",
        _bits(
            Kind.STATUS,
            ("enabled", 0, "The next frame may begin"),
            ("drained", 1, "No frame is in the core: all that came in went out"),
            ("window", 2, "The data windows are connected"),
            ("resetting", 3, "A soft reset goes on"),
            ("summing", 4, "A CRC is being computed"),
            *([("moving", 5, "Frames are being moved from or to memory")] if dma else []),
        ),
    )
    errors = [
        ("frame", 0, "tlast of an input came early, late or not at all"),
        ("overflow", 1, "A beat was written to an input window that was full, and lost"),
        ("underflow", 2, "An output window was read that was empty"),
    ]
    if reloads:
        errors += [
            ("refused", 3, "A memory was accessed while enabled, not drained or being summed up"),
            ("beyond", 4, "A memory was accessed behind its end, or there is none of that number"),
        ]
    if dma:
        errors += [
            ("bus", 5, "A bus answered a DMA access with an error"),
            ("refused_dma", 6, "dma_command came in a reset or while frames were moved"),
        ]
    yield Register("errors", 0x028, "What went wrong", _bits(Kind.FLAG, *errors))
    events = [
        ("frame", 0, "A frame has left on every output"),
        ("error", 1, "A bit of errors was set"),
    ]
    if dma:
        events.append(("moved", 2, "All frames of a dma_command are in memory"))
    yield Register("interrupt", 0x02C, "What happened", _bits(Kind.FLAG, *events))
    yield Register(
        "interrupt_enable",
        0x030,
        "What the interrupt line is high for, as long as its bit of interrupt is set",
        _bits(Kind.CONTROL, *events),
    )


def _reload() -> Iterator[Register]:
    yield Register(
        "reload_memory",
        0x040,
        "The memory that is meant; writing it begins with its first word",
        (Field("index", 0, 16, Kind.ACCESS, "Its number"),),
    )
    about = "Word of the memory; writing it begins with the word's low 32 bits"
    yield Register(
        "reload_address", 0x044, about, (Field("word", 0, 32, Kind.ACCESS, "Number of the word"),)
    )
    about = "The next 32 bits of the memory; a word is stored with its last ones"
    yield Register("reload_data", 0x048, about, (Field("bits", 0, 32, Kind.ACCESS, about),))
    yield _status("reload_depth", 0x04C, "Words of the memory; 0 where there is none")
    yield _status("reload_width", 0x050, "Bits of a word of the memory")
    yield Register(
        "reload_command",
        0x054,
        "What is done with a memory",
        _bits(Kind.PULSE, ("sum", 0, "Compute its CRC; takes about ten cycles for every 32 bits")),
    )
    yield _status("reload_crc", 0x058, "CRC-32 of the memory that was summed up last")


def _dma() -> Iterator[Register]:
    about = "Moves frames from memory into the input windows, and from the output windows to memory"
    fields = _bits(Kind.PULSE, ("start", 0, "Begin, with the addresses of the ports"))
    yield Register("dma_command", 0x060, about, fields)
    about = "How many frames the next dma_command moves on every port"
    yield Register("dma_frames", 0x064, about, (Field("value", 0, 32, Kind.CONTROL, about),))


def _address(port: str, name: str, at: int) -> Iterator[Register]:
    about = f"Where the first frame of {name} lies in memory: the low 32 bits of its byte address"
    fields = (Field("word", 2, 30, Kind.CONTROL, "Of a whole word: bits 1 and 0 are always 0"),)
    yield Register(f"{port}_address_low", at, about, fields)
    about = f"Where the first frame of {name} lies in memory: the high 32 bits"
    fields = (Field("value", 0, 32, Kind.CONTROL, about),)
    yield Register(f"{port}_address_high", at + 4, about, fields)


def _ports(facts: Facts) -> Iterator[Register]:
    at = PORTS
    for k, name in enumerate(facts.inputs):
        yield _status(f"in{k}_frames", at, f"Frames that came in on {name}, modulo 2^32")
        about = f"Data window of {name}: a beat from its low 32 bits up"
        fields = (Field("bits", 0, 32, Kind.PUSH, "The next 32 bits of a beat"),)
        yield Register(f"in{k}_data", at + 4, about, fields)
        fields = (Field("beats", 0, 16, Kind.STATUS, "Beats that find room"),)
        yield Register(f"in{k}_space", at + 8, f"Room in the data window of {name}", fields)
        if facts.dma:
            yield from _address(f"in{k}", name, at + 16)
        at += PORT_BYTES
    for k, (name, classes) in enumerate(zip(facts.outputs, facts.classes, strict=True)):
        yield from _output(k, name, at, classes=classes)
        if facts.dma:
            yield from _address(f"out{k}", name, at + 16)
        at += PORT_BYTES
    for k, name in enumerate(facts.streams):
        yield _status(f"stall{k}", at + 4 * k, f"Cycles for which {name} was valid and not ready")


def _output(k: int, name: str, at: int, *, classes: bool) -> Iterator[Register]:
    yield _status(f"out{k}_frames", at, f"Frames that went out on {name}, modulo 2^32")
    about = f"Data window of {name}: a beat from its low 32 bits up"
    fields: Sequence[Field] = (Field("bits", 0, 32, Kind.POP, "The next 32 bits of a beat"),)
    yield Register(f"out{k}_data", at + 4, about, tuple(fields))
    fields = (Field("beats", 0, 16, Kind.STATUS, "Beats that wait"),)
    yield Register(f"out{k}_level", at + 8, f"Beats in the data window of {name}", tuple(fields))
    if classes:
        about = f"Class of the last frame on {name}: the least index of its largest element"
        fields = (
            Field("index", 0, 31, Kind.STATUS, "The class"),
            Field("valid", 31, 1, Kind.STATUS, "There was a frame"),
        )
        yield Register(f"out{k}_argmax", at + 12, about, tuple(fields))
