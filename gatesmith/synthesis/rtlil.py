"""Modules of a design as Yosys writes it (RTLIL), each a text that hangs on nothing else.

Yosys numbers what it makes itself ($add$file.sv:7$42) through the whole design, so that a change in
one module renames cells in all of them. Here the numbers start again in each text: equal content is
an equal text, which is what synthesis is cached by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_MODULE = re.compile(r"^module (\S+)\n.*?^end\n", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"^  cell (\S+) (\S+)$", re.MULTILINE)
_NUMBER = re.compile(r"\$(\d+)(?![0-9A-Za-z])")


class Rtlil:
    """An elaborated design: its modules by name as RTLIL has it, behind a backslash."""

    def __init__(self, text: str) -> None:
        self.modules: Mapping[str, str] = {m[1]: m[0] for m in _MODULE.finditer(text)}

    def instances(self, module: str) -> dict[str, str]:
        """Modules of this design that one instantiates, by name of the instance."""
        cells = _CELL.findall(self.modules[module])
        return {name.removeprefix("\\"): kind for kind, name in cells if kind in self.modules}

    def alone(self, module: str) -> str:
        """The module and all below it, numbered anew."""
        wanted, todo = set(), [module]
        while todo:
            name = todo.pop()
            if name not in wanted:
                wanted.add(name)
                todo += self.instances(name).values()
        body = "".join(self.modules[name] for name in sorted(wanted))
        numbers: dict[str, int] = {}
        body = _NUMBER.sub(lambda m: f"${numbers.setdefault(m[1], len(numbers) + 1)}", body)
        return f"autoidx {len(numbers) + 1}\n{body}"
