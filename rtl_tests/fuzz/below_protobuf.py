"""Damage that knows nothing of ONNX: bits, bytes, and the wire format of protobuf."""

from __future__ import annotations

from collections.abc import Iterator

from gatesmith.rtl_tests.fuzz.case import Case, damage

DEEP = (10, 90, 99, 101, 500, 5_000, 100_000)
"""Levels of nesting; the decoder of protobuf allows 100."""

HEADS = (
    b"",
    b"\x00",
    b"\x89PNG\r\n\x1a\n" + bytes(200),
    b"PK\x03\x04" + bytes(100),
    b"<!DOCTYPE html><html>404 not found</html>",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
    b"\xff" * 4096,
    b"\x80" * 4096,
    bytes(4096),
    b"\x08\x0a\x3a\x00",
    b"\x08\x0a\x3a\xff\xff\xff\xff\x0f",
)


@damage
def flipped_bits(case: Case) -> None:
    """One bit, or up to forty."""
    data = bytearray(case.data())
    for _ in range(case.rng.choice((1, 1, 2, 4, 10, 40))):
        place = case.rng.randrange(len(data))
        data[place] ^= 1 << case.rng.randrange(8)
    case.raw = bytes(data)


@damage
def flipped_bits_in_front(case: Case) -> None:
    """Bits of nodes and names, which most exporters write before the weights."""
    data = bytearray(case.data())
    for _ in range(case.rng.choice((1, 2, 3, 6))):
        place = case.rng.randrange(min(len(data), 1500))
        data[place] ^= 1 << case.rng.randrange(8)
    case.raw = bytes(data)


@damage
def cut_off(case: Case) -> None:
    """The end is missing."""
    data = case.data()
    case.raw = data[: case.rng.randrange(len(data))]


@damage
def inserted_bytes(case: Case) -> None:
    """A few bytes too many."""
    data = case.data()
    place = case.rng.randrange(len(data))
    extra = case.rng.randbytes(case.rng.choice((1, 1, 4, 64, 4096)))
    case.raw = data[:place] + extra + data[place:]


@damage
def removed_bytes(case: Case) -> None:
    """A few bytes too few."""
    data = case.data()
    place = case.rng.randrange(len(data))
    case.raw = data[:place] + data[place + case.rng.choice((1, 1, 2, 8, 256)) :]


@damage
def overwritten_bytes(case: Case) -> None:
    """A stretch of one value."""
    data = bytearray(case.data())
    place, length = case.rng.randrange(len(data)), case.rng.choice((1, 2, 5, 10, 100))
    data[place : place + length] = bytes([case.rng.choice((0, 0x7F, 0x80, 0xFF))]) * length
    case.raw = bytes(data)


@damage
def two_halves(case: Case) -> None:
    """The front of one model and the back of another."""
    front, back = case.data(), case.donor.SerializeToString(deterministic=True)
    cut = case.rng.randrange(len(front))
    case.raw = front[:cut] + back[case.rng.randrange(len(back)) :]


@damage
def other_files(case: Case) -> None:
    """No model at all."""
    case.raw = case.rng.choice((*HEADS, case.rng.randbytes(case.rng.choice((1, 100, 10_000)))))


@damage
def wire_fields(case: Case) -> None:
    """Tags, lengths and numbers of protobuf's wire format, at any depth."""
    data = bytearray(case.data())
    for _ in range(case.rng.choice((1, 1, 2, 4))):
        fields = list(_fields(bytes(data)))
        if not fields:
            break
        at, end = case.rng.choice(fields)
        data[at:end] = _varint(
            case.rng.choice((0, 1, 2, 7, 127, 128, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1))
        )
    case.raw = bytes(data)


@damage
def deep_messages(case: Case) -> None:
    """Messages in messages, deeper than a decoder that calls itself can follow."""
    inner = case.rng.choice((b"", case.graph.SerializeToString(deterministic=True)[:200]))
    how = case.rng.randrange(3)
    for _ in range(case.rng.choice(DEEP)):
        if len(inner) > 4_000_000:
            break
        if how == 0:  # graph in an attribute of a node of a graph
            inner = _message(1, _message(5, _message(6, inner)))
        elif how == 1:  # a sequence of sequences of ... as the type of a value
            inner = _message(4, _message(1, inner))
        else:  # groups, which end by themselves
            inner = b"\x0b" + inner
    body = inner if how == 0 else _message(11, _message(1, b"x") + _message(2, inner))
    case.raw = b"\x08\x0a" + _message(7, body) + _message(8, b"\x0a\x00\x10\x0d")


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def _fields(data: bytes, most: int = 400) -> Iterator[tuple[int, int]]:
    """Where the first so many tags, lengths and numbers stand."""
    at = 0
    while at < len(data) and most > 0:
        start = at
        while at < len(data) and data[at] & 0x80:
            at += 1
        at += 1
        yield start, min(at, len(data))
        most -= 1
