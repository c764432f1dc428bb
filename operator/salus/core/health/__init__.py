"""From answers to verdicts: what a check says, what all of them say, and for how long."""
