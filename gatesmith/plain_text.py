"""Foreign text (names out of files, file names) made fit to be shown on a line of its own."""

from __future__ import annotations


def told(text: str) -> str:
    r"""``text`` on one line: what is not printable becomes an escape.

    XML has no place for control characters, not even as references, a terminal obeys them, and
    marks that turn the direction of writing would make a page say something else than it shows.

    >>> told("conv\n1"), told("\x00\u202e"), told("Größe")
    ('conv\\n1', '\\x00\\u202e', 'Größe')
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def told_lines(text: str) -> str:
    r"""The same with its line feeds kept.

    >>> told_lines("a\nb\x1b[0m")
    'a\nb\\x1b[0m'
    """
    return "\n".join(map(told, text.split("\n")))


def counted(number: int) -> str:
    """A number that came out of a file, in a message: no text of thousands of digits.

    >>> counted(4_194_304), counted(3 * 2**200)
    ('4194304', 'more than 2^201')
    """
    return str(number) if number < 1 << 64 else f"more than 2^{number.bit_length() - 1}"
