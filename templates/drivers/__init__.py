"""Drivers that a build with registers carries along: C, Python, no import of gatesmith."""
