"""Reports: a page that opens offline, and its figures as PNG. Needs matplotlib."""
