"""Salus heals services on Kubernetes: it measures, decides, records, acts, and proves that it helped."""

from salus.version import __version__

__all__ = ["__version__"]
