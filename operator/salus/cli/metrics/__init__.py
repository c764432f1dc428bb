"""The person's Prometheus: finding it, proving that it is this cluster's, and asking it."""
