"""``python -m gatesmith``: the same as the ``gatesmith`` command."""

import sys

from gatesmith.cli import main

sys.exit(main())
