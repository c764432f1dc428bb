"""What is wrong with one policy: everything that can be told without a cluster and without Prometheus.

The words are those of the API server and of the condition Stalled, since the same code checks schema, rules and
references. Reading files and printing are left to `validate`.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ConfigDict, ValidationError

from salus.cli.documents import Document
from salus.core.policy.compile import Catalog, SpecError, compile_policy, of_successes
from salus.core.policy.pod_names import pods
from salus.core.policy.promql import Foreign, bound_to, render
from salus.core.policy.quotient import as_ratio
from salus.core.policy.workload_labels import rare
from salus.model.meta import WorkloadKind
from salus.model.policy import Check, HealthPolicySpec
from salus.model.problems import Problem, problems
from salus.model.scalars import GROUP, Body, DnsLabel, DnsName, Resource, quote
from salus.model.values.configuration import Binding
from salus.model.values.policies import Policy

KIND = "HealthPolicy"
_MOST_CHECKS = 16
"""A policy has no more; that there are too many is told once."""
_LONGEST_NAME = 253
_RECORDS = ("Incident", "ChangeEvent")
"""Kinds of our group that only the operator writes."""


class AnyName(Collection[str]):
    """Stands for names that nobody told us: each of them is taken to be known."""

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend, and where it stands."""

    file: str
    line: int
    document: int
    namespace: str
    name: str
    path: str
    message: str

    def __str__(self) -> str:
        """`checkout.yaml:14 (shop/checkout): spec.checks[2].query: …`, on one line."""
        policy = "/".join(part for part in (self.namespace, self.name) if part) or f"document {self.document}"
        what = ": ".join(part for part in (self.path, " ".join(self.message.split())) if part)
        return f"{self.file}:{self.line} ({policy}): {what}"


class _Metadata(Resource):
    model_config = ConfigDict(extra="ignore")

    name: DnsName
    namespace: DnsLabel = ""


class _Policy(Resource):
    """The outermost fields; what stands in spec is looked at by itself."""

    api_version: Literal["salus.dev/v1alpha1"]
    kind: object
    metadata: _Metadata
    spec: object
    status: object = None


def is_ours(document: Document) -> bool:
    """Whether this is a policy, or was meant to be one; other objects in the same files are none of our business."""
    body = document.body
    if not isinstance(body, Mapping):
        return False
    version, kind = body.get("apiVersion"), body.get("kind")
    if version is None:
        return bool(kind == KIND)
    return str(version).partition("/")[0] == GROUP and kind not in _RECORDS


def findings_in(document: Document, file: str, catalog: Catalog) -> Iterator[Finding]:
    """Everything that is wrong with one policy, in the order of its lines."""
    where = _place(document, file)
    repeated = [
        replace(where, line=key.line, path=key.path, message="this key stands here twice") for key in document.repeated
    ]
    found = [
        replace(where, line=document.line(problem.path), path=problem.path, message=problem.message)
        for problem in dict.fromkeys(problems_of(document.body, catalog))
    ]
    yield from sorted([*repeated, *found], key=lambda finding: finding.line)


def notes_in(document: Document, file: str, catalog: Catalog) -> Iterator[Finding]:
    """What is worth a look in a policy that can be used."""
    where = _place(document, file)
    metadata = {"namespace": where.namespace, "name": where.name}
    try:
        policy = compile_policy({"metadata": metadata, "spec": document.body.get("spec")}, catalog)
    except SpecError:
        return
    for note in notes_of(policy, catalog):
        yield replace(where, line=document.line(note.path), path=note.path, message=note.message)


def notes_of(policy: Policy, catalog: Catalog) -> Iterator[Problem]:
    """The same of a policy that is compiled, wherever it comes from."""
    yield from _raised(policy)
    yield from _asked(policy, catalog)
    yield from _offered(policy)
    yield from _by_pods(policy)
    yield from _of_successes(policy)
    yield from policy.warnings


