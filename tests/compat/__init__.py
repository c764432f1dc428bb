"""The contract tests of sources, asked of other servers than the one that `make test` has: `make compat`."""
