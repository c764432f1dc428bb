"""`salus test`: what policies would decide, tried on values and series that people have written down."""
