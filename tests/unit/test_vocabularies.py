"""Presets that ask the same of many exporters, in the words of each."""

import json
from pathlib import Path

import pytest

from salus.core.policy import promql
from salus.model.meta import WorkloadKind
from salus.presets.vocabularies import Words, vocabulary
from tests.presets import question

MEANT = json.loads((Path(__file__).parent / "data" / "requests.json").read_text(encoding="utf-8"))
"""By preset and exporter, what each asked of a Deployment when it was written out in full."""
WORDS = Words.parse(
    {
        "toldBy": "somebody",
        "needs": ["a_total"],
        "perSecond": 1000,
        "series": {"all": 'a_total{b="c"}', "failed": ['a_total{b="d"}', 'a_total{\n  b="e"\n}']},
    }
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("sum(rate($all[2m]))", 'sum(rate(a_total{b="c"}[2m]))', id="a word is the exporter's series"),
        pytest.param(
            "sum(increase($all[1h] offset 7d))",
            'sum(increase(a_total{b="c"}[1h] offset 7d))',
            id="over any range, of any time",
        ),
        pytest.param(
            "sum(rate($failed[2m]))",
            'sum(rate(a_total{b="d"}[2m]) or rate(a_total{b="e"}[2m]))',
            id="several series where no single one has all of it",
        ),
        pytest.param(
            'rate($all{le=~"$edge"}[2m])', 'rate(a_total{b="c",le=~"$edge"}[2m])', id="less of it, by another label"
        ),
        pytest.param("x / $perSecond", "x / 1000", id="in its unit of time"),
        pytest.param(
            'rate(a{pod=~"$pods"}[2m])', 'rate(a{pod=~"$pods"}[2m])', id="what is no word stays as it is written"
        ),
    ],
)
def test_a_text_is_said_in_the_words_of_an_exporter(text: str, said: str) -> None:
    assert WORDS.say(text) == said


def test_seconds_need_no_unit() -> None:
    assert WORDS.model_copy(update={"per_second": 1}).say("x / $perSecond") == "x"


def test_a_word_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError, match="refused"):
        WORDS.say("rate($refused[2m])")


@pytest.mark.parametrize("name", ["requests", "durations"])
def test_exporters_of_one_vocabulary_have_the_same_words(name: str) -> None:
    assert len({frozenset(words.series) for words in vocabulary(name).values()}) == 1


def test_those_who_count_requests_time_them_too() -> None:
    assert list(vocabulary("requests")) == list(vocabulary("durations"))


@pytest.mark.parametrize(
    ("preset", "variant"), [pytest.param(name, one, id=f"{name} {one}") for name, all_ in MEANT.items() for one in all_]
)
def test_what_they_ask_is_what_they_asked_when_it_was_written_out(preset: str, variant: str) -> None:
    check = question(preset, WorkloadKind.DEPLOYMENT, variant).check()

    assert [promql.one_line(promql.tree(template)) for template in check.templates] == MEANT[preset][variant]
