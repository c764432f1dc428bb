"""What a Prometheus is asked for a replay: what checks were told, and what workloads were. Gaps stay gaps."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from salus.cli.metrics.ask import Metrics
from salus.cli.replay.play import LEAD, Given
from salus.cli.replay.told import Scaler, Told
from salus.core.policy.promql import quote
from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Error, Query, Sample
from salus.sources.history import one_series
from salus.sources.reply import Course

HEARTBEAT = "count(up)"
"""What has an answer whenever the source had one."""
_MOST_POINTS = 20_000
"""Of a series of kube-state-metrics."""
_CLOSEST = timedelta(seconds=15)
_OF_POD = "(.+)-[a-z0-9]+"

Say = Callable[[Callable[[], str]], None]


@dataclass(frozen=True, slots=True)
class Archive:
    """A source, and the time that it is asked about."""

    metrics: Metrics
    begins: datetime
    ends: datetime
    say: Say = lambda _: None

    @property
    def since(self) -> datetime:
        """The beginning, and what comes before it."""
        return self.begins - LEAD

    async def checks(self, queries: Mapping[Query, timedelta]) -> Given:
        """What each query was answered, at its steps; the steps fall on the ticks."""
        found: dict[Query, Sequence[Sample] | Error] = {}

        async def one(query: Query, step: timedelta) -> None:
            if query.unclear is not None:
                found[query] = query.unclear
                return
            start = self.begins - (LEAD // step) * step
            given = await self.metrics.within(query.namespace).past(query, start, self.ends, step)
            found[query] = given if isinstance(given, Error) else one_series(given, query)
            self.say(lambda: f"asking: {len(found)} of {len(queries)} queries over {self.ends - self.begins}")

        await asyncio.gather(*(one(query, step) for query, step in queries.items()))
        return found

    async def heartbeat(self, step: timedelta) -> Sequence[Sample] | Error:
        """When the source had anything at all."""
        given = await self.metrics.over(HEARTBEAT, self.since, self.ends, step)
        return given if isinstance(given, Error) else (given[0].samples if given else ())

    async def workload(self, key: TargetKey) -> Told | Error:
        """What kube-state-metrics told of a workload."""
        texts = _texts(key)
        asked = await asyncio.gather(*(self._over(key, text) for text in texts.values()))
        failed = next((one for one in asked if isinstance(one, Error)), None)
        if failed is not None:
            return failed
        courses = {name: one for name, one in zip(texts, asked, strict=True) if not isinstance(one, Error)}
        return told(courses)

    async def _over(self, key: TargetKey, query: str) -> Sequence[Course] | Error:
        seconds = -(-(self.ends - self.since) // timedelta(seconds=1)) // _MOST_POINTS + 1
        step = max(_CLOSEST, timedelta(seconds=seconds))
        return await self.metrics.within(key.namespace).over(query, self.since, self.ends, step)


def _texts(key: TargetKey) -> Mapping[str, str]:
    name, namespace = quote(key.name), f"namespace={quote(key.namespace)}"
    kind = key.kind.value.lower()
    scaler = f'{namespace},scaletargetref_kind="{key.kind.value}",scaletargetref_name={name}'
    by = "max by (horizontalpodautoscaler)"
    mine = f"on (horizontalpodautoscaler) {by} (kube_horizontalpodautoscaler_info{{{scaler}}})"
    scalers = {
        "least": f"{by} (kube_horizontalpodautoscaler_spec_min_replicas{{{namespace}}}) and {mine}",
        "most": f"{by} (kube_horizontalpodautoscaler_spec_max_replicas{{{namespace}}}) and {mine}",
    }
    match key.kind:
        case WorkloadKind.DEPLOYMENT:
            by = "max by (replicaset)"
            owner = f'kube_replicaset_owner{{{namespace},owner_kind="Deployment",owner_name={name}}}'
            own = f"on (replicaset) {by} ({owner})"
            image = f"kube_pod_container_info{{{namespace},pod=~{quote(f'{key.name}-.+')}}}"
            of_set = f'label_replace({image}, "release", "$1", "pod", "{_OF_POD}")'
            return {
                "sizes": f"{by} (kube_replicaset_spec_replicas{{{namespace}}}) and {own}",
                "created": f"{by} (kube_replicaset_created{{{namespace}}}) and {own}",
                "images": f"count by (release, container, image, image_spec) ({of_set})",
                "replicas": f"max(kube_deployment_spec_replicas{{{namespace},deployment={name}}})",
                **scalers,
            }
        case WorkloadKind.STATEFUL_SET:
            revision = f"kube_statefulset_status_update_revision{{{namespace},statefulset={name}}}"
            return {
                "sizes": f"max by (revision) ({revision})",
                "replicas": f"max(kube_statefulset_replicas{{{namespace},statefulset={name}}})",
                **scalers,
            }
        case _:
            return {"there": f"max(kube_{kind}_metadata_generation{{{namespace},{kind}={name}}})"}


def told(courses: Mapping[str, Sequence[Course]]) -> Told:
    """What these series say, by what was asked for."""
    return Told(
        sizes={_release(one): one.samples for one in courses.get("sizes", ()) if _release(one)},
        created={
            _release(one): datetime.fromtimestamp(one.samples[-1].value, UTC)
            for one in courses.get("created", ())
            if one.samples
        },
        images=_images(courses.get("images", ())),
        replicas=next((one.samples for one in courses.get("replicas", ())), ()),
        scaler=_scaler(courses),
    )


def _release(course: Course) -> str:
    return course.labels.get("replicaset") or course.labels.get("revision") or ""


def _images(courses: Iterable[Course]) -> Mapping[str, Mapping[str, str]]:
    """As the template names them where that is told, else as the runtime does."""
    found: dict[str, dict[str, str]] = {}
    for one in courses:
        labels = one.labels
        image = labels.get("image_spec") or labels.get("image") or ""
        found.setdefault(labels.get("release", ""), {})[labels.get("container", "")] = image
    return found


def _scaler(courses: Mapping[str, Sequence[Course]]) -> Scaler | None:
    least = next(iter(courses.get("least", ())), None)
    if least is None:
        return None
    name = least.labels.get("horizontalpodautoscaler", "")
    most = [one for one in courses.get("most", ()) if one.labels.get("horizontalpodautoscaler") == name]
    limit = max((sample.value for one in most for sample in one.samples), default=0.0)
    return Scaler(name, least.samples, int(limit))
