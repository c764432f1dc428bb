"""`salus init`: a first policy for a workload, from what its Prometheus knows of it, each number with its reason."""
