"""Control and status of a core over AXI4-Lite: the map, and the RTL."""
