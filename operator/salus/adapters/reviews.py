"""What the API server says of whoever asks: which name it knows us by, and what it would let us do."""

from collections.abc import Mapping
from typing import Any

from salus.adapters.api import Connection, Request
from salus.model.scalars import Body
from salus.model.values.permissions import Permission
from salus.ports import Unavailable

_WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_MAY_I = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


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
    asked = {
        "namespace": namespace,
        "verb": wanted.verb,
        "group": wanted.group,
        "resource": wanted.resource,
        "subresource": wanted.subresource,
        "name": name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
    }
    answer = await connection.send(Request("POST", _MAY_I, body=body, headers=headers or {}, namespace=namespace))
    return _said(answer, "allowed") is True


def _said(answer: Body, field: str) -> Any:  # noqa: ANN401 — a field of the answer
    try:
        return answer["status"][field]
    except (KeyError, TypeError) as error:
        raise Unavailable(f"the API server's review has no status.{field}") from error
