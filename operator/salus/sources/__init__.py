"""Adapters for the places that metrics come from; each passes the contract tests of its port."""
