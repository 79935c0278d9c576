"""How figures look, and a matplotlib figure as text of an SVG or as PNG.

The same figure always gives the same bytes: matplotlib's own defaults instead of the user's, no
dates, a fixed salt. In an SVG colours are variables of the page, so that it follows light and dark;
text stays text, and is never read as mathematics.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SURFACE, INK, SOFT, LINE = "#fcfcfb", "#0b0b0b", "#5c5b57", "#dddcd5"
FIRST, SECOND = "#2a78d6", "#d9591c"
BAND = "#e9f1fb"

_VARIABLES = {
    SURFACE: "var(--surface)",
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    LINE: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    BAND: "var(--band)",
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gatesmith",
    "text.parse_math": False,
    "figure.facecolor": SURFACE,
    "figure.dpi": 100,
    "savefig.facecolor": "auto",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}
_LONGEST = 36
"""Characters of a name in a figure."""


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's defaults and ours while figures are drawn and written."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names in any script are allowed
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def label(name: str) -> str:
    r"""A name of the model as it stands in a figure: one short line that can be printed.

    >>> label("a\nb" + "x" * 50)
    'a\ufffdbxxxxxxxxxxxxxxx\u2026xxxxxxxxxxxxxxxxx'
    """
    clean = "".join(c if c.isprintable() else "\ufffd" for c in name)
    if len(clean) <= _LONGEST:
        return clean
    half = (_LONGEST - 1) // 2
    return f"{clean[: _LONGEST - 1 - half]}\u2026{clean[-half:]}"


def png(figure: Figure) -> bytes:
    """On the light surface, twice the size of the page."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=160, metadata={"Software": None})
    return file.getvalue()


def svg(figure: Figure, name: str) -> str:
    """An ``svg`` element for a page that may have several; ``name`` keeps their ids apart."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].rstrip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    for colour, variable in _VARIABLES.items():
        text = text.replace(f": {colour}", f": {variable}")
    return text
