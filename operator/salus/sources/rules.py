"""The rules of a source: what its recorded series and its alerts are made from, over `/api/v1/rules`.

It is asked now and then, and an Error, whatever it is, means only that nothing is known of the rules. A source that has
tenants is not asked, as if it had none: whose rules would these be?
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import aiohttp

from salus.endpoints.failures import failure
from salus.endpoints.session import open_session
from salus.endpoints.settings import Credentials, CredentialsUnreadable
from salus.model.values.metrics import Error, Rule
from salus.sources.prometheus import MAX_BODY, body_of
from salus.sources.reply import data_in, too_large
from salus.sources.router import unknown_source
from salus.sources.settings import SourceSettings

MOST = 20_000
"""Rules of a source; it has no more."""
_LONGEST = 366 * 86_400


class PrometheusRules:
    """A RuleBook of the configured sources."""

    def __init__(self, sources: Mapping[str, SourceSettings]) -> None:
        self._sources = {name: _Book(settings) for name, settings in sources.items()}

    async def rules(self, source: str) -> Sequence[Rule] | Error:
        """All rules that the source tells of."""
        book = self._sources.get(source)
        return unknown_source(source, self._sources) if book is None else await book.rules()


class _Book:
    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._credentials = Credentials(settings)

    async def rules(self) -> Sequence[Rule] | Error:
        if self._settings.tenant_header or self._settings.binding.namespace:
            return ()
        fetched = await self._fetch()
        if isinstance(fetched, Error):
            return fetched
        data = data_in(self._settings.title, *fetched, "GET")
        return data if isinstance(data, Error) else rules_in(self._settings.title, data)

    async def _fetch(self) -> tuple[int, bytes] | Error:
        title = self._settings.title
        try:
            async with open_session(self._settings.timeout) as session:
                return await self._get(session)
        except (CredentialsUnreadable, aiohttp.ClientError, OSError) as error:
            failed = failure(self._settings, error)
            return Error(failed.reason, f"{title}: {failed.message}")

    async def _get(self, session: aiohttp.ClientSession) -> tuple[int, bytes] | Error:
        async with session.get(
            self._credentials.url("/api/v1/rules"),
            params={"exclude_alerts": "true"},
            headers=self._credentials.headers(),
            ssl=self._credentials.tls(),
            allow_redirects=False,
        ) as response:
            body = await body_of(response)
            return (response.status, body) if body is not None else too_large(self._settings.title, MAX_BODY)


def rules_in(source: str, data: Mapping[str, Any]) -> Sequence[Rule] | Error:
    """The rules in the `data` of a reply; what is no rule is passed over."""
    found = [rule for raw in _raw_rules(data) if (rule := _rule(raw)) is not None]
    if len(found) > MOST:
        return Error("ResponseTooLarge", f"{source} has {len(found)} rules, at most {MOST} are looked at")
    return tuple(sorted(found))


def _raw_rules(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for group in _objects(data.get("groups")):
        yield from _objects(group.get("rules"))


def _objects(found: object) -> Iterator[Mapping[str, Any]]:
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())


def _rule(raw: Mapping[str, Any]) -> Rule | None:
    name, query, kind = raw.get("name"), raw.get("query"), raw.get("type")
    if not (isinstance(name, str) and isinstance(query, str)) or kind not in ("alerting", "recording"):
        return None
    lasts = _seconds(raw.get("duration")) + _seconds(raw.get("keepFiringFor"))
    return Rule(name, query, kind == "alerting", timedelta(seconds=lasts))


def _seconds(found: object) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return 0.0
    return float(min(max(found, 0), _LONGEST))
