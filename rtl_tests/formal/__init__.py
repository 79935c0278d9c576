"""Formal proofs of the blocks that streams run through (gatesmith prove; docs/formal.md)."""
