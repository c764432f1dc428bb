"""What is logged while a person's command runs: warnings, on standard error, where the answer is not."""

import logging
import sys

import structlog


def only_warnings() -> None:
    """Let nothing else through, unless somebody has said otherwise."""
    if not structlog.is_configured():
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )


def nothing() -> None:
    """Let nothing through: what the operator logs while it is rehearsed is not what a person wants to see."""
    structlog.configure(processors=[_drop])


def _drop(*_: object) -> str:
    raise structlog.DropEvent
