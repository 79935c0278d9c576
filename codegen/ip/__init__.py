"""A build as an IP core: IP-XACT, FuseSoC, vendors' projects, constraints, data sheet."""
