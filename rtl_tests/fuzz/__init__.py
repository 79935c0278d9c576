"""Damaged model files: made here, run through the command, judged (docs/robustness.md)."""
