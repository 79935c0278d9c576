"""The same network in other runtimes, and where their results differ from the exact ones."""
