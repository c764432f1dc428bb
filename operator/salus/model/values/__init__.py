"""The values that decisions are made of: frozen, without I/O, None for what could not be read."""
