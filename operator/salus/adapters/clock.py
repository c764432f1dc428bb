"""The clock on the wall; the only module whose purpose is to read it."""

from datetime import UTC, datetime


class SystemClock:
    """The port `Clock`, by the system's clock."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return datetime.now(UTC)
