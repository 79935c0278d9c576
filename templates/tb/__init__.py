"""Files that become the tb/ folder of a build; toolchain.py and shards.py also serve gatesmith."""
