"""``gatesmith prune``: settings, steps, result."""
