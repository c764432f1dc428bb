"""A person's word on an object: one field, once, in their own name. What `approve`, `deny` and `withdraw` share.

Who may is the API server's to say; this asks it beforehand, so that what is missing is told by its name.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salus.cli.contract import CannotBeAsked
from salus.cli.person import Person, told
from salus.cli.who import who_may
from salus.model.scalars import Body, first_few
from salus.ports import Conflict, Forbidden, Invalid, Ref, Resource, right

_MOST = 5
"""People and groups that are named."""


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody is about to say of an object."""

    resource: Resource
    field: str
    """Of its spec."""
    verb: str
    """The verb that it takes beside `patch`: no request, but what the admission policy asks for."""
    role: str
    """The ClusterRole that has all that it takes; charts/salus/files/user-roles.yaml."""


async def read(person: Person, word: Word, ref: Ref, me: str) -> Body:
    """The object that is spoken of. Raises CannotBeAsked."""
    try:
        return await person.get(ref)
    except CannotBeAsked as error:
        if isinstance(error.__cause__, Forbidden):
            raise await lacking(person, word, "get", ref.namespace, me) from error
        raise


async def see_that_they_may(person: Person, word: Word, ref: Ref, me: str) -> None:
    """See that this person may say it. Raises CannotBeAsked."""
    for verb in ("patch", word.verb):
        if not await person.may(right(verb, word.resource), ref.namespace, ref.name):
            raise await lacking(person, word, verb, ref.namespace, me)


async def lacking(person: Person, word: Word, verb: str, namespace: str, me: str) -> CannotBeAsked:
    """Which right is missing, what grants it, and who has it."""
    plural = word.resource.plural
    others = await who_may(person, namespace, right(word.verb, word.resource))
    return CannotBeAsked(
        f"{me} may not {verb} {plural} in namespace {namespace}; ClusterRole {word.role} has that right.",
        [("who may", first_few(others, _MOST))] if others else (),
        [f"an administrator can grant it: {grant(word.role, me, namespace)}"],
    )


def grant(role: str, me: str, namespace: str) -> str:
    """The command by which somebody gets this role."""
    return f"kubectl create rolebinding {role}s --clusterrole={role} --user='{me}' -n {namespace}"


async def say(
    person: Person, word: Word, body: Body, value: Mapping[str, Any], again: Callable[[], Awaitable[object]]
) -> None:
    """Put it on the very object that was shown. Raises CannotBeAsked.

    `again` looks once more where that was refused, and raises CannotBeAsked with what is known better.
    """
    metadata = body["metadata"]
    ref = Ref(word.resource, metadata["namespace"], metadata["name"])
    edits: Sequence[Mapping[str, Any]] = [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "add", "path": f"/spec/{word.field}", "value": value},
    ]
    with told(person):
        try:
            await person.cluster.patch(ref, edits)
        except (Conflict, Invalid) as error:
            await again()  # most likely somebody was faster: then this says who
            raise CannotBeAsked(f"the {word.field} was not taken: {error}") from error
        except Forbidden as error:
            raise CannotBeAsked(str(error).partition("denied request: ")[2] or str(error)) from error
