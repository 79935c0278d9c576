"""The file that drivers write to the memories of a core, in words of 32 bits, little-endian.

magic "GSRL", version 1, content of the core (low, high), number of memories
for each memory: index, depth, parts of a word, CRC-32, then depth x parts words of data
length of what follows in bytes, then JSON (filled up with blanks): the model, what the integers
    of its outputs stand for
CRC-32 of all before
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from gatesmith.codegen.stream import Reloadable

MAGIC, VERSION = 0x4C525347, 1
"""``GSRL`` in a little-endian file."""


def image(content: str, memories: Sequence[Reloadable], told: Mapping[str, Any]) -> bytes:
    """The file.

    Args:
        content: Of the core, hexadecimal: ``registers.content`` of its build.json.
        memories: By number.
        told: For the JSON.
    """
    number = int(content, 16)
    parts = [struct.pack("<5I", MAGIC, VERSION, number & 0xFFFFFFFF, number >> 32, len(memories))]
    for index, memory in enumerate(memories):
        data = memory.parts().astype("<u4").tobytes()
        parts.append(struct.pack("<4I", index, memory.depth, memory.chunks, zlib.crc32(data)))
        parts.append(data)
    text = json.dumps(told, sort_keys=True).encode()
    text += b" " * (-len(text) % 4)
    parts += [struct.pack("<I", len(text)), text]
    body = b"".join(parts)
    return body + struct.pack("<I", zlib.crc32(body))
