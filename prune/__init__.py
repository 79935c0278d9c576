"""Pruning and compression; arrives with a later issue, the stage is part of the fixed layout."""
