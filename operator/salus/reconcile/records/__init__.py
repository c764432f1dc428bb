"""What is on record: read through one store, written in one place."""
