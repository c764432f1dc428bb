"""The page on what commands ask for, written from them: `python -m tools.rights_page > docs/reference/rights.md`.

A test holds the page to what this says, and tests on a real API server hold the commands to it.
"""

import sys
from collections.abc import Iterable

from salus.cli.metrics.wanted import RIGHTS as WAYS
from salus.cli.rights import RIGHTS, Rights
from salus.model.values.permissions import Permission

_HEAD = """# What commands ask for

<!-- Written from the code by `python -m tools.rights_page`; a test fails when it is not current. -->

Every command asks as the person who runs it, by their kubeconfig (`--as`: as somebody else, if they may impersonate
them). *needs*: without one of these it cannot be asked, and ends with 2. *leaves out without*: it does what it can, and
lists under *Not looked at* what it could not see, with the right. *where there is one*: the same, for workloads other
than Deployments, and for what not every workload has.

| command | needs | leaves out without | where there is one | role | Prometheus |
| --- | --- | --- | --- | --- | --- |
"""
_TAIL = """
`history` and `report period` end with 2 where neither incidents nor changeevents may be listed. `approve` and `deny`
tell who may not who may instead, if they may list rolebindings and clusterrolebindings and get the roles. By these
`lint` tells, too, what accounts may, where it may not create the reviews; of configmaps it lists those of the operator.
A name with a slip is told with those that resemble it, which takes `list`.

## The way to Prometheus

`report inc/NAME` asks for ranges, too, with `--html` and `-o json`, but not with `--no-metrics`.

Which way is taken, if several are open, is said in the order of this table.

| way | needs |
| --- | --- |
"""


def rights_page() -> str:
    """All of it."""
    rows = [_row(command, one) for command, one in RIGHTS.items()]
    ways = [f"| {way.value} | {_said(needs)} |" for way, needs in WAYS.items()]
    return _HEAD + "\n".join(rows) + "\n" + _TAIL + "\n".join(ways) + "\n"


def _row(command: str, one: Rights) -> str:
    asked = " | ".join(_said(rights) for rights in (one.needs, one.helps, one.sometimes))
    return f"| `{command}` | {asked} | {one.role or 'none'} | {one.prometheus} |"


def _said(rights: Iterable[Permission]) -> str:
    """`get, list incidents; …`, a kind with all its verbs."""
    verbs: dict[str, list[str]] = {}
    for one in sorted(rights, key=lambda right: (right.group, right.resource, right.subresource, right.verb)):
        kind = f"{one.resource}{f'/{one.subresource}' if one.subresource else ''}{f'.{one.group}' if one.group else ''}"
        verbs.setdefault(kind, []).append(one.verb)
    return "; ".join(f"{', '.join(words)} `{kind}`" for kind, words in verbs.items()) or "-"


if __name__ == "__main__":
    sys.stdout.write(rights_page())
