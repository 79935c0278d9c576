"""Settings of all tests."""

from hypothesis import settings

# No test is judged by its time: machines are shared.
settings.register_profile("gatesmith", deadline=None)
settings.load_profile("gatesmith")
