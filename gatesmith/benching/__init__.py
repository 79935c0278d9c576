"""``gatesmith bench``: run.py is where to start."""
