"""What is on record: names, bodies, status, what is sent of it, and how long it is kept."""
