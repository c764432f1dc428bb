"""Logs: one line an event, JSON for machines or text for people, ours and those of the libraries alike.

Whoever works on a policy, target, incident or change binds it with `structlog.contextvars`; every line then carries it.
Libraries log through the standard library; their lines pass through the same last steps.
"""

import logging
import sys
from enum import StrEnum
from typing import TextIO

import structlog
from structlog.typing import Processor

from salus.reconcile.records.retention import EXPORT

_CHATTY = ("aiohttp.access", "asyncio", "kubernetes")
"""Loggers of libraries that say at INFO what only their authors need."""
_EACH_OBJECT = "kopf.objects"
"""Kopf's logger of what it does with an object: at INFO, two lines for each event that was taken in."""
_QUOTING = ("aiohttp.internal", "urllib3")
"""Those that quote, also in warnings, whole URLs and what servers send."""


class LogFormat(StrEnum):
    """How a line looks."""

    JSON = "json"
    TEXT = "text"


def configure(log_format: LogFormat, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (standard error by default), from `level` on. May be called again.

    Raises ValueError for a level that is none.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder(allow=["k8s_ref"])],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(log_format, stream)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger(EXPORT).setLevel(logging.INFO)  # a record that is deleted is exported at any level
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _QUOTING:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger(_EACH_OBJECT).addFilter(_as_debug)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _as_debug(record: logging.LogRecord) -> bool:
    """Whether a line is still to be written, when what is said at INFO counts as DEBUG."""
    if record.levelno == logging.INFO:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return logging.getLogger().isEnabledFor(record.levelno)


def _shared() -> list[Processor]:
    """What every line goes through, ours as the libraries'."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]


def _rendering(log_format: LogFormat, stream: TextIO) -> list[Processor]:
    if log_format is LogFormat.TEXT:
        plain = structlog.dev.plain_traceback  # where Rich is installed the default prints local variables: credentials
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="time", exception_formatter=plain)]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]
