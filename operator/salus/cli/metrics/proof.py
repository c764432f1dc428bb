"""The proof that a Prometheus is this cluster's: it knows a pod that the API server shows.

Without it every finding would be "no such series", and every one of them wrong. A name alone proves little, since
`web-0` is in every cluster: where kube_pod_info tells the uid, that decides, and else the pod's address.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.cli.contract import CannotBeAsked
from salus.cli.metrics.ask import Metrics
from salus.cli.person import Person, told
from salus.core.policy.promql import quote
from salus.model.scalars import Body, first_few, format_duration, parse_time
from salus.model.values.metrics import Error
from salus.ports import PODS, Forbidden, right
from salus.sources.clusters import CLUSTER_LABELS
from salus.sources.reply import Labels

_SYSTEM = "kube-system"
_LOOKED_AT = 50
"""Pods of a namespace, of which the best are asked for."""
_ASKED_FOR = 5
_NEW = timedelta(minutes=5)
"""A younger pod may not have been scraped yet."""
_SHOWN = 5
_ALWAYS_THERE = ("kube_pod_info", "up")
_RANDOM_NAMES = frozenset({"ReplicaSet", "DaemonSet", "Job"})
"""Owners that give their pods names which no other cluster has."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A pod that the API server shows."""

    namespace: str
    name: str
    uid: str
    address: str
    since: datetime
    is_unique: bool = False
    """By its name alone."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Proof:
    """Why a Prometheus is taken for this cluster's."""

    pod: str = ""
    """One that both know; empty: the person said so, by --match."""
    cluster: tuple[str, str] | None = None
    """The label that tells clusters apart there, and this one's value; None: there is none."""
    honors_labels: bool = True
    """False: kube-state-metrics is scraped so that a pod's name is in `exported_pod`, and no preset can answer."""


def proven(series: Iterable[Labels], witnesses: Sequence[Witness]) -> Proof | None:
    """What these series of kube_pod_info prove; None: nothing."""
    known = [(labels, witness) for labels in series for witness in witnesses if _is_of(labels, witness)]
    if not known:
        return None
    labels, witness = min(known, key=lambda one: "exported_pod" in one[0])
    own = next(((name, labels[name]) for name in CLUSTER_LABELS if labels.get(name)), None)
    return Proof(str(witness), own, "exported_pod" not in labels)


def _is_of(labels: Labels, witness: Witness) -> bool:
    exported = "exported_" if "exported_pod" in labels else ""
    named = (labels.get(f"{exported}namespace", ""), labels.get(f"{exported}pod"))
    if named != (witness.namespace, witness.name):
        return False
    if labels.get("uid"):
        return labels["uid"] == witness.uid
    return not labels.get("pod_ip") or labels["pod_ip"] == witness.address


def question(witnesses: Sequence[Witness]) -> str:
    """What is asked for."""
    namespace, names = quote(witnesses[0].namespace), quote("|".join(one.name.replace(".", "\\.") for one in witnesses))
    own = f"kube_pod_info{{namespace={namespace},pod=~{names}}}"
    return f"{own} or kube_pod_info{{exported_namespace={namespace},exported_pod=~{names}}}"


def witnesses_among(pods: Iterable[Body]) -> list[Witness]:
    """The pods of a namespace that prove most, the best first: such as run, have a name of their own, and are old."""
    running = [pod for pod in pods if _runs(pod)]
    found = sorted(map(_witness, running), key=lambda one: (not one.is_unique, one.since))
    return found[:_ASKED_FOR]


def _runs(pod: Body) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def _witness(pod: Body) -> Witness:
    metadata, status = pod["metadata"], pod["status"]
    owners = {owner.get("kind") for owner in metadata.get("ownerReferences") or ()}
    return Witness(
        metadata["namespace"],
        metadata["name"],
        str(metadata.get("uid")),
        str(status.get("podIP") or ""),
        parse_time(metadata["creationTimestamp"]),
        not owners.isdisjoint(_RANDOM_NAMES),
    )


async def prove(metrics: Metrics, person: Person, match: Mapping[str, str], asked: str, now: datetime) -> Proof:
    """That it is the person's cluster whose series are asked for. Raises CannotBeAsked.

    `match`: the labels that they typed; `asked`: how the server is called.
    """
    trial = _Trial(metrics, person, match, asked)
    witnesses = await trial.witnesses()
    series = await trial.seen(metrics, witnesses) if witnesses else ()
    if proof := proven(series, witnesses):
        return proof
    if match:
        return await trial.on_their_word(witnesses)
    if not witnesses:
        raise trial.nobody_to_ask_for()
    raise await trial.unknown(witnesses[0], now, of_another=bool(series))


