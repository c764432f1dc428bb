"""What objects of the cluster say, as values: workloads, autoscalers, pods, owners, capacity, edits."""
