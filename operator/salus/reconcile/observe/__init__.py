"""Reads what a decision needs, so that deciding itself is pure."""