@dataclass(frozen=True, slots=True)
class _Trial:
    metrics: Metrics
    person: Person
    match: Mapping[str, str]
    asked: str

    async def witnesses(self) -> list[Witness]:
        """Of the first namespace that has any: the person's, then the system's."""
        own = self.person.namespace
        for namespace in dict.fromkeys((own, _SYSTEM) if own else (_SYSTEM, None)):
            found = witnesses_among(await self._pods(namespace))
            if found:
                return [one for one in found if one.namespace == found[0].namespace]
        return []

    async def _pods(self, namespace: str | None) -> Sequence[Body]:
        found: list[Body] = []
        with told(self.person):
            try:
                async for pod in self.person.cluster.each(PODS, namespace):
                    found.append(pod)
                    if len(found) == _LOOKED_AT:
                        break
            except Forbidden:
                return ()
        return found

    async def seen(self, metrics: Metrics, witnesses: Sequence[Witness]) -> Sequence[Labels]:
        """What this Prometheus knows of pods of these names. Raises CannotBeAsked."""
        found = await metrics.within(witnesses[0].namespace).instant(question(witnesses))
        if isinstance(found, Error):
            raise CannotBeAsked("Prometheus cannot be asked", [("asked", self.asked), ("why", found.message)])
        return [one.labels for one in found]

    async def on_their_word(self, witnesses: Sequence[Witness]) -> Proof:
        """They said which series are this cluster's: that holds, unless there are none, or they are another's."""
        everything = self.metrics.bound({})
        elsewhere = proven(await self.seen(everything, witnesses), witnesses) if witnesses else None
        if elsewhere is not None:
            raise self._contradicted(elsewhere)
        if not any([await self._has(name) for name in _ALWAYS_THERE]):
            said, clusters = _written(self.match), await self._clusters()
            facts = [("asked", self.asked), ("looked", f"for series with {said}: there are none"), _known(clusters)]
            what = "this Prometheus does not know the cluster that --match names"
            raise CannotBeAsked(what, facts, self._tries(clusters))
        return Proof(cluster=next(iter(self.match.items())))

    def _contradicted(self, elsewhere: Proof) -> CannotBeAsked:
        own = _written(dict([elsewhere.cluster])) if elsewhere.cluster else ""
        has = f"it is there, with {own or 'no label that tells clusters apart'}"
        facts = [
            ("asked", self.asked),
            ("looked", f"for pod {elsewhere.pod}, which runs in {self._here}: {has}"),
            ("but", f"--match {_written(self.match)}"),
        ]
        return CannotBeAsked(
            "--match names another cluster than this one", facts, [f"--match {own}" if own else "without --match"]
        )

    async def unknown(self, witness: Witness, now: datetime, *, of_another: bool) -> CannotBeAsked:
        """It does not know the pod; `of_another`: only one of the same name."""
        clusters, age = await self._clusters(), now - witness.since
        what = "kube_pod_info is of another pod of this name" if of_another else "no kube_pod_info"
        looked = f"for pod {witness}, which runs in {self._here}: {what}"
        again = [f"again in a minute: the pod is {format_duration(age)} old"] if age < _NEW else []
        facts = [("asked", self.asked), ("looked", looked), _known(clusters)]
        return CannotBeAsked("this Prometheus does not know this cluster", facts, [*self._tries(clusters), *again])

    def nobody_to_ask_for(self) -> CannotBeAsked:
        """There is no pod that it could know."""
        where = " and ".join(dict.fromkeys((self.person.namespace or "all namespaces", _SYSTEM)))
        facts = [
            ("asked", self.asked),
            ("looked", f"for a pod that runs in {where}, to ask for: there is none that you may see"),
            ("right", f"{right('list', PODS)}, in a namespace with pods"),
        ]
        tries = ["-n NAMESPACE, one with pods", "--match LABEL=VALUE, to say which series are this cluster's"]
        return CannotBeAsked("it cannot be told whether this Prometheus knows this cluster", facts, tries)

    def _tries(self, clusters: tuple[str, Sequence[str]] | None) -> list[str]:
        now = f" (now: {self.person.context})" if self.person.context else ""
        match = f"; or --match {clusters[0]}={clusters[1][0]}" if clusters else ""
        return [f"another context{now}, or --prometheus{match}"]

    async def _clusters(self) -> tuple[str, Sequence[str]] | None:
        """The label that tells clusters apart in it, and its values."""
        by = ", ".join(CLUSTER_LABELS)
        for name in _ALWAYS_THERE:
            found = await self.metrics.bound({}).instant(f"count by ({by}) ({name})")
            series = () if isinstance(found, Error) else found
            for label in CLUSTER_LABELS:
                if values := sorted({one.labels[label] for one in series if one.labels.get(label)}):
                    return label, values
        return None

    async def _has(self, name: str) -> bool:
        found = await self.metrics.instant(f"count({name})")
        return not isinstance(found, Error) and bool(found)

    @property
    def _here(self) -> str:
        return self.person.context or "this cluster"


def _known(clusters: tuple[str, Sequence[str]] | None) -> tuple[str, str]:
    if clusters is None:
        return "it knows", "no label that tells clusters apart; is kube-state-metrics scraped into it?"
    label, values = clusters
    return "it knows", f'{"clusters" if len(values) > 1 else "cluster"} {first_few(values, _SHOWN)} by label "{label}"'


def _written(labels: Mapping[str, str]) -> str:
    return ",".join(f"{label}={value}" for label, value in labels.items())
