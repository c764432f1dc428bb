"""A real Kubernetes control plane with Prometheus for tests, the demo and `make cluster`.

Nothing in here belongs to Salus: it is the world that Salus is tried in. Start with `cluster.DevCluster`.
"""