def _raised(policy: Policy) -> Iterator[Problem]:
    for sentence in policy.raised:
        field, _, rest = sentence.partition(" ")
        yield Problem(f"spec.{field}", f"{rest} by the operator's minimums")


def _asked(policy: Policy, catalog: Catalog) -> Iterator[Problem]:
    """The queries that Salus makes of alerts."""
    namespace, kind, target = policy.key.namespace, policy.spec.target.kind, policy.spec.target.name
    binding = catalog.bound.get(policy.spec.source, Binding())
    for index, (written, check) in enumerate(zip(policy.spec.checks, policy.checks, strict=True)):
        if written.alert is not None:
            query = check.template
            if namespace and target:
                query = render(query, namespace, target, pods(kind, target))
            try:
                bound_to(query, binding.labels, or_missing=binding.labels)
            except Foreign as error:  # where the namespace is not known yet, nobody has said so before
                yield Problem(f"spec.checks[{index}].alert", str(error))
                continue
            of_all = f'; of a source that binds, as "{policy.spec.source}" does, no alert without namespace is seen'
            yield Problem(f"spec.checks[{index}].alert", f"asks {query}{of_all if binding.namespace else ''}")


def _offered(policy: Policy) -> Iterator[Problem]:
    """Quotients that have a form of their own."""
    for index, check in enumerate(policy.spec.checks):
        if check.query is not None and (parts := as_ratio(check.query)) is not None:
            offer = f"ratio: {{of: {json.dumps(parts[0])}, in: {json.dumps(parts[1])}}}"
            failures = check.unhealthy is not None and check.unhealthy.above is not None
            none = "0 where nothing was ever counted, and " if failures else ""
            without = f"which is {none}Quiet where there is little traffic"
            yield Problem(f"spec.checks[{index}].query", f"is a quotient; write {offer}, {without}")


def _of_successes(policy: Policy) -> Iterator[Problem]:
    """Ratios whose part must not be empty."""
    for index, check in enumerate(policy.spec.checks):
        if said := of_successes(check):
            yield Problem(f"spec.checks[{index}].ratio.of", said)


def _by_pods(policy: Policy) -> Iterator[Problem]:
    """Queries by a label that a newcomer's series do not have."""
    for index, check in enumerate(policy.spec.checks):
        for field, query in written(check).items():
            for metric, label in rare(query):
                asks = f'asks for {label}="$target", and what is scraped from pods seldom has that label'
                instead = f"""where {metric} has none, write pod=~"$pods", which stands for the names of its pods"""
                yield Problem(f"spec.checks[{index}].{field}", f"{asks}; {instead}")


def written(check: Check) -> Mapping[str, str]:
    """The queries of a check that its author wrote, by their fields."""
    ratio = {"ratio.of": check.ratio.of, "ratio.in": check.ratio.in_} if check.ratio else {}
    queries = {"query": check.query, **ratio, "volume.query": check.volume.query if check.volume else None}
    return {field: query for field, query in queries.items() if query is not None}


def _place(document: Document, file: str) -> Finding:
    metadata = document.body.get("metadata")
    names = metadata if isinstance(metadata, Mapping) else {}
    return Finding(file, 1, document.number, _text(names, "namespace"), _text(names, "name"), "", "")


def _text(body: Mapping[str, Any], field: str) -> str:
    return str(body.get(field) or "")[:_LONGEST_NAME]


def problems_of(body: Body, catalog: Catalog) -> Iterator[Problem]:
    """What the API server and the operator would say of this object; a problem may come twice."""
    kind = body.get("kind", KIND)
    if kind != KIND:
        yield Problem("kind", f"unknown kind {quote(kind)}; known: {KIND}")
        return
    try:
        _Policy.parse(body)
    except ValidationError as error:
        yield from problems(error, "")
    if body.get("spec") is not None:
        metadata = body.get("metadata")
        namespace = _text(metadata, "namespace") if isinstance(metadata, Mapping) else ""
        yield from _problems_of_spec(body["spec"], catalog, namespace)


