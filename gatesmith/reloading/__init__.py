"""Another network for the memories of a core: ``gatesmith reload``."""
