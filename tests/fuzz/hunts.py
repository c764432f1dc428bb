"""What is fuzzed: each reader of foreign text or foreign objects, with the one way in which it may refuse.

A hunt feeds soup to a reader and catches the refusals that its callers expect; whatever else comes out is an escape.
To add one: a line in `HUNTS`.
"""

import json
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from hypothesis import strategies as st

from salus.bounded_yaml import UnreadableError
from salus.cli.documents import read_documents
from salus.cli.findings import AnyName, findings_in, is_ours
from salus.cli.trial.files import read_tests
from salus.core.guards.freeze import frozen_until
from salus.core.objects.autoscalers import autoscalers_of
from salus.core.objects.capacity import headroom_from
from salus.core.objects.disruptions import disruptions_from
from salus.core.objects.edits import config_maps_of, edits_of, troubles_of
from salus.core.objects.ownership import git_holds
from salus.core.objects.pod_resources import refused_by
from salus.core.objects.pod_security import forbidden_by
from salus.core.objects.pods import of_template, pods_from, stuck_pod
from salus.core.objects.turnover import goes_first, turnover
from salus.core.objects.workloads import managed_by, workload_from
from salus.core.policy import promql, quotient, value_form, windows
from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.core.records import changes as records
from salus.core.records import releases
from salus.core.records.delivery import cloud_event, left
from salus.endpoints.settings import check_header, check_url
from salus.model.policy import Threshold
from salus.model.scalars import parse_decimal, parse_duration, parse_time
from salus.model.values.configuration import Binding
from salus.model.values.metrics import Error, NoData, Query, Value
from salus.presets import load_presets
from salus.settings import SettingsError, read_settings
from salus.sources.reply import answer, data_in, reply_in
from tests.builders import NOW, TARGET, a_deployment_body, a_policy_body
from tests.fuzz import soup

Input = Any
"""Anything that JSON can hold."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """One reader and what it is fed."""

    name: str
    inputs: st.SearchStrategy[Input]
    chase: Callable[[Input], None]
    """Reads one input. Raises whatever escapes."""


# --- what authors write

PROBED = "rate(x[5m])"
_BOUND = Threshold.parse({"above": "0"})
_SIGNALS = load_presets()
_CATALOGS = (
    Catalog(_SIGNALS, ("default",)),
    Catalog(_SIGNALS, ("default",), bound={"default": Binding(namespace=True, labels={"cluster": "eu-1"})}),
    Catalog(_SIGNALS, AnyName()),
)


def _query(text: Input) -> None:
    """A query that is taken must be good for everything that is done with it later, or refused by name."""
    if promql.problems_in(text):
        return
    filled = promql.render(text, "shop", "check(out")
    proposed = value_form.advice(text, _BOUND)
    assert not proposed or not proposed.text or value_form.advice(proposed.text, _BOUND) is None, proposed
    quotient.as_ratio(text)
    for read in (windows.window, promql.selectors, promql.with_sample_times, promql.where_empty):
        _refuses(ValueError, read, filled)
    _refuses(ValueError, promql.with_sample_times, filled, "pod")
    _refuses(ValueError, promql.bound_to, filled, {"namespace": "shop", "cluster": "eu-1"})


def _refuses(refusal: type[Exception] | tuple[type[Exception], ...], read: Callable[..., Any], *given: Input) -> Any:  # noqa: ANN401
    """What `read` makes of it; None where it refuses in the way that its callers expect."""
    try:
        return read(*given)
    except refusal:
        return None


def _policy(body: Input) -> None:
    for catalog in _CATALOGS:
        _refuses(SpecError, compile_policy, body, catalog)


def _policy_with_spec(spec: Input) -> None:
    """Name and namespace are held by the API server; the rest is as the author wrote it."""
    _policy({**_POLICY, "spec": spec})


def _policy_with_query(text: Input) -> None:
    _policy(a_policy_body(checks=[{"name": "c", "query": text, "unhealthy": {"above": "1"}}]))


def _policy_with_words(words: Input) -> None:
    """Selectors, labels and alerts by hostile words."""
    name, value, label = words
    checks: list[Mapping[str, Any]] = [
        {"name": "a", "alert": {"name": name, "matchLabels": {label: value}}},
        {"name": "q", "query": f"x{{a={promql.quote(value)}}}", "targetLabel": label, "unhealthy": {"above": "1"}},
    ]
    _policy(a_policy_body(checks=checks, target={"kind": "Deployment", "selector": {"matchLabels": {label: value}}}))
    _policy(a_policy_body(checks=checks[:1], target={"kind": "Deployment", "name": name}))


_POLICY = a_policy_body(
    checks=[
        {"name": "c", "query": PROBED, "unhealthy": {"above": "1"}, "healthy": {"below": "0.5"}, "for": "1m"},
        {"name": "p", "preset": "PodsCrashLooping", "unhealthy": {"above": "3"}},
        {"name": "a", "alert": {"name": "Down", "matchLabels": {"severity": "page"}}},
    ],
    remedies=[
        {"name": "r", "rollback": {"within": "30m"}, "checks": ["c"]},
        {"name": "s", "scale": {"by": "50%", "max": 4, "revertAfter": "30m"}},
        {"name": "n", "notify": {"severity": "critical"}, "mode": "Observe"},
    ],
    limits={"cooldown": "5m", "maxActions": 3, "per": "1h"},
    verify={"settle": "30s", "stable": "1m", "timeout": "5m", "onFailure": "Undo"},
    interval="15s",
    bake="10m",
)


def _scalar(text: Input) -> None:
    for read in (parse_duration, parse_decimal, parse_time):
        _refuses(ValueError, read, text)
    for check in (check_url, check_header):
        if isinstance(text, str):
            _refuses(ValueError, check, text)


def _file(text: Input) -> None:
    """A file of policies, as `salus validate` reads it."""
    try:
        for document in read_documents(text.encode(errors="replace")):
            if is_ours(document):
                list(findings_in(document, "file.yaml", _CATALOGS[0]))
    except UnreadableError:
        return


def _tests(written: Input) -> None:
    """Tests of policies, as `salus test` reads them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "policy.yaml").write_text(json.dumps(_TESTED))
        path = Path(folder, "policy.test.yaml")
        path.write_text(json.dumps(written, default=str), errors="replace")
        found = read_tests([str(path)])
    assert found.tests or found.wrong


