"""The operator's own loop over a cluster of values: behind `test`, `replay`, `demo` and `explain --now`.

`cluster`, `accounts`, `workloads` and `records` are the API server and its watches in memory, held to the real ones by
the contract tests; `server` is what that server makes of what it is sent. Nothing here reaches the world.
"""
