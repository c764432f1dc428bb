"""The chart, and what is made from it: generated files, and the tests that only the chart needs.

`python -m tests.chart` writes what is generated; with `--check` it only compares.
"""
