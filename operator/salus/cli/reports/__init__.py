"""Derived documents: what commands print as JSON, and all that their text is made from."""
