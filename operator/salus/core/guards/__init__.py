"""Whether an action may be done now: the chain of guards, and what each of them asks."""
