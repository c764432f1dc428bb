"""Who the API server says that we are, and whether it would let us: for commands that a person runs."""

from typing import Any

from salus.adapters.api import Connection, Request
from salus.model.types import Body
from salus.ports import Ref, Unavailable

_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_MAY = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def whoami(connection: Connection) -> str:
    """The caller's user name. Raises ClusterError."""
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await connection.send(Request("POST", _WHO, body=kind))
    return str(_status(answer, "userInfo")["username"])


async def may(connection: Connection, verb: str, ref: Ref) -> bool:
    """Whether the caller has this right on the object. Raises ClusterError."""
    group, _, _ = ref.resource.api_version.rpartition("/")
    asked = {"verb": verb, "group": group, "resource": ref.resource.plural, "namespace": ref.namespace}
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    body = {**kind, "spec": {"resourceAttributes": {**asked, "name": ref.name}}}
    return _status(await connection.send(Request("POST", _MAY, body=body)), "allowed") is True


def _status(answer: Body, field: str) -> Any:  # noqa: ANN401 — a field of the answer
    try:
        return answer["status"][field]
    except (KeyError, TypeError) as error:
        raise Unavailable(f"the API server's review has no status.{field}") from error
