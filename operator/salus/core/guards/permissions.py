"""What the account of a policy must be allowed, and what to say when it is not: the commands that would help.

An account has to be there, to be lent to the operator (a RoleBinding to `salus-impersonator` in its namespace), and to
have the rights that the remedies take (one to `salus-remediator`). Asking the API server is left to
`reconcile.observe.permissions`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from salus.core.actions import KINDS, kind_of
from salus.core.actions.kind import Need
from salus.model.policy import Mode
from salus.model.values.changes import Action
from salus.model.values.objects import Autoscaler, Workload
from salus.model.values.permissions import Permission, Permissions
from salus.model.values.policies import Policy

NOT_PERMITTED = "NotPermitted"
"""Reason of the guard; the two reasons in a policy's status say what is lacking."""
MISSING, DENIED = "ServiceAccountMissing", "NotPermitted"
REMEDIATOR, IMPERSONATOR = "salus-remediator", "salus-impersonator"
"""ClusterRoles of examples/install/rbac.yaml; the account that acts by default has the name of the first."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the API server says of an account."""

    exists: bool
    may_impersonate: bool
    denied: tuple[tuple[Permission, str], ...] = ()
    """(right, name of the object; empty: all) that it has not; not known of an account that is not lent."""


def needs(policy: Policy, targets: Sequence[Workload], scalers: Sequence[Autoscaler] = ()) -> tuple[Need, ...]:
    """The rights that it takes to act on these targets: to read and to write each, and what the remedies' kinds add.

    `scalers`: the autoscalers of the targets, as far as they are known; a scaling writes to them.
    """
    names = tuple(sorted(target.key.name for target in targets))
    plural = f"{policy.spec.target.kind.value.lower()}s"
    needed = [(Permission(verb, "apps", plural), names) for verb in ("get", "patch")]
    wanted = {kind_of(remedy).name for remedy in policy.spec.remedies}
    for kind in KINDS.values():
        if kind.name in wanted and kind.permissions:
            needed += kind.permissions(plural, targets, scalers)
    return tuple(needed)


def has_writes(policy: Policy) -> bool:
    """Whether any remedy is more than telling people."""
    return any(kind_of(remedy).writes for remedy in policy.spec.remedies)


def acts(policy: Policy) -> bool:
    """Whether any remedy may do more than rehearse."""
    modes = {remedy.mode for remedy in policy.spec.remedies if kind_of(remedy).writes}
    return policy.spec.mode is not Mode.OBSERVE and bool(modes - {Mode.OBSERVE})


def rehearses(policy: Policy, name: str) -> bool:
    """Whether the policy, or its remedy of this name, observes."""
    remedy = next((one for one in policy.spec.remedies if one.name == name), None)
    return Mode.OBSERVE in {policy.spec.mode, remedy.mode if remedy else None}


def writes(policy: Policy, action: Action) -> bool:
    """Whether this action, if nobody objects, writes to the workload."""
    return action.kind.writes and (bool(action.undoes) or not rehearses(policy, action.remedy))


def judge(namespace: str, account: str, operator: str, standing: Standing) -> Permissions:
    """What is lacking, if anything. `operator`: the user name that the operator has."""
    who = f"service account {namespace}/{account}"
    if not standing.exists:
        return Permissions(MISSING, _helped(f"there is no {who}", _commands(namespace, account, operator, standing)))
    if not standing.may_impersonate:
        commands = _commands(namespace, account, operator, standing)
        return Permissions(DENIED, _helped(f"{operator} may not act as {who}", commands))
    if standing.denied:
        listed = ", ".join(f"{lacking} {name}".rstrip() for lacking, name in standing.denied[:3])
        more = f" and {len(standing.denied) - 3} more" if len(standing.denied) > 3 else ""
        commands = _commands(namespace, account, operator, standing)
        return Permissions(DENIED, _helped(f"{who} may not {listed}{more}", commands))
    return Permissions()


def _helped(what: str, commands: Iterator[str]) -> str:
    return f"{what}; this would help: {' && '.join(commands)}"


def _commands(namespace: str, account: str, operator: str, standing: Standing) -> Iterator[str]:
    """What someone who may do so in the namespace would type; a new account has no rights either."""
    suffix = "" if account == REMEDIATOR else f"-{account}"
    there = f"--namespace={namespace}"
    if not standing.exists:
        yield f"kubectl create serviceaccount {account} {there}"
    if not standing.exists or standing.denied:
        role = f"--clusterrole={REMEDIATOR} --serviceaccount={namespace}:{account}"
        yield f"kubectl create rolebinding {REMEDIATOR}{suffix} {there} {role}"
    if standing.may_impersonate:
        return
    name = f"{IMPERSONATOR}{suffix}"
    if suffix:
        rule = f"--verb=impersonate --resource=serviceaccounts --resource-name={account}"
        yield f"kubectl create role {name} {there} {rule}"
    role = "role" if suffix else "clusterrole"
    yield f"kubectl create rolebinding {name} {there} --{role}={name} {_subject(operator)}"


def _subject(operator: str) -> str:
    account = operator.removeprefix("system:serviceaccount:")
    return f"--user={operator}" if account == operator else f"--serviceaccount={account}"
