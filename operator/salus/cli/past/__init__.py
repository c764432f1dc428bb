"""What was: the history of workloads, and reports of it."""
