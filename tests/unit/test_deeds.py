"""What others did to a workload, by what Kubernetes keeps of it; the shapes are those that a real API server gave."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from salus.core.objects.workloads import release_hash
from salus.core.records.deeds import Traces, deeds_of
from salus.model.change import Facts
from salus.model.scalars import Body, format_time
from salus.model.values.changes import Change
from salus.model.values.deeds import Deed, DeedKind
from tests.builders import (
    NAMESPACE,
    UID,
    a_change,
    a_deployment_body,
    a_replica_set,
    a_template,
    ago,
    an_hpa_body,
)

V1, V2, V3 = (a_template(f"shop:v{number}") for number in (1, 2, 3))
R1, R2 = release_hash(V1), release_hash(V2)


def owned(revision: int, template: Mapping[str, Any], created: datetime, earlier: str = "") -> Body:
    """`earlier`: the numbers that it has had before."""
    body = a_replica_set(revision, template, created)
    if earlier:
        body["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] = earlier
    body["metadata"] |= {"ownerReferences": [{"uid": UID, "controller": True}], "namespace": NAMESPACE}
    return body


def deployment(template: Mapping[str, Any], *written: Body, replicas: int = 3) -> Body:
    body = a_deployment_body(template=template, replicas=replicas)
    body["metadata"]["managedFields"] = list(written)
    return body


def rolled_out(body: Body, at: datetime) -> Body:
    condition = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    body["status"]["conditions"] = [{**condition, "lastUpdateTime": format_time(at)}]
    return body


def wrote(manager: str, field: str, at: datetime | None, subresource: str = "") -> Body:
    """An entry of managedFields; through the subresource for it, a scaling has no time."""
    entry = {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {f"f:{field}": {}}}}
    return {
        **entry,
        **({"time": format_time(at)} if at else {}),
        **({"subresource": subresource} if subresource else {}),
    }


def event(at: datetime, note: str, reason: str = "ScalingReplicaSet", uid: str = UID) -> Body:
    return {"involvedObject": {"uid": uid}, "reason": reason, "message": note, "lastTimestamp": format_time(at)}


def resized(at: datetime, before: int, after: int, name: str = "checkout-1") -> Body:
    return event(at, f"Scaled up replica set {name} from {before} to {after}")


def hpa(uid: str = "uid-of-hpa", **status: Any) -> Body:  # noqa: ANN401 — fields of a status
    body = dict(an_hpa_body())
    return {**body, "metadata": {**body["metadata"], "uid": uid}, "status": status}


FIRST = owned(1, V1, ago(9000))


@pytest.mark.parametrize(
    ("traces", "changes", "expected"),
    [
        pytest.param(
            Traces(deployment(V2, wrote("argocd-controller", "template", ago(601))), [FIRST, owned(2, V2, ago(600))]),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.RELEASE, ago(600), "argocd-controller", release=R2, images=("shop:v2",)),
            ],
            id="a release, and who wrote it while that is known",
        ),
        pytest.param(
            Traces(
                deployment(V3),
                [
                    owned(3, V1, ago(9000), "1"),
                    owned(2, V2, ago(600)),
                    owned(4, V3, ago(60)),
                    owned(5, a_template("shop:v3", restarted_at="2026-11-22T11:59:30Z"), ago(30)),
                ],
            ),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.RELEASE, ago(600), release=R2, images=("shop:v2",)),
                Deed(DeedKind.RELEASE, ago(600), release=R1, images=("shop:v1",), came_back=True, by_then=ago(60)),
                Deed(DeedKind.RELEASE, ago(60), release=release_hash(V3), images=("shop:v3",)),
                Deed(DeedKind.RESTART, ago(30), release=release_hash(V3), images=("shop:v3",)),
            ],
            id="what came back in between is known by its numbers, and when it was only between two others",
        ),
        pytest.param(
            Traces(deployment(V1), [FIRST, owned(2, a_template(restarted_at="2026-11-22T11:50:00Z"), ago(600))]),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.RESTART, ago(600), release=R1, images=("shop:v1",)),
            ],
            id="a restart",
        ),
        pytest.param(
            Traces(
                deployment(V1, wrote("kubectl", "template", ago(60))),
                [owned(3, V1, ago(9000), "1"), owned(2, V2, ago(600))],
            ),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.RELEASE, ago(600), release=R2, images=("shop:v2",)),
                Deed(DeedKind.RELEASE, ago(60), "kubectl", release=R1, images=("shop:v1",), came_back=True),
            ],
            id="kubectl rollout undo: the release that comes back has its old age, and a new number",
        ),
        pytest.param(
            Traces(rolled_out(deployment(V1), ago(55)), [owned(3, V1, ago(9000)), owned(2, V2, ago(600))]),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.RELEASE, ago(600), release=R2, images=("shop:v2",)),
                Deed(DeedKind.RELEASE, ago(55), release=R1, images=("shop:v1",), came_back=True),
            ],
            id="nobody is noted any more, and the rollout says when",
        ),
        pytest.param(
            Traces(rolled_out(deployment(V1), ago(55)), [owned(3, V1, ago(9000)), owned(2, V2, ago(600))]),
            [a_change(decided_at=ago(70), applied_at=ago(60), intended=Facts(release=R1))],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.RELEASE, ago(600), release=R2, images=("shop:v2",)),
            ],
            id="what came back by Salus is in its records",
        ),
        pytest.param(
            Traces(deployment(V1), [FIRST, owned(2, a_template(restarted_at="2026-11-22T11:50:00Z"), ago(600))]),
            [a_change(decided_at=ago(605), applied_at=ago(602))],
            [Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",))],
            id="a restart by Salus too",
        ),
        pytest.param(
            Traces(
                deployment(V1, wrote("kubectl", "replicas", None, "scale"), replicas=4),
                [FIRST],
                [resized(ago(300), 2, 4)],
            ),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.SCALE, ago(300), "kubectl", replicas=4, before=2),
            ],
            id="kubectl scale: an Event says when, the fields say who",
        ),
        pytest.param(
            Traces(deployment(V1, wrote("kubectl", "replicas", None, "scale")), [FIRST]),
            [],
            [Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",))],
            id="kubectl scale, and its Event is gone: nobody knows when",
        ),
        pytest.param(
            Traces(deployment(V1, wrote("ops-tool", "replicas", ago(300)), replicas=5), [FIRST]),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.SCALE, ago(300), "ops-tool", replicas=5),
            ],
            id="who writes the number itself is noted with the time",
        ),
        pytest.param(
            Traces(
                deployment(V1, wrote("kube-controller-manager", "replicas", None, "scale"), replicas=8),
                [FIRST],
                [
                    event(ago(300), "New size: 8; reason: cpu above target", "SuccessfulRescale", "uid-of-hpa"),
                    resized(ago(299), 6, 8),
                ],
                hpa(lastScaleTime=format_time(ago(300)), desiredReplicas=8),
            ),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.SCALE, ago(299), "hpa/checkout", replicas=8, before=6),
            ],
            id="an autoscaler, told by both, is told once",
        ),
        pytest.param(
            Traces(deployment(V1), [FIRST], hpa=hpa(lastScaleTime=format_time(ago(90)), desiredReplicas=8)),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.SCALE, ago(90), "hpa/checkout", replicas=8),
            ],
            id="an autoscaler whose Events are gone still says when it last did",
        ),
        pytest.param(
            Traces(
                deployment(V2),
                [FIRST, owned(2, V2, ago(600))],
                [
                    event(ago(9000), "Scaled up replica set checkout-1 from 0 to 3"),
                    resized(ago(600), 0, 1, "checkout-2"),
                    event(ago(590), "Scaled down replica set checkout-1 from 3 to 2"),
                    resized(ago(580), 1, 2, "checkout-2"),
                ],
            ),
            [],
            [
                Deed(DeedKind.RELEASE, ago(9000), release=R1, images=("shop:v1",)),
                Deed(DeedKind.RELEASE, ago(600), release=R2, images=("shop:v2",)),
            ],
            id="the steps of a rollout are no scalings",
        ),
        pytest.param(
            Traces(deployment(V1), [{**FIRST, "metadata": {**FIRST["metadata"], "ownerReferences": []}}]),
            [],
            [],
            id="what is another's is not its history",
        ),
    ],
)
def test_what_others_did(traces: Traces, changes: Sequence[Change], expected: Sequence[Deed]) -> None:
    assert list(deeds_of(traces, changes)) == expected
