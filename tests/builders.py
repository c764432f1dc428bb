"""Values for tests, built from the one thing that a test is about; everything else is an ordinary case.

Times are values: `NOW` never moves, and `ago` and `later` are said in seconds.
"""

# ruff: noqa: ANN401 — builders hand their keyword arguments on to specs, models and dataclasses, which know the types

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from salus.core.actions.kind import PlanRequest
from salus.core.objects.autoscalers import autoscalers_of
from salus.core.objects.workloads import release_hash, workload_from
from salus.model.change import ActionKind, ApprovalDecision, Decision, Outcome
from salus.model.meta import WorkloadKind
from salus.model.policy import HealthPolicySpec, Remedy, Threshold, Verdict
from salus.model.scalars import Body, format_time
from salus.model.values.changes import Action, Change
from salus.model.values.keys import PolicyKey, TargetKey
from salus.model.values.metrics import Finding
from salus.model.values.objects import Autoscaler, Release, Workload
from salus.model.values.observation import Observation
from salus.model.values.policies import CompiledCheck, CompiledVolume, Policy

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
INTERVAL = timedelta(seconds=15)
NAMESPACE = "shop"
TARGET = TargetKey(NAMESPACE, WorkloadKind.DEPLOYMENT, "checkout")
UID = "uid-of-checkout"
POLICY = "checkout-health"
INCIDENT = "checkout-0a1b2c3d-1"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

RESTART: Mapping[str, Any] = {"name": "restart", "restart": {}}
ROLLBACK: Mapping[str, Any] = {"name": "undo-release", "rollback": {"within": "30m"}}
GROW: Mapping[str, Any] = {"name": "grow", "scale": {"by": "50%", "max": 12}}
PAGE: Mapping[str, Any] = {"name": "page", "notify": {"severity": "critical"}}


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def ago(count: float) -> datetime:
    """So many seconds before NOW."""
    return NOW - seconds(count)


def later(count: float) -> datetime:
    """So many seconds after NOW."""
    return NOW + seconds(count)


def a_spec(**fields: Any) -> dict[str, Any]:
    """The spec of a policy as its author wrote it; `fields` by their YAML names."""
    check = {"name": "error-ratio", "query": 'errors{deployment="$target"}', "unhealthy": {"above": "0.05"}}
    usual = {"mode": "Enforce", "target": {"kind": "Deployment", "name": TARGET.name}, "checks": [check]}
    return {**usual, **fields}


def a_policy_body(
    *, name: str = POLICY, uid: str = "uid-of-policy", generation: int = 1, **spec: Any
) -> dict[str, Any]:
    """A HealthPolicy as the API server gives it."""
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": uid, "generation": generation},
        "spec": a_spec(**spec),
    }


def a_check(
    name: str = "error-ratio",
    *,
    above: float | None = None,
    below: float | None = None,
    healthy_above: float | None = None,
    healthy_below: float | None = None,
    hold: float = 0,
    on_no_data: Verdict = Verdict.UNKNOWN,
    window: float = 0,
    hidden: tuple[str, ...] = (),
    at_least: float | None = None,
) -> CompiledCheck:
    """A compiled check, `above 0.05` unless told otherwise; `hold` and `window` in seconds; `at_least`: its volume."""
    bound = Threshold.model_construct(above=0.05 if below is None and above is None else above, below=below)
    clear = Threshold.model_construct(above=healthy_above, below=healthy_below)
    return CompiledCheck(
        name=name,
        template="errors",
        unhealthy=bound,
        healthy=None if healthy_above is None and healthy_below is None else clear,
        hold=seconds(hold),
        on_no_data=on_no_data,
        target_label=None,
        window=seconds(window),
        hidden=hidden,
        volume=None if at_least is None else CompiledVolume("requests", at_least, seconds(120)),
    )


def a_policy(
    *checks: CompiledCheck,
    remedies: Sequence[Mapping[str, Any]] = (RESTART,),
    name: str = POLICY,
    uid: str = "uid-of-policy",
    generation: int = 1,
    **spec: Any,
) -> Policy:
    """A compiled policy. `spec`: further fields by their YAML names; the checks may stand in for those of the spec."""
    compiled = checks or (a_check(),)
    written = [{"name": c.name, "query": "errors", "unhealthy": {"above": "0.05"}} for c in compiled]
    parsed = HealthPolicySpec.parse(a_spec(**{"checks": written, "remedies": list(remedies), **spec}))
    return Policy(PolicyKey(NAMESPACE, name), uid, generation, parsed, tuple(compiled))


