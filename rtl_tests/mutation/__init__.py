"""Mutants of generated RTL: which the bench kills (gatesmith mutate; docs/mutation.md)."""
