"""HTTP servers that the administrator configured by name: where they are, and how Salus shows itself there."""
