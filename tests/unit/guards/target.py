"""What is known of the target, its checks, its rights and its owners."""

from dataclasses import replace

from tests.builders import a_finding, a_workload, healthy, unknown, without_data
from tests.unit.guards.rows import (
    HALF,
    LACKING,
    NOTIFY,
    OWNED,
    PAUSED,
    REHEARSING,
    RESTART,
    ROLLBACK,
    SCALE,
    USUAL,
    Row,
)

SURGING = a_workload(status={"replicas": 4})
UNSEEN = a_workload(status={"observedGeneration": 6})
PODS_DOWN = a_workload(status={"readyReplicas": 0, "availableReplicas": 0})

OF_LATENCY = {
    "checks": [
        {"name": name, "query": "vector(1)", "unhealthy": {"above": "0"}} for name in ("error-ratio", "latency")
    ],
    "remedies": [{"name": "restart", "restart": {}, "checks": ["latency"]}],
}

OBJECTS = [
    Row(
        "a check without an answer",
        "MetricsUnavailable",
        RESTART,
        says="no trustworthy answer for latency (Timeout)",
        seen=replace(USUAL, findings=(a_finding(), unknown("latency"))),
    ),
    Row(
        "all checks without an answer are named",
        "MetricsUnavailable",
        ROLLBACK,
        says="no trustworthy answer for a (Timeout), b (HttpError)",
        seen=replace(USUAL, findings=(unknown("a"), a_finding(), unknown("b", "HttpError"))),
    ),
    Row(
        "one without data, and no breach",
        "MetricsUnavailable",
        RESTART,
        says="no trustworthy answer for latency (NoSeries)",
        seen=replace(USUAL, findings=(healthy(), without_data("latency"))),
    ),
    Row(
        "one without data, and the breach of a check that the remedy does not name",
        "MetricsUnavailable",
        RESTART,
        says="no trustworthy answer for latency (StaleSample)",
        spec=OF_LATENCY,
        seen=replace(USUAL, findings=(a_finding(), without_data("latency", "StaleSample"))),
    ),
    Row(
        "an error beside a breach and one without data",
        "MetricsUnavailable",
        RESTART,
        says="no trustworthy answer for ratio (SeveralSeries)",
        seen=replace(USUAL, findings=(a_finding(), without_data("latency"), unknown("ratio", "SeveralSeries"))),
    ),
    Row(
        "an error of a check that the remedy names",
        "MetricsUnavailable",
        RESTART,
        says="no trustworthy answer for latency (Timeout)",
        spec=OF_LATENCY,
        seen=replace(USUAL, findings=(a_finding(), unknown("latency"))),
    ),
    Row(
        "an account without the rights",
        "NotPermitted",
        RESTART,
        says="shop/healer may not",
        spec={"mode": "Enforce"},
        seen=replace(USUAL, permissions=LACKING),
    ),
    Row(
        "nor after an approval",
        "NotPermitted",
        ROLLBACK,
        says="shop/healer may not",
        spec={"mode": "Approve"},
        seen=replace(USUAL, permissions=LACKING),
    ),
    Row(
        "a paused Deployment",
        "TargetPaused",
        ROLLBACK,
        says="Deployment/checkout is paused",
        seen=replace(USUAL, workload=PAUSED),
    ),
    Row(
        "a rollout under way holds a restart",
        "RolloutInProgress",
        RESTART,
        says="Deployment/checkout is rolling out: 1 of 3 replicas updated",
        seen=replace(USUAL, workload=HALF),
    ),
    Row(
        "a rollout under way holds a scaling",
        "RolloutInProgress",
        SCALE,
        says="Deployment/checkout is rolling out: 1 of 3 replicas updated",
        seen=replace(USUAL, workload=HALF),
    ),
    Row(
        "old pods are still going",
        "RolloutInProgress",
        RESTART,
        says="Deployment/checkout is rolling out: 3 of 3 replicas updated",
        seen=replace(USUAL, workload=SURGING),
    ),
    Row(
        "a spec its controller has not seen",
        "RolloutInProgress",
        RESTART,
        says="Deployment/checkout is rolling out: 3 of 3 replicas updated",
        seen=replace(USUAL, workload=UNSEEN),
    ),
    Row(
        "another controller owns the workload",
        "OperatorOwned",
        RESTART,
        says="Shop/checkout controls Deployment/checkout",
        seen=replace(USUAL, workload=OWNED),
    ),
    Row(
        "another controller takes its template and rolls it out",
        "OperatorOwned",
        ROLLBACK,
        says="Rollout/checkout takes its template from Deployment/checkout, and rolls it out itself",
        seen=replace(USUAL, follower="Rollout/checkout"),
    ),
]

PASSES = [
    Row(
        "one without data, beside another's breach",
        "MetricsUnavailable",
        ROLLBACK,
        seen=replace(USUAL, findings=(a_finding(), without_data("latency"), without_data("ratio", "NotANumber"))),
    ),
    Row(
        "an error of a check that the remedy does not name",
        "MetricsUnavailable",
        RESTART,
        spec=OF_LATENCY,
        seen=replace(USUAL, findings=(a_finding(check="latency"), unknown("ratio"))),
    ),
    Row("all checks have an answer", "MetricsUnavailable", RESTART),
    Row("people are told without metrics", "MetricsUnavailable", NOTIFY, seen=replace(USUAL, findings=(unknown(),))),
    Row("an account that has the rights", "NotPermitted", RESTART, spec={"mode": "Enforce"}),
    Row(
        "rehearsed without rights",
        "NotPermitted",
        RESTART,
        spec={"mode": "Observe"},
        seen=replace(USUAL, permissions=LACKING),
    ),
    Row("a remedy that is rehearsed", "NotPermitted", RESTART, spec=REHEARSING, seen=replace(USUAL, permissions=None)),
    Row(
        "telling takes no rights",
        "NotPermitted",
        NOTIFY,
        spec={"mode": "Enforce"},
        seen=replace(USUAL, permissions=LACKING),
    ),
    Row("a target that is not paused", "TargetPaused", RESTART),
    Row("people are told of a paused target", "TargetPaused", NOTIFY, seen=replace(USUAL, workload=PAUSED)),
    Row("nothing rolls out", "RolloutInProgress", RESTART),
    Row("pods that are down are no rollout", "RolloutInProgress", RESTART, seen=replace(USUAL, workload=PODS_DOWN)),
    Row("a rollback is how a bad rollout ends", "RolloutInProgress", ROLLBACK, seen=replace(USUAL, workload=HALF)),
    Row("nobody owns the target", "OperatorOwned", RESTART),
    Row("people are told of an owned target", "OperatorOwned", NOTIFY, seen=replace(USUAL, workload=OWNED)),
]

CANNOT_TELL = [
    Row(
        "an account of which nobody could ask",
        "NotPermitted",
        RESTART,
        says="the API server did not say what the service account may do",
        spec={"mode": "Enforce"},
        seen=replace(USUAL, permissions=None),
    ),
]
