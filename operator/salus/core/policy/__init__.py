"""From a HealthPolicy to queries: compiled, bounded, with the operator's minimums."""