def a_finding(
    verdict: Verdict = Verdict.UNHEALTHY,
    *,
    check: str = "error-ratio",
    value: float | None = 0.08,
    since: datetime | None = None,
    sampled_at: datetime | None = NOW,
    reason: str = "",
    observed_at: datetime = NOW,
    query: str = "errors",
) -> Finding:
    """What a check said: unhealthy, with a fresh sample, unless told otherwise."""
    reasons = {
        Verdict.HEALTHY: "WithinThreshold",
        Verdict.UNHEALTHY: "AboveThreshold",
        Verdict.UNKNOWN: "Timeout",
        Verdict.QUIET: "LowVolume",
    }
    message = "no answer" if value is None else f"{value:.6g}, above 0.05"
    return Finding(
        check=check,
        verdict=verdict,
        reason=reason or reasons[verdict],
        message=message,
        query=query,
        observed_at=observed_at,
        threshold="above 0.05",
        value=value,
        since=since,
        sampled_at=sampled_at,
    )


def healthy(check: str = "error-ratio", *, since: datetime | None = NOW, sampled_at: datetime | None = NOW) -> Finding:
    """A check that is well."""
    return a_finding(Verdict.HEALTHY, check=check, value=0.01, since=since, sampled_at=sampled_at)


def unknown(check: str = "error-ratio", reason: str = "Timeout") -> Finding:
    """A check without a trustworthy answer."""
    return a_finding(Verdict.UNKNOWN, check=check, value=None, sampled_at=None, reason=reason)


def quiet(check: str = "latency") -> Finding:
    """A check with too little traffic to say anything."""
    return a_finding(Verdict.QUIET, check=check, value=None, sampled_at=None, reason="LowVolume")


def without_data(check: str = "latency", reason: str = "NoSeries") -> Finding:
    """A check whose source has nothing, and is in good order."""
    return replace(unknown(check, reason), without_data=True)


def a_template(image: str = "shop:v1", *, restarted_at: str = "", **metadata: Any) -> dict[str, Any]:
    """A pod template."""
    body: dict[str, Any] = {"labels": {"app": TARGET.name}, **metadata}
    if restarted_at:
        body["annotations"] = {**body.get("annotations", {}), RESTARTED_AT: restarted_at}
    return {"metadata": body, "spec": {"containers": [{"name": "app", "image": image, "env": [{"name": "A"}]}]}}


def a_deployment_body(
    *,
    replicas: int = 3,
    template: Mapping[str, Any] | None = None,
    generation: int = 7,
    uid: str = UID,
    annotations: Mapping[str, str] | None = None,
    spec: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    name: str = TARGET.name,
) -> dict[str, Any]:
    """A Deployment, fully rolled out, as the API server gives it. `spec` and `status` add to what is usual."""
    metadata: dict[str, Any] = {"name": name, "namespace": NAMESPACE, "uid": uid, "generation": generation}
    if annotations is not None:
        metadata["annotations"] = dict(annotations)
    settled = {
        "observedGeneration": generation,
        **dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), replicas),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": TARGET.name}},
            "template": deepcopy(dict(template or a_template())),
            **(spec or {}),
        },
        "status": {**settled, **(status or {})},
    }


def an_hpa_body(
    *, least: int | None = 2, most: int = 10, name: str = TARGET.name, target: str = TARGET.name, **metadata: Any
) -> dict[str, Any]:
    """A HorizontalPodAutoscaler of a Deployment as the API server gives it; `least` None leaves the minimum out."""
    minimum = {} if least is None else {"minReplicas": least}
    known = {"name": name, "namespace": NAMESPACE, "uid": "uid-of-hpa", "generation": 3, "resourceVersion": "11"}
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {**known, **metadata},
        "spec": {"scaleTargetRef": scaled, **minimum, "maxReplicas": most},
    }


def a_scaled_object_body(
    *, least: int | None = None, most: int | None = 10, name: str = TARGET.name, **metadata: Any
) -> dict[str, Any]:
    """A ScaledObject of KEDA; `least` and `most` None leave its bounds out."""
    written = {"minReplicaCount": least, "maxReplicaCount": most}
    bounds = {field: value for field, value in written.items() if value is not None}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": "uid-of-keda", "generation": 5, **metadata},
        "spec": {"scaleTargetRef": {"name": TARGET.name}, **bounds, "triggers": [{"type": "cpu"}]},
    }


