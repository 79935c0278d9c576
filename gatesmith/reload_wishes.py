"""What was said of layers to reload: ``--reloadable`` and its values."""

from __future__ import annotations

from collections.abc import Sequence

from gatesmith.errors import UserError, raise_all
from gatesmith.quant.reloadable import Wish


def reload_wishes(given: Sequence[str], *, registers: bool) -> tuple[Wish, ...]:
    """Wishes, of texts with commas between the layers.

    Errors: ``cli.bad-reloadable``, ``cli.missing-option``; all at once.

    >>> [str(wish) for wish in reload_wishes(["fc1=4,fc2", "conv*"], registers=True)]
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
    if given and not registers:
        errors.append(
            UserError(
                "cli.missing-option",
                "--reloadable says nothing without --registers",
                where="gatesmith build",
                why="weights are written through the registers",
                fix=("add --registers", "leave out --reloadable"),
            )
        )
    raise_all(errors)
    return tuple(wishes)