_TESTED = {"apiVersion": "salus.dev/v1alpha1", "kind": "HealthPolicy", **{key: _POLICY[key] for key in ("spec",)}}
_TESTED["metadata"] = {"name": "checkout", "namespace": "shop"}
_POLICY_TEST = {
    "apiVersion": "cli.salus.dev/v1alpha1",
    "kind": "PolicyTest",
    "policies": ["policy.yaml"],
    "config": {"freezes": [{"name": "xmas", "from": "2026-12-24", "to": "2026-12-26"}]},
    "workload": {"replicas": 3, "releases": [{"name": "v1", "at": "-2d", "good": True}], "takes": "20s"},
    "objects": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}}],
    "tests": [
        {
            "name": "a test",
            "values": {"c": "0x20 0.3x40", "p": "_x60"},
            "after": {"Rollback": {"c": 0.1}},
            "expect": [{"at": "6m", "record": "Act Rollback", "to": "v1", "outcome": "Recovered", "times": 1}],
            "never": ["Act Restart"],
        },
        {"name": "another", "series": [{"series": "up", "values": "0+1x5"}], "expect": "none"},
    ],
}


# --- what the administrator writes


def _configuration(text: Input) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(text if isinstance(text, str) else json.dumps(text), errors="replace")
        settings = _refuses(SettingsError, read_settings, path)
    if settings is None:
        return
    settings.sink_values()
    for freeze in settings.switches().freezes:
        _refuses(ValueError, frozen_until, freeze, NOW)


_CONFIGURATION = {
    "cluster": "here",
    "sources": {"default": {"url": "http://prometheus:9090", "timeout": "5s", "headers": {"X-A": "b"}}},
    "sinks": {
        "audit": {"url": "https://audit/events", "policies": "Naming", "namespaces": ["shop"], "actions": ["Scale"]}
    },
    "killSwitch": {"enabled": False, "message": "no"},
    "freezes": [
        {"name": "xmas", "timeZone": "Europe/Berlin", "from": "2026-12-24", "to": "2026-12-26"},
        {"name": "nights", "cron": "0 22 * * *", "duration": "8h"},
    ],
    "limits": {"namespace": {"actions": "10%", "per": "1h"}, "fleetBrake": {"percent": 55, "pause": "100s"}},
    "defaults": {"approvalExpiry": "1h"},
    "retention": {"maxAge": "720h", "maxPerNamespace": 1000, "interval": "10m"},
}

# --- what sources answer

_PROBE = promql.with_sample_times(PROBED)
_QUESTION = Query(source="default", query=PROBED, stale_after=timedelta(minutes=2), namespace="shop")


