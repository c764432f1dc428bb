"""The world behind the ports: the API server, its watches, logs, metrics and the clock."""
