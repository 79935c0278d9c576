"""Foreign text (names out of ONNX files, file names) in Tcl, Markdown and XML.

What a template puts into a file goes through one of these, or through Jinja's own escapes (HTML
and XML by ``autoescape``, YAML by ``tojson``: a JSON string is a YAML string).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable

from gatesmith.plain_text import told

__all__ = ["markdown", "tcl", "tcl_list", "told"]

_PLAIN = re.compile(r"[A-Za-z0-9_./:+-]+")
_QUOTED = frozenset(string.ascii_letters + string.digits + " _./:+-,()=%!?*<>&|'")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~&$])")


def tcl(text: str) -> str:
    r"""``text`` as one word of a Tcl command, with no substitution in it.

    In quotes, where need be; brackets, braces, dollars, quotes, backslashes and all that is not
    ASCII are written as escapes, so that none of them reaches the interpreter.

    >>> print(tcl("rtl/top.sv"), tcl(""), tcl('a b[exec rm]"$x'))
    rtl/top.sv "" "a b\u005bexec rm\u005d\u0022\u0024x"
    """
    if _PLAIN.fullmatch(text):
        return text
    return '"' + "".join(c if c in _QUOTED else _escaped(c) for c in text) + '"'


def tcl_list(words: Iterable[str]) -> str:
    r"""Words one a line with a continuation behind each, to stand behind ``[list``.

    >>> print(tcl_list(["a", "b c"]))
     \
        a \
        "b c"
    """
    return "".join(f" \\\n    {tcl(word)}" for word in words)


def markdown(text: str) -> str:
    r"""``text`` inside a line or a cell of a table, with no mark-up of its own.

    >>> print(markdown("a|b `c` <i>"))
    a\|b \`c\` \<i\>
    """
    return _MARKDOWN.sub(r"\\\1", told(text))


def rdl(text: str) -> str:
    r"""``text`` as a string of SystemRDL.

    >>> print(rdl('say "x\\"'))
    "say \"x\\\""
    """
    return '"' + told(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def ctext(text: str) -> str:
    r"""``text`` inside a comment of C, in ASCII, that cannot end the comment.

    >>> print(ctext("a */ b"), ctext("é??/"))
    a * / b \xe9? ?/
    """
    plain = told(text).encode("unicode_escape").decode("ascii").replace("\\\\", "\\")
    return plain.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")


def _escaped(char: str) -> str:
    # Tcl 8 knows \u with four digits; a character beyond is two of them, as Tcl keeps it itself.
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[k : k + 2].hex()}" for k in range(0, len(units), 2))