def _reply(found: Input) -> None:
    """Only one whole, finite number is ever a value."""
    status, document = found
    body = document.encode(errors="replace") if isinstance(document, str) else _dumped(document)
    for question in (_QUESTION, replace(_QUESTION, select=("pod", "a"))):
        said = _answered(status, body, question)
        assert isinstance(said, Value | NoData | Error)
        assert not isinstance(said, Value) or (math.isfinite(said.value) and isinstance(said.sampled_at, datetime))


def _answered(status: int, body: bytes, question: Query) -> Value | NoData | Error:
    data = data_in("source default", status, body)
    reply = data if isinstance(data, Error) else reply_in("source default", data, _PROBE)
    return reply if isinstance(reply, Error) else answer(reply, question)


def _dumped(document: Input) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # integers beyond 64 bits
        return repr(document).encode()


_AT = NOW.timestamp()
_REPLY = {
    "status": "success",
    "data": {
        "resultType": "vector",
        "result": [
            {"metric": {promql.PART: promql.VALUE_PART, "pod": "a"}, "value": [_AT, "1.5"]},
            {"metric": {promql.PART: "0"}, "value": [_AT, str(_AT)]},
        ],
    },
    "warnings": [],
    "errorType": "timeout",
    "error": "because",
}
_SCALAR_REPLY = {"status": "success", "data": {"resultType": "scalar", "result": [_AT, "1"]}}

# --- what lies on the API server: kinds and types are held by its schemas, words are the tenants'


def _workload(body: Input) -> None:
    """What decisions need of a workload; one that cannot be read is refused with its path."""
    if _refuses(ValueError, workload_from, body) is not None:
        _refuses(ValueError, managed_by, body)


