"""Mixed precision: bits for each tensor, under a hardware budget or an accuracy floor."""
