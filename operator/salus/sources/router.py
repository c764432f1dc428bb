"""All sources of an operator behind one port: each question goes to the source that it names."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from salus.model.values import Answer, Error, Question
from salus.ports import MetricSource


class Sources:
    """A MetricSource that routes by `Question.source`; sources are asked at the same time."""

    def __init__(self, sources: Mapping[str, MetricSource]) -> None:
        self._sources = sources

    async def ask(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """One answer per question, in order."""
        by_source: dict[str, list[int]] = defaultdict(list)
        for index, question in enumerate(questions):
            by_source[question.source].append(index)
        answers: dict[int, Answer] = {}

        async def ask_one(name: str, indexes: list[int]) -> None:
            given = await self._ask(name, [questions[index] for index in indexes])
            answers.update(zip(indexes, given, strict=True))

        async with asyncio.TaskGroup() as group:
            for name, indexes in by_source.items():
                group.create_task(ask_one(name, indexes))
        return [answers[index] for index in range(len(questions))]

    async def _ask(self, name: str, questions: Sequence[Question]) -> Sequence[Answer]:
        source = self._sources.get(name)
        return [unknown_source(name, self._sources)] * len(questions) if source is None else await source.ask(questions)


def unknown_source(name: str, known: Mapping[str, object]) -> Error:
    """The answer to a question for a source that is not configured."""
    menu = ", ".join(sorted(known)) or "none"
    return Error("UnknownSource", f'no source is named "{name}"; known: {menu}')