def _problems_of_spec(spec: object, catalog: Catalog, namespace: str) -> Iterator[Problem]:
    try:
        HealthPolicySpec.parse(spec)
    except ValidationError as error:
        yield from problems(error)
        yield from _problems_of_parts(spec, catalog, namespace)
    else:
        yield from _unresolved(spec, catalog, namespace)


def _problems_of_parts(spec: object, catalog: Catalog, namespace: str) -> Iterator[Problem]:
    """References and PromQL of a spec that cannot be read as a whole: each part is tried in a spec that is sound."""
    if not isinstance(spec, Mapping):
        return
    sound = _sound_spec(spec.get("target"))
    for part in ("source", "sinks"):
        if part in spec:
            named = {**sound, part: spec[part]}
            some = catalog if part == "source" else replace(catalog, sources=AnyName())
            yield from (problem for problem in _unresolved(named, some, namespace) if f"spec.{part}" in problem.path)
    checks = spec.get("checks")
    for index, check in enumerate(checks[:_MOST_CHECKS] if isinstance(checks, list) else ()):
        for place, tried in _parts_of_check(check):
            for problem in _unresolved({**sound, "checks": [tried]}, replace(catalog, sources=AnyName()), namespace):
                if problem.path.startswith(f"spec.checks[0]{place}"):
                    yield replace(problem, path=problem.path.replace("[0]", f"[{index}]", 1))
    yield from _lost_references(spec, sound)


def _parts_of_check(check: object) -> Iterator[tuple[str, object]]:
    """A check as it is, then what it asks, each part with a bound that is sound; and where that part stands."""
    yield "", check
    if not isinstance(check, Mapping):
        return
    bound: Mapping[str, object] = {"name": "any", "unhealthy": {"below": "1"}}
    for asked in ("query", "ratio", "preset"):
        if asked in check:
            yield f".{asked}", {**bound, asked: check[asked]}
    if "alert" in check:
        yield ".alert", {"name": "any", "alert": check["alert"]}
    volume = check.get("volume")
    if isinstance(volume, Mapping) and "query" in volume:
        yield ".volume.query", {**bound, "query": "up", "volume": {"query": volume["query"], "atLeast": "1"}}


def _lost_references(spec: Mapping[str, Any], sound: Mapping[str, Any]) -> Iterator[Problem]:
    """Remedies that name a check that is not there: only the names are left of both."""
    checks, remedies = spec.get("checks"), spec.get("remedies")
    if not isinstance(checks, list) or not isinstance(remedies, list):
        return
    named = [{**sound["checks"][0], "name": check.get("name")} for check in checks if isinstance(check, Mapping)]
    rungs: list[Mapping[str, object]] = [
        {"name": f"rung-{index}", "checks": remedy.get("checks"), "notify": {}}
        for index, remedy in enumerate(remedies)
        if isinstance(remedy, Mapping)
    ]
    try:
        HealthPolicySpec.parse({**sound, "checks": named, "remedies": rungs})
    except ValidationError as error:
        yield from (problem for problem in problems(error) if problem.path == "spec.remedies")


def _sound_spec(target: object) -> Mapping[str, Any]:
    """A policy without fault, for the same kind of workload where that is told."""
    kind = target.get("kind") if isinstance(target, Mapping) else None
    known = kind if kind in list(WorkloadKind) else WorkloadKind.DEPLOYMENT
    check = {"name": "any", "query": "up", "unhealthy": {"below": "1"}}
    return {"target": {"kind": known, "name": "any"}, "checks": [check]}


def _unresolved(spec: object, catalog: Catalog, namespace: str) -> Iterator[Problem]:
    try:
        compile_policy({"metadata": {"namespace": namespace, "name": ""}, "spec": spec}, catalog)
    except SpecError as error:
        yield from error.problems
