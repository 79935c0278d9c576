"""Weights that share values, and codes for them: how few bits a network can be stored in."""
