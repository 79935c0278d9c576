"""Texts of a model that are no text: protobuf hands out bytes where UTF-8 ends."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped,unused-ignore]
from google.protobuf.message import Message  # type: ignore[import-untyped,unused-ignore]


def broken_texts(message: Message) -> Iterator[str]:
    """Name and bytes of every string field, at any depth, that is not UTF-8."""
    waiting = [message]
    while waiting:
        current = waiting.pop()
        for field, value in current.ListFields():
            several = value if field.is_repeated else (value,)
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                waiting.extend(several)
            elif field.type == FieldDescriptor.TYPE_STRING:
                kind = current.DESCRIPTOR.name
                yield from (
                    f"{kind}.{field.name} is {t!r:.80}" for t in several if type(t) is not str
                )
