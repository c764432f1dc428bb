"""Finding the person's Prometheus: what they name, else the operator's own, else a Service that looks like one.

Whatever is found is only a place to ask; that it is this cluster's is for `proof` to show.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from salus.adapters.service_proxy import Service
from salus.cli.contract import CannotBeAsked
from salus.cli.metrics.choosing import Choose, one_of
from salus.cli.metrics.place import (
    SIGNS,
    Place,
    Settings,
    Sign,
    at_service,
    candidates,
    in_service,
    is_of_its_pod,
    service_of,
)
from salus.cli.metrics.wanted import Prometheus
from salus.cli.person import Person, told
from salus.model.scalars import Body
from salus.ports import CONFIG_MAPS, SERVICES, Forbidden, NotFound, Ref, Resource, right
from salus.settings import DEFAULT_SOURCE, SettingsError, SourceConfig, read_settings, settings_in
from salus.settings import Settings as OperatorSettings
from salus.sources.settings import SourceSettings

OPERATORS_NAMESPACE = "salus-system"
"""Where the operator's configuration is looked for first."""
USUAL_NAMESPACES = ("monitoring",)
"""Where Services are looked for, besides the person's own namespace, if they may not look everywhere."""
_FILE = "salus.yaml"
OF_THE_OPERATOR = {"app.kubernetes.io/name": "salus"}
"""Labels of what the chart makes."""
_A_SERVICE = re.compile(r"(?P<namespace>[a-z0-9-]+)/(?P<name>[a-z0-9-]+)(:(?P<port>[a-z0-9-]+))?")
_NAME_ONE = "--prometheus URL, or --prometheus NAMESPACE/SERVICE:PORT through the API server's proxy"


async def find(wanted: Prometheus, person: Person | None, patience: timedelta, choose: Choose | None = None) -> Place:
    """Where the Prometheus is that is meant; one request may take as long as `patience`. Raises CannotBeAsked."""
    search = Search(wanted, patience, choose)
    if wanted.at:
        return await search.named(person)
    if wanted.config is not None:
        return search.of_file(wanted.config)
    if person is None:
        raise CannotBeAsked("no Prometheus is named, and no cluster to look for one", (), [_NAME_ONE])
    place = await search.of_operator(person) or await search.by_label(person)
    if place is None:
        raise search.nowhere(person)
    return place


async def configuration(wanted: Prometheus, person: Person) -> OperatorSettings | None:
    """The operator's configuration; None: it is not at hand, cannot be used, or there are several."""
    try:
        if wanted.config is not None:
            return read_settings(wanted.config)
        listed = await person.around(CONFIG_MAPS, OPERATORS_NAMESPACE, OF_THE_OPERATOR)
        found = [one for one in listed if _FILE in (one.get("data") or {})]
        return settings_in(str(found[0]["data"][_FILE]).encode(), _title(found[0])) if len(found) == 1 else None
    except SettingsError:
        return None


