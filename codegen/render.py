"""The one place that touches Jinja."""

from __future__ import annotations

from importlib import resources

import jinja2

from gatesmith import __version__
from gatesmith.codegen.ip.quote import ctext, markdown, rdl, tcl, tcl_list, told


def sv_int(value: int, bits: int) -> str:
    """SystemVerilog literal of ``value`` in ``bits`` bits, sized and signed.

    >>> sv_int(77, 8), sv_int(-128, 8)
    ("8'sd77", "-8'sd128")
    """
    return f"{'-' if value < 0 else ''}{bits}'sd{abs(value)}"


def _environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("gatesmith", "templates"),
        undefined=jinja2.StrictUndefined,  # a misspelt name is an error, not an empty string
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters |= {"sv_int": sv_int, "tcl": tcl, "tcl_list": tcl_list}
    env.filters |= {"markdown": markdown, "told": told, "rdl": rdl, "ctext": ctext}
    env.globals["version"] = __version__
    return env


_ENV = _environment()


def render(template: str, **context: object) -> str:
    """Text of ``template`` (a path below templates/) with ``context`` filled in."""
    return _ENV.get_template(template).render(context)


def plain(path: str) -> str:
    """Text of a file below templates/ that is not a template."""
    return resources.files("gatesmith.templates").joinpath(path).read_text("utf-8")
