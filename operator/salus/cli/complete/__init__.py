"""What a shell offers for a line that is being typed: one command answers them all, in the protocol of Cobra."""
