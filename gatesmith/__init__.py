"""gatesmith: trained networks to streaming FPGA cores, every bit proven equal."""

__version__ = "0.1.0"