@dataclass(slots=True)
class Search:
    """One search."""

    wanted: Prometheus
    patience: timedelta
    choose: Choose | None
    unseen: list[str] = field(default_factory=list)
    """Where one could not look, and the right that it takes."""

    async def named(self, person: Person | None) -> Place:
        """What a person typed."""
        service = _A_SERVICE.fullmatch(self.wanted.at)
        if service is None:
            return self._at_url(self.wanted.at)
        if self.wanted.token_file or self.wanted.ca:
            why = ("why", "the API server passes on no credentials")
            raise CannotBeAsked("--prometheus-token-file and --prometheus-ca go with a URL", [why])
        if person is None:
            raise CannotBeAsked(f"{self.wanted.at} is a Service, and there is no cluster", (), ["--prometheus URL"])
        if service["port"]:
            found: Service | None = Service(service["namespace"], service["name"], service["port"])
        else:
            found = in_service(await person.get(Ref(SERVICES, service["namespace"], service["name"])))
        if found is None:
            raise CannotBeAsked(f"Service {self.wanted.at} has no port to ask", (), [_NAME_ONE])
        place = at_service(found, "--prometheus")
        return self._in_time(replace(place, settings=replace(place.settings, headers=self.wanted.headers)))

    def _at_url(self, url: str) -> Place:
        wanted = self.wanted
        try:
            settings = Settings(
                name=url,
                url=url,
                timeout=self.patience,
                bearer_token_file=wanted.token_file,
                headers=wanted.headers,
                ca_file=wanted.ca,
            )
        except ValueError as error:
            expected = ("expected", "a URL such as https://prometheus.example.com, or NAMESPACE/SERVICE:PORT")
            raise CannotBeAsked(
                "--prometheus names nothing that can be asked", [("why", str(error)), expected]
            ) from error
        return Place(settings, "--prometheus").bound(wanted.match)

    def of_file(self, file: Path) -> Place:
        """As the operator itself asks."""
        try:
            settings = read_settings(file)
        except SettingsError as error:
            raise CannotBeAsked("the operator's configuration cannot be used", [("why", str(error))]) from error
        name, source = self._source(settings, str(file))
        value = replace(source.value(name), name=name)
        return self._in_time(Place(value, f"{file}, source {name}", exporters=source.exporters))

    async def of_operator(self, person: Person) -> Place | None:
        """What the operator's ConfigMap in the cluster says; None: there is none, or it names no source."""
        found = [one for one in await self._config_maps(person) if _FILE in (one.get("data") or {})]
        if not found:
            return self._no_source()
        titles = [f"ConfigMap {_title(one)}" for one in found]
        chosen = one_of(found, titles, self.choose, _several("configurations of Salus", titles))
        return self._of_config_map(chosen, f"ConfigMap {_title(chosen)}")

    def _of_config_map(self, body: Body, title: str) -> Place | None:
        try:
            settings = settings_in(str(body["data"][_FILE]).encode(), title)
        except SettingsError as error:
            facts = [("why", str(error)), ("perhaps", "another version of Salus wrote it")]
            raise CannotBeAsked("the operator's configuration cannot be used", facts, [_NAME_ONE]) from error
        if not settings.sources:
            return self._no_source()
        name, source = self._source(settings, title)
        by, value = f"{title}, source {name}", source.value(name)
        service = service_of(value.url, body["metadata"]["namespace"])
        place = at_service(service, by, value) if service else _by_its_url(value, by)
        return self._in_time(replace(place, exporters=source.exporters))

    def _no_source(self) -> Place | None:
        """Nothing, unless it was asked for. Raises CannotBeAsked."""
        if self.wanted.source:
            facts = [
                ("looked", f"for the operator's configuration, to find source {self.wanted.source}"),
                *self._blind(),
            ]
            raise CannotBeAsked("there is no configuration with this source", facts, ["--config FILE", _NAME_ONE])
        return None

    def _source(self, settings: OperatorSettings, title: str) -> tuple[str, SourceConfig]:
        sources, name = settings.sources, self.wanted.source or DEFAULT_SOURCE
        if name in sources:
            return name, sources[name]
        if not sources or self.wanted.source:
            known = ", ".join(sorted(sources)) or "none"
            raise CannotBeAsked(f'{title} has no source "{name}"', [("sources", known)], ["--source NAME"])
        names = sorted(sources)
        chosen = one_of(names, names, self.choose, _several(f"sources of {title}", names, "--source NAME"))
        return chosen, sources[chosen]

    async def by_label(self, person: Person) -> Place | None:
        """The first Services that look like one."""
        for sign in SIGNS:
            found = candidates(await self._services(person, sign), sign)
            if found:
                titles = [f"Service {one.namespace}/{one.name}, port {one.port}, by label {sign}" for one in found]
                try_one = f"--prometheus {found[0]}"
                chosen = one_of(
                    found, titles, self.choose, _several("Services look like a Prometheus", titles, try_one)
                )
                return self._in_time(at_service(chosen, f"label {sign}"))
        return None

    async def _config_maps(self, person: Person) -> Sequence[Body]:
        listed = await self._listed(person, CONFIG_MAPS, OPERATORS_NAMESPACE, OF_THE_OPERATOR)
        return listed or await self._listed(person, CONFIG_MAPS, None, OF_THE_OPERATOR) or ()

    async def _services(self, person: Person, sign: Sign) -> Sequence[Body]:
        everywhere = await self._listed(person, SERVICES, None, sign.labels)
        if everywhere is not None:
            return everywhere
        found: list[Body] = []
        for namespace in dict.fromkeys((*filter(None, [person.namespace]), *USUAL_NAMESPACES)):
            found += await self._listed(person, SERVICES, namespace, sign.labels) or ()
        return found

    async def _listed(
        self, person: Person, resource: Resource, namespace: str | None, labels: Mapping[str, str]
    ) -> Sequence[Body] | None:
        """None: they may not look there."""
        with told(person):
            try:
                return await person.cluster.list(resource, namespace, labels)
            except NotFound:
                return ()
            except Forbidden:
                lacks = f"{right('list', resource)}, {f'in {namespace}' if namespace else 'in all namespaces'}"
                self.unseen += [] if lacks in self.unseen else [lacks]
                return None

    def nowhere(self, person: Person) -> CannotBeAsked:
        """There is no Prometheus to be found."""
        signs = "\n".join(map(str, SIGNS))
        facts = [("looked", f"for the operator's configuration, and Services by label\n{signs}"), *self._blind()]
        return CannotBeAsked(f"no Prometheus was found in {person.context or 'this cluster'}", facts, [_NAME_ONE])

    def _blind(self) -> Iterable[tuple[str, str]]:
        return [("not seen", "\n".join(self.unseen))] if self.unseen else []

    def _in_time(self, place: Place) -> Place:
        settings = replace(place.settings, timeout=self.patience)
        return replace(place, settings=settings).bound(self.wanted.match)


def _by_its_url(value: SourceSettings, by: str) -> Place:
    """A URL in the operator's configuration that means no Service."""
    if not value.url or is_of_its_pod(value):
        facts = [("found", by), ("why", "what it takes to ask lies in the operator's pod")]
        raise CannotBeAsked("the operator's source cannot be asked from here", facts, [_NAME_ONE])
    return Place(value, by)


def _several(what: str, titles: Sequence[str], name_one: str = _NAME_ONE) -> CannotBeAsked:
    return CannotBeAsked(f"{len(titles)} {what}: which one is meant?", [("found", one) for one in titles], [name_one])


def _title(body: Body) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"
