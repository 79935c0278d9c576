"""What is wrong with a recipe, collected, so that all of it is said at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gatesmith.errors import UserError, UserErrors, raise_all

CODE = "compress.recipe"
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Problems:
    """Problems of one file.

    Attributes:
        file: Its name.
        found: So far, each once.
    """

    file: str
    found: dict[str, UserError] = field(default_factory=dict)

    def add(self, where: str, what: str, why: str, *fix: str) -> None:
        """One more: ``where`` is a table and a key."""
        error = UserError(CODE, what, where=f"{self.file}, {where}", why=why, fix=fix)
        self.found.setdefault(str(error), error)

    def tried(self, where: str, step: Callable[[], Result]) -> Result | None:
        """What ``step`` gives; None, and its complaints as those of this table, where it fails."""
        try:
            return step()
        except (UserError, UserErrors) as error:
            for one in error.errors if isinstance(error, UserErrors) else (error,):
                self._add(where, one)
        except ValueError as error:
            self.add(where, "an option is unknown", str(error), "docs/cli.md lists what there is")
        return None

    def _add(self, where: str, error: UserError) -> None:
        """A complaint of a command; where it is about an option, that is the key."""
        option = re.match(r"--([a-z-]+)", error.where)
        what = error.what
        if option is not None:
            what = f"{what} ({error.where})"
            where += f", {_key(option[1])}" if where.startswith("[") and ", " not in where else ""
        self.add(where, *(_as_key(text) for text in (what, error.why, *error.fix)))

    def check(self) -> None:
        """Raise what was found."""
        raise_all(list(self.found.values()))


def _as_key(text: str) -> str:
    """An option of the command line as a key of a table.

    >>> _as_key("--learn-bits says nothing without --budget"), _as_key("add --ratio 0.5")
    ('learn_bits says nothing without budget', 'add ratio = 0.5')
    """
    text = re.sub(r"--([a-z][a-z-]*) (?=[\d\"'A-Z])", lambda found: f"{_key(found[1])} = ", text)
    return re.sub(r"--([a-z][a-z-]*)", lambda found: _key(found[1]), text)


def _key(option: str) -> str:
    return option.replace("-", "_")
