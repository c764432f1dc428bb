"""Pages: one file by itself, in which the text of people stays text."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Literal

import pytest

from salus.cli.pages import LARGEST, TooLargeError, embedded, page
from salus.cli.reports.document import Document, NotLookedAt
from tests.builders import NOW


class Told(Document):
    kind: Literal["Told"] = "Told"
    text: str = ""


EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">&amp;'


class Elements(HTMLParser):
    """What is in a page, by tag."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for found, attributes in self.found if found == tag)


def elements(text: str) -> Elements:
    parsed = Elements()
    parsed.feed(text)
    return parsed


def test_a_page_asks_nobody_for_anything() -> None:
    parsed = elements(page("base.html.j2", Told(at=NOW, cluster=EVIL)))

    assert not [one for _, one in parsed.found if {"src", "href", "action"} & set(one)]
    assert [one for tag, one in parsed.found if any(name.startswith("on") for name in one)] == []
    policy = next(one["content"] for one in parsed.of("meta") if one.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_text_of_people_stays_text() -> None:
    lacks = NotLookedAt(what=EVIL, lacks=EVIL)
    text = page("base.html.j2", Told(at=NOW, cluster=EVIL, text=EVIL, not_looked_at=(lacks,)))

    assert len(list(elements(text).of("script"))) == 2
    assert list(elements(text).of("img")) == []


def test_the_document_is_within_the_page() -> None:
    document = Told(at=NOW, text=EVIL)
    text = page("base.html.j2", document)
    data = re.findall(r'<script type="application/json" id="salus-report">(.*?)</script>', text)

    assert Told.from_json(json.dumps(json.loads(data[0])).encode()) == document


def test_a_page_that_is_too_large_is_refused() -> None:
    with pytest.raises(TooLargeError):
        page("base.html.j2", Told(at=NOW, cluster="x" * LARGEST))


def test_data_that_are_too_large_are_left_out() -> None:
    assert embedded(Told(at=NOW, text="x" * 400_000)) == "null"