def _words_of_objects(words: Input) -> None:
    """Objects of the right form with hostile words wherever a tenant chooses them."""
    name, label, text, moment, quantity = words
    body = a_deployment_body()
    body["metadata"].setdefault("labels", {})[label] = text
    body["metadata"]["annotations"] = {
        releases.REVISION: text,
        "argocd.argoproj.io/tracking-id": text,
        "kubectl.kubernetes.io/last-applied-configuration": text,
        "meta.helm.sh/release-name": text,
        "salus.dev/change": text,
    }
    body["metadata"]["managedFields"] = [{"manager": text, "time": moment, "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    template = body["spec"]["template"]
    _refuses(ValueError, workload_from, body)
    managed_by(body)
    git_holds(body)
    list(edits_of({"kind": "ConfigMap", "metadata": {**body["metadata"], "name": name}}, used=True))
    list(troubles_of(_node(name, text)))
    config_maps_of({"spec": {"volumes": [{"configMap": {"name": name}}], "containers": [{"envFrom": [{}]}]}})
    history = releases.history_from([_revision(body, name, text)])
    pods = [_pod(name, label, text), _pod("db-0", label, text)]
    pods_from(pods, name, history, NOW)
    stuck_pod(_stateful_set(), pods)
    disruptions_from([_budget(name, label, text)], pods)
    limits = {"requests.cpu": quantity, "pods": quantity}
    status = {"hard": limits, "used": dict.fromkeys(limits, quantity)}
    scope = {"scopeName": "PriorityClass", "operator": "In", "values": [text]}
    quota = {"metadata": {"name": name}, "spec": {"scopeSelector": {"matchExpressions": [scope]}}, "status": status}
    ranges = [{"metadata": {"name": name}, "spec": {"limits": [{"type": "Container", "max": {label: quantity}}]}}]
    asking = {**_pod(name, label, text), "spec": {"containers": [{"resources": {"requests": {label: quantity}}}]}}
    swap = turnover(_stateful_set(), 2, [*pods, asking], of_template(name, history, text))
    _refuses(ValueError, headroom_from, [quota, {**quota, "spec": {}}], ranges, template, pods, swap)
    _refuses(ValueError, refused_by, ranges, template)
    forbidden_by({"pod-security.kubernetes.io/enforce": text}, template)
    _refuses(
        ValueError, goes_first, {"kind": "Deployment", "spec": {"strategy": {"rollingUpdate": {"maxSurge": text}}}}, 3
    )
    _refuses(ValueError, autoscalers_of, TARGET, [_scaled_object(name, label, text)])


_OWNERS = [{"uid": "uid-of-checkout", "kind": "StatefulSet", "name": "db", "controller": True}]
_BEFORE = "2026-11-22T11:00:00Z"
"""Written by the API server, never by a tenant."""


def _node(name: str, text: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": _BEFORE}]
    taint = {"key": text, "timeAdded": _BEFORE}
    return {
        "metadata": {"name": name},
        "spec": {"unschedulable": True, "taints": [taint]},
        "status": {"conditions": conditions},
    }


def _revision(body: Mapping[str, Any], name: str, number: str) -> dict[str, Any]:
    metadata = {"name": name, "creationTimestamp": _BEFORE, "annotations": {releases.REVISION: number}}
    return {"metadata": metadata, "spec": {"template": body["spec"]["template"]}}


def _pod(name: str, label: str, text: str) -> dict[str, Any]:
    labels = {label: text, "controller-revision-hash": text}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": _BEFORE}]}
    metadata = {"name": name, "labels": labels, "ownerReferences": _OWNERS, "creationTimestamp": _BEFORE}
    return {"metadata": metadata, "spec": {}, "status": status}


def _stateful_set() -> dict[str, Any]:
    return {
        "metadata": {"name": "db", "uid": "uid-of-checkout", "generation": 2},
        "status": {"updateRevision": "db-2", "observedGeneration": 2},
    }


def _budget(name: str, label: str, text: str) -> dict[str, Any]:
    expressions = [{"key": label, "operator": "In", "values": [text]}]
    return {"metadata": {"name": name}, "spec": {"selector": {"matchExpressions": expressions}}, "status": {}}


def _scaled_object(name: str, label: str, text: str) -> dict[str, Any]:
    return {
        "kind": "ScaledObject",
        "metadata": {
            "name": name,
            "namespace": TARGET.namespace,
            "annotations": {"autoscaling.keda.sh/paused": text, label: text},
        },
        "spec": {"scaleTargetRef": {"name": TARGET.name}},
    }


def _record(body: Input) -> None:
    """A record that the CRD lets be: only Salus writes them, but any version of it, and clocks go wrong."""
    change = records.past_change(body)
    records.attempt(change)
    for telling in left(body).values():
        cloud_event(body, telling, "here")


def _a_record(moments: tuple[str, str, str], texts: tuple[str, str]) -> dict[str, Any]:
    decided, applied, completed = moments
    name, text = texts
    return {
        "metadata": {"name": f"{name}-1", "namespace": "shop", "uid": "u"},
        "spec": {
            "decision": "Act",
            "action": "Scale",
            "reason": "AboveThreshold",
            "message": text,
            "policyRef": {"name": name},
            "targetRef": {"kind": "Deployment", "name": name},
            "sequence": 1,
            "decidedAt": decided,
            "evidence": [{"check": "c", "query": text, "value": text, "observedAt": decided}],
            "sinks": ["audit"],
        },
        "status": {"appliedAt": applied, "completedAt": completed, "outcome": "Recovered", "message": text},
    }


_WRITTEN_TIMES = st.sampled_from(["2026-11-22T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])

HUNTS: Mapping[str, Hunt] = {
    hunt.name: hunt
    for hunt in (
        Hunt("query", soup.queries, _query),
        Hunt("policy-query", soup.queries, _policy_with_query),
        Hunt(
            "policy",
            soup.spoiled(_POLICY["spec"], st.one_of(soup.durations, soup.queries, soup.any_json)),
            _policy_with_spec,
        ),
        Hunt("words", st.tuples(soup.names, soup.odd_text, soup.names), _policy_with_words),
        Hunt("scalar", st.one_of(soup.durations, soup.times, soup.scalars, soup.any_json), _scalar),
        Hunt("file", soup.yaml_texts, _file),
        Hunt("policy-test", soup.spoiled(_POLICY_TEST), _tests),
        Hunt("configuration-text", soup.yaml_texts, _configuration),
        Hunt("configuration", soup.spoiled(_CONFIGURATION), _configuration),
        Hunt(
            "reply",
            st.tuples(
                st.sampled_from([200, 200, 200, 301, 400, 422, 500, 503, 299, 799]),
                st.one_of(soup.spoiled(_REPLY), soup.spoiled(_SCALAR_REPLY), soup.any_json, soup.odd_text),
            ),
            _reply,
        ),
        Hunt("workload", soup.spoiled(a_deployment_body()), _workload),
        Hunt(
            "objects",
            st.tuples(
                soup.names,
                soup.odd_text,
                st.one_of(soup.odd_text, st.sampled_from(["[" * 100_000, '{"spec":' * 20_000, '{"spec":[]}'])),
                soup.times,
                soup.quantities,
            ),
            _words_of_objects,
        ),
        Hunt(
            "record",
            st.builds(
                _a_record,
                st.tuples(_WRITTEN_TIMES, _WRITTEN_TIMES, _WRITTEN_TIMES),
                st.tuples(st.sampled_from(["checkout", "x" * 200]), soup.odd_text),
            ),
            _record,
        ),
    )
}
"""By name. Those of queries come twice: alone, and as a policy has them."""
