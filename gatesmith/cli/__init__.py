"""The ``gatesmith`` command: one file a subcommand, and here what all of them share: the exit code.

0  done, and for verify: every frame equal
1  verify found a difference, or gatesmith has a bug (the traceback goes to a file)
2  the model, an option or the machine has to change; every such message says how
128 + N  stopped by signal N (130: Ctrl-C, 143: kill), what was being written is removed

Commands import the stages inside their bodies, so that ``gatesmith --help`` loads no NumPy.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gatesmith.cli.app import app
from gatesmith.cli.failure import bug_report, from_memory_error, from_os_error
from gatesmith.cli.output import print_errors
from gatesmith.cli.stop import Stopped, stoppable
from gatesmith.errors import UserError, UserErrors

OK = 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code is described at the top of this file."""
    args = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in args
    try:
        with stoppable():
            return _run(args)
    except Stopped as stopped:
        print(f"gatesmith: {stopped}", file=sys.stderr)
        return stopped.code
    except (UserError, UserErrors) as error:
        return print_errors(error, as_json)
    except MemoryError:
        return print_errors(from_memory_error(args), as_json)
    except Exception as error:
        known = from_os_error(error) if isinstance(error, OSError) else None
        return print_errors(known, as_json) if known else bug_report(error, args, as_json)


def _run(args: list[str]) -> int:
    """Typer prints its own usage errors and leaves with 2."""
    try:
        app(args=args, prog_name="gatesmith")
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else OK
    return OK