def autoscalers(*bodies: Body) -> tuple[Autoscaler, ...]:
    """The autoscalers of TARGET as decisions see them."""
    return autoscalers_of(TARGET, bodies)


def a_workload(**fields: Any) -> Workload:
    """The same Deployment as decisions see it; takes what `a_deployment_body` takes."""
    return workload_from(a_deployment_body(**fields))


def an_observation(
    *, findings: Sequence[Finding] = (), now: datetime = NOW, workload: Workload | None = None, **around: Any
) -> Observation:
    """One unhealthy finding about an ordinary Deployment with nothing around it, unless told otherwise."""
    return Observation(
        now=now, workload=workload or a_workload(), findings=tuple(findings) or (a_finding(since=ago(60)),), **around
    )


def a_remedy(written: Mapping[str, Any] = RESTART) -> Remedy:
    return Remedy.parse(written)


def a_plan(remedy: Mapping[str, Any], body: Body, *findings: Finding, index: int = 0, **around: Any) -> PlanRequest:
    """What a planner gets. `around`: further fields of the observation."""
    seen = an_observation(findings=findings, workload=workload_from(body), **around)
    return PlanRequest(a_remedy(remedy), index, seen.findings, seen, body)


def an_action(kind: ActionKind = ActionKind.RESTART, **fields: Any) -> Action:
    """A planned action without a patch."""
    facts = a_workload().facts()
    usual: dict[str, Any] = {
        "kind": kind,
        "remedy": "restart",
        "target": TARGET,
        "target_uid": UID,
        "message": "restart the 3 replicas of Deployment/checkout",
        "before": facts,
        "intended": facts,
    }
    return Action(**{**usual, **fields})


def a_change(
    sequence: int = 1,
    *,
    action: ActionKind = ActionKind.RESTART,
    decision: str = "Act",
    outcome: str = "",
    remedy: str = "restart",
    decided_at: datetime = NOW,
    applied_at: datetime | None = None,
    completed_at: datetime | None = None,
    approval: str = "",
    **fields: Any,
) -> Change:
    """A record of TARGET: an open Act by POLICY unless told otherwise. An outcome completes it when it was decided."""
    usual: dict[str, Any] = {
        "name": f"checkout-0a1b2c3d-{sequence}",
        "uid": f"uid-of-change-{sequence}",
        "reason": "AboveThreshold",
        "policy": POLICY,
        "policy_generation": 1,
        "policy_uid": "uid-of-policy",
        "incident": INCIDENT,
        "target_uid": UID,
    }
    return Change(
        sequence=sequence,
        decision=Decision(decision),
        action=action,
        remedy=remedy,
        decided_at=decided_at,
        applied_at=applied_at,
        completed_at=completed_at or (decided_at if outcome or decision in {"Refuse", "DryRun", "Advise"} else None),
        outcome=Outcome(outcome) if outcome else None,
        approval=ApprovalDecision(approval) if approval else None,
        **{**usual, **fields},
    )


def a_finished_change(
    sequence: int = 1, *, done: datetime = NOW, outcome: str = "NotRecovered", **fields: Any
) -> Change:
    """A change that was applied and finished."""
    return a_change(sequence, decided_at=done, applied_at=done, completed_at=done, outcome=outcome, **fields)


def a_refusal(reason: str, sequence: int = 1, **fields: Any) -> Change:
    return a_change(sequence, decision="Refuse", reason=reason, **fields)


def a_release(
    template: Mapping[str, Any], *, healthy_at: datetime | None = NOW - timedelta(hours=1), quarantined_by: str = ""
) -> Release:
    """A kept release, known healthy an hour ago unless told otherwise."""
    named = release_hash(template)
    return Release(f"salus-{named}", named, template, healthy_at, quarantined_by)


def a_replica_set(revision: int, template: Mapping[str, Any], created: datetime) -> dict[str, Any]:
    """A ReplicaSet of TARGET as the Deployment controller makes it."""
    stamped = deepcopy(dict(template))
    stamped["metadata"]["labels"] = {**stamped["metadata"]["labels"], "pod-template-hash": f"hash{revision}"}
    return {
        "metadata": {
            "name": f"checkout-{revision}",
            "creationTimestamp": format_time(created),
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
        },
        "spec": {"template": stamped},
    }
