"""A person's Prometheus behind the ports through which the operator measures, for its own code run by a person.

Whatever source a policy names, this one answers: it is the one that the person has pointed at.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from salus.cli.metrics.ask import Metrics
from salus.model.values.metrics import Answer, Error, Query, Sample
from salus.sources.history import one_series


class AsSource:
    """The ports MetricSource and MetricHistory."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """One answer per question, in order; equal questions are asked once."""
        once = list(dict.fromkeys(questions))
        asked = (self._metrics.within(question.namespace).answer(question) for question in once)
        given = dict(zip(once, await asyncio.gather(*asked), strict=True))
        return [given[question] for question in questions]

    async def samples(
        self, question: Query, start: datetime, end: datetime, step: timedelta
    ) -> Sequence[Sample] | Error:
        """Samples from start to end, oldest first; gaps are left out, as are NaN and infinite values."""
        given = await self._metrics.within(question.namespace).past(question, start, end, step)
        return given if isinstance(given, Error) else one_series(given, question)
