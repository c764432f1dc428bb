"""What the API server says of whoever asks: which name it knows us by, and what it would let us do."""

from collections.abc import Mapping
from typing import Any

from salus.adapters.api import Connection, Request
from salus.model.scalars import Body
from salus.model.values.permissions import Permission
from salus.ports import ACCESS_REVIEWS, Unavailable

_WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_REVIEWS = "/apis/authorization.k8s.io/v1"
_MAY_I = f"{_REVIEWS}/selfsubjectaccessreviews"


async def whoami(connection: Connection) -> str:
    """Our user name. Raises ClusterError."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await connection.send(Request("POST", _WHO_AM_I, body=body))
    return str(_said(answer, "userInfo")["username"])


async def may(
    connection: Connection, wanted: Permission, namespace: str, name: str = "", headers: Mapping[str, str] | None = None
) -> bool:
    """Whether we have this right on the object of this name, or on all of the namespace. Raises ClusterError.

    `headers` may impersonate somebody, of whom it is asked then.
    """
    body = _review("SelfSubjectAccessReview", _asked(wanted, namespace, name))
    answer = await connection.send(Request("POST", _MAY_I, body=body, headers=headers or {}, namespace=namespace))
    return _said(answer, "allowed") is True


async def account_may(connection: Connection, account: str, wanted: Permission, namespace: str, name: str = "") -> bool:
    """Whether a service account of the namespace has this right there. Raises ClusterError."""
    who = {"user": user_of(namespace, account), "groups": groups_of(namespace)}
    body = _review(ACCESS_REVIEWS.kind, {**_asked(wanted, namespace, name), **who})
    body["metadata"] = {"namespace": namespace}
    path = f"{_REVIEWS}/namespaces/{namespace}/{ACCESS_REVIEWS.plural}"
    return _said(await connection.send(Request("POST", path, body=body, namespace=namespace)), "allowed") is True


def user_of(namespace: str, account: str) -> str:
    """The user name that a service account has."""
    return f"system:serviceaccount:{namespace}:{account}"


def groups_of(namespace: str) -> list[str]:
    """The groups that every service account of a namespace is in."""
    return ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]


def _review(kind: str, spec: Body) -> dict[str, Any]:
    return {"apiVersion": ACCESS_REVIEWS.api_version, "kind": kind, "spec": spec}


def _asked(wanted: Permission, namespace: str, name: str) -> Body:
    asked = {
        "namespace": namespace,
        "verb": wanted.verb,
        "group": wanted.group,
        "resource": wanted.resource,
        "subresource": wanted.subresource,
        "name": name,
    }
    return {"resourceAttributes": {key: value for key, value in asked.items() if value}}


def _said(answer: Body, field: str) -> Any:  # noqa: ANN401 — a field of the answer
    try:
        return answer["status"][field]
    except (KeyError, TypeError) as error:
        raise Unavailable(f"the API server's review has no status.{field}") from error
