"""What the operator asked of the API server, held against what it was granted: no more, and no less.

Each cluster leaves what its audit log shows in the folder that $SALUS_RIGHTS names (`note`), whichever process it runs
in. `python -m tools.devcluster.rights FOLDER` then compares all of it with examples/install/rbac.yaml: `make
cluster-test` does so after a whole run. A right that nobody used is one too many; one that was asked for and is not
granted is one that is missing.
"""

import json
import os
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from tools.devcluster.audit import Asked, AuditLog

FOLDER = "SALUS_RIGHTS"
USER = "salus"
RBAC = Path(__file__).parents[2] / "examples" / "install" / "rbac.yaml"
_AS_ACCOUNT = {
    "salus": False,
    "salus-impersonator": False,
    "salus-remediator": True,
    "salus-remediator-scale-restart": True,
}
"""Role → whether the operator uses it as an account of a tenant."""

_BASIC = frozenset(
    {("authorization.k8s.io", "selfsubjectaccessreviews"), ("authentication.k8s.io", "selfsubjectreviews")}
)
"""What `system:basic-user` lets everyone do who is known at all: ask about oneself."""

UNUSED: frozenset[Asked] = frozenset(
    Asked(USER, True, "rollback", "apps", resource, "") for resource in ("deployments", "statefulsets", "daemonsets")
)
"""What is granted and never a request: leave to put another pod template there, of which admission asks RBAC."""

FORMER: frozenset[Asked] = frozenset(
    Asked(USER, False, verb, "apps", "controllerrevisions", "") for verb in ("get", "create", "patch", "delete")
)
"""What the Salus before KeptReleases asks, which runs with the rights of then in the test of the upgrade.

That today's does not is held by the test of its token, by the admission policies, and by its manifest.
"""


def note(log: AuditLog) -> None:
    """Leave what the operator asked in the folder, if somebody collects it."""
    folder = os.environ.get(FOLDER)
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        rows = [asdict(one) for one in sorted(log.asked(USER))]
        (Path(folder) / f"{uuid.uuid4().hex}.json").write_text(json.dumps(rows), encoding="utf-8")


def noted(folder: Path) -> frozenset[Asked]:
    """What all clusters have left there, without what everyone may ask."""
    rows = (row for file in folder.glob("*.json") for row in json.loads(file.read_text(encoding="utf-8")))
    asked = (Asked(**row) for row in rows)
    return frozenset(one for one in asked if (one.group, one.resource) not in _BASIC)


def granted(documents: Iterable[dict[str, Any]]) -> frozenset[Asked]:
    """What the roles of the manifest allow the operator, as itself and as an account."""
    return frozenset(
        one
        for document in documents
        if document["kind"] in {"Role", "ClusterRole"} and document["metadata"]["name"] in _AS_ACCOUNT
        for rule in document["rules"]
        for one in _allowed(rule, as_account=_AS_ACCOUNT[document["metadata"]["name"]])
    )


def _allowed(rule: dict[str, Any], *, as_account: bool) -> Iterator[Asked]:
    for group in rule["apiGroups"]:
        for name in rule["resources"]:
            resource, _, subresource = name.partition("/")
            for verb in rule["verbs"]:
                yield Asked(USER, as_account, verb, group, resource, subresource)


def differences(asked: frozenset[Asked], allowed: frozenset[Asked], unused: frozenset[Asked] = UNUSED) -> list[str]:
    """What does not fit, in sentences; empty when both are the same."""
    return [
        *(f"granted, and asked by nobody: {_said(one)}" for one in sorted(allowed - asked - unused)),
        *(f"asked, and not granted: {_said(one)}" for one in sorted(asked - allowed - FORMER)),
        *(f"listed as unused, and asked: {_said(one)}" for one in sorted(unused & asked)),
        *(f"listed as unused, and not granted: {_said(one)}" for one in sorted(unused - allowed)),
    ]


def _said(one: Asked) -> str:
    kind = f"{one.resource}/{one.subresource}" if one.subresource else one.resource
    who = "an account of a tenant" if one.as_account else "the operator"
    return f"{one.verb} {f'{kind}.{one.group}' if one.group else kind}, as {who}"


def main(arguments: Sequence[str]) -> int:
    """Compare, say what differs, and return the exit status."""
    folder = Path(arguments[0])
    asked = noted(folder)
    wrong = differences(asked, granted(yaml.safe_load_all(RBAC.read_text(encoding="utf-8"))))
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    if not wrong:
        print(f"Rights: all {len(asked)} that the operator asked for are granted, and no others")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
