"""From real to integer: exact lowering, thresholds, multiply-shift."""
