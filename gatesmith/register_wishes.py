"""What goes through the registers: layers to reload, frames by address."""

from __future__ import annotations

from collections.abc import Sequence

from gatesmith.errors import UserError, raise_all
from gatesmith.quant.reloadable import Wish


def register_wishes(
    given: Sequence[str], *, registers: bool, dma: bool = False
) -> tuple[Wish, ...]:
    """Layers to reload, of texts with commas between them.

    Args:
        given: Behind ``--reloadable``.
        registers: Whether there are registers.
        dma: Whether frames are to be moved by address.

    Errors: ``cli.bad-reloadable``, ``cli.missing-option``; all at once.

    >>> [str(wish) for wish in register_wishes(["fc1=4,fc2", "conv*"], registers=True)]
    ['fc1=4', 'fc2', 'conv*']
    """
    wishes: list[Wish] = []
    errors: list[UserError] = []
    for text in (part for option in given for part in option.split(",")):
        try:
            wishes.append(Wish.parse(text))
        except ValueError as error:
            errors.append(
                UserError(
                    "cli.bad-reloadable",
                    "cannot read what is to be reloaded",
                    where=f"--reloadable {text}",
                    why=str(error),
                    fix=("write LAYER, LAYER=BITS or all; several with commas between",),
                )
            )
    for option, asked, why in (
        ("--reloadable", given, "weights are written through the registers"),
        ("--dma", dma, "addresses are written to the registers"),
    ):
        if asked and not registers:
            errors.append(
                UserError(
                    "cli.missing-option",
                    f"{option} says nothing without --registers",
                    where="gatesmith build",
                    why=why,
                    fix=("add --registers", f"leave out {option}"),
                )
            )
    raise_all(errors)
    return tuple(wishes)
