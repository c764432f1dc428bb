"""Looking back: range queries through prometheus-api-client, in threads, since they are few.

The library raises four families of exceptions, follows redirects and drops warnings. Its session is therefore given a
hook that judges each response by the same rules as the hot path, and what the library still raises becomes an Error.
Prometheus itself bounds a series to 11,000 points, and shows the last sample of a series that fell silent for five
minutes more: the past is not asked for the age of its samples.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from salus.model.values import Error, Question, Sample
from salus.sources.reply import data_in, described
from salus.sources.router import unknown_source
from salus.sources.settings import Credentials, CredentialsUnreadable, SourceSettings

IN_FLIGHT = 4


class PrometheusHistory:
    """A MetricHistory over `/api/v1/query_range` of the configured sources."""

    def __init__(self, sources: Mapping[str, SourceSettings]) -> None:
        self._sources = sources
        self._credentials = {name: Credentials(settings) for name, settings in sources.items()}
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def samples(
        self, question: Question, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """Samples from start to end, oldest first; gaps are left out, as are NaN and infinite values."""
        settings = self._sources.get(question.source)
        if settings is None:
            return unknown_source(question.source, self._sources)
        async with self._slots:
            return await asyncio.to_thread(self._samples, settings, question, start, end, step)

    def _samples(
        self, settings: SourceSettings, question: Question, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        name = f"source {settings.name}"
        try:
            rows = self._query(settings, question, start, end, step)
            return _one_series(rows, question)
        except _Refused as refused:
            return refused.error
        except CredentialsUnreadable as error:
            return Error("CredentialsUnreadable", f"{name}: {error}")
        except requests.Timeout:
            return Error("Timeout", f"{name} did not answer within {settings.timeout.total_seconds():g}s")
        except requests.RequestException as error:
            return Error("Unreachable", f"{name} cannot be reached: {error}")
        except (PrometheusApiClientException, KeyError, IndexError, TypeError, ValueError, OverflowError):
            return Error("NotPrometheus", f"{name} answered something else than the Prometheus HTTP API does")

    def _query(
        self, settings: SourceSettings, question: Question, start: datetime, end: datetime, step: timedelta
    ) -> list[Mapping[str, Any]]:
        timeout = settings.timeout.total_seconds()
        with PrometheusConnect(
            url=settings.url.rstrip("/"),
            headers=self._credentials[settings.name].headers(question.namespace),
            session=_session(settings),
            retry=Retry(0, read=False),  # read=False: a timeout stays a timeout
            timeout=timeout,
            method="POST",
        ) as prometheus:
            rows: list[Mapping[str, Any]] = prometheus.custom_query_range(
                question.query, start, end, f"{step.total_seconds():.3f}", params={"timeout": f"{timeout:.3f}"}
            )
        return rows


class _Refused(Exception):
    """A response that must not be trusted."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


def _session(settings: SourceSettings) -> requests.Session:
    def judge(response: requests.Response, **_: object) -> None:
        judged = data_in(f"source {settings.name}", response.status_code, response.content)
        if isinstance(judged, Error):
            raise _Refused(judged)

    session = requests.Session()
    session.trust_env = False
    session.verify = _authorities(settings.ca_file)
    session.hooks["response"] = judge
    return session


def _authorities(ca_file: Path | None) -> bool | str:
    return str(ca_file) if ca_file else True


def _one_series(rows: Sequence[Mapping[str, Any]], question: Question) -> Sequence[Sample] | Error:
    if question.select is not None:
        label, value = question.select
        rows = [row for row in rows if row["metric"].get(label) == value]
    if len(rows) > 1:
        shown = " and ".join(described(row["metric"]) for row in rows[:2])
        return Error("SeveralSeries", f"expected one series, got {len(rows)}: {shown}")
    points = rows[0]["values"] if rows else ()
    samples = (Sample(datetime.fromtimestamp(at, UTC), float(value)) for at, value in points)
    return [sample for sample in samples if math.isfinite(sample.value)]
