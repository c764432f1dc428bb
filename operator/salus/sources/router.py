"""All sources of an operator behind one port: each question goes to the source that it names.

A source that raises has a defect, which costs its own questions an answer, and those of no other source.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import structlog

from salus.model.values.metrics import Answer, Error, Query
from salus.ports import MetricSource

log = structlog.get_logger(__name__)


class Sources:
    """A MetricSource that routes by `Query.source`; sources are asked at the same time."""

    def __init__(self, sources: Mapping[str, MetricSource]) -> None:
        self._sources = sources

    async def ask(self, questions: Sequence[Query]) -> Sequence[Answer]:
        """One answer per question, in order."""
        by_source: dict[str, list[int]] = defaultdict(list)
        for index, question in enumerate(questions):
            by_source[question.source].append(index)
        given = await asyncio.gather(
            *(self._ask(name, [questions[index] for index in indexes]) for name, indexes in by_source.items()),
            return_exceptions=True,
        )
        answers: dict[int, Answer] = {}
        for (name, indexes), some in zip(by_source.items(), given, strict=True):
            told = _failed(name, some, len(indexes)) if isinstance(some, BaseException) else some
            answers.update(zip(indexes, told, strict=True))
        return [answers[index] for index in range(len(questions))]

    async def _ask(self, name: str, questions: Sequence[Query]) -> Sequence[Answer]:
        source = self._sources.get(name)
        return [unknown_source(name, self._sources)] * len(questions) if source is None else await source.ask(questions)


def _failed(name: str, error: BaseException, questions: int) -> Sequence[Answer]:
    log.error("a defect in Salus, please report it", source=name, exc_info=error)
    return [Error("SourceFailed", f"source {name} cannot be asked, by a defect of Salus; its log has more")] * questions


def unknown_source(name: str, known: Mapping[str, object]) -> Error:
    """The answer to a question for a source that is not configured."""
    menu = ", ".join(sorted(known)) or "none"
    return Error("UnknownSource", f'no source is named "{name}"; known: {menu}')
