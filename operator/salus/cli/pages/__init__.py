"""Pages of HTML by Jinja2 from documents: one file that asks nobody for anything, reads without script, and prints.

Autoescape is on for all of it, and no template comes from people. A policy in the page itself (CSP) forbids everything
but the style and the script that stand in it, by their hashes.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from jinja2 import BaseLoader, Environment, TemplateNotFound
from markupsafe import Markup

from salus.cli.marks import MARKS, state_of
from salus.cli.reports.document import Document
from salus.model.scalars import format_duration

LARGEST = 1_000_000
"""Bytes of a page. What does not fit is left out by who makes the document, and counted there."""
LARGEST_DATA = 300_000
"""Bytes of the document within it."""
LEFT_OUT = Markup("null")
"""In place of a larger one."""


class TooLargeError(Exception):
    """The page is larger than what people may be sent."""


def page(template: str, document: Document, zone: tzinfo | None = None, **more: Any) -> str:  # noqa: ANN401 — what the template needs
    """The page of a document. Raises TooLargeError."""
    style, script, data = _read("style.css"), _read("print.js"), embedded(document)
    text = (
        _environment(zone)
        .get_template(template)
        .render(
            document=document,
            data=data,
            data_left_out=None if data != LEFT_OUT else len(document.to_json()),
            style=Markup(style),  # noqa: S704 — our own file
            script=Markup(script),  # noqa: S704 — our own file
            csp=_policy(style, script),
            **more,
        )
    )
    if (length := len(text.encode())) > LARGEST:
        raise TooLargeError(f"the page would take {length} bytes, at most {LARGEST}")
    return text


def embedded(document: Document) -> Markup:
    """The document as JSON inside of a page, which no text in it can leave; `null` where it is too large for that."""
    raw = orjson.dumps(orjson.loads(document.to_json()))
    if len(raw) > LARGEST_DATA:
        return LEFT_OUT
    text = raw.decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(text)  # noqa: S704 — nothing in it is a mark any more


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


class _Files(BaseLoader):
    """The files beside this one."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Any]:
        """As the base says."""
        del environment
        try:
            return _read(template), None, lambda: True
        except FileNotFoundError as error:
            raise TemplateNotFound(template) from error


def _environment(zone: tzinfo | None) -> Environment:
    environment = Environment(loader=_Files(), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(_filters(zone))
    return environment


def _filters(zone: tzinfo | None) -> Mapping[str, Any]:
    def moment(value: datetime | None) -> str:
        if value is None:
            return ""
        local = value.astimezone(zone)
        return f"{local.day} {local:%b %H:%M:%S}"

    def zoned(value: datetime) -> str:
        local = value.astimezone(zone)
        return f"{local.day} {local:%b %Y %H:%M} {local.tzname()}"

    return {"moment": moment, "zoned": zoned, "lasting": format_duration, "marked": _marked, "drawn": Markup}


def _marked(word: str) -> Markup:
    """A word with the mark of its state."""
    state = state_of(word)
    if state is None:
        return Markup.escape(word)
    mark = MARKS[state]
    return Markup('<span class="state {}"><span aria-hidden="true">{}</span> {}</span>').format(state, mark.sign, word)
