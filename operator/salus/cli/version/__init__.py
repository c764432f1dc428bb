"""Which program this is, which operator and CRDs are in the cluster, and whether they fit."""
