"""A build as an IP core: IP-XACT, FuseSoC, projects of the vendors' tools, constraints, data sheet."""
