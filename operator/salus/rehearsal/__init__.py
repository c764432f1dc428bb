"""The operator's own loop over a cluster of values: behind `test`, `replay`, `demo` and `explain --now`.

`engine` runs it in a `world`, over a `history` of metrics or `answers` to what is done; `foresight` leaves out what
changes nothing, `timeline` keeps what the checks said. `cluster`, `accounts`, `workloads` and `records` are the API
server and its watches in memory, held to the real ones by the contract tests; `server` is what that server makes of
what it is sent, and `controllers` what its controllers do. Nothing here reaches the real world.
"""
