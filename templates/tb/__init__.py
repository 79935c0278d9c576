"""Files that become the tb/ folder of a build; gatesmith itself uses its caches and tools too."""
