"""The chart, by the tools that read charts, and installed on a real API server."""
