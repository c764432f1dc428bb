"""What each command asks of the API server, as the person who runs it; tests on a real one hold commands to this.

docs/reference/rights.md is written from it: `python -m tools.rights_page > docs/reference/rights.md`.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from salus.cli.init import command as init
from salus.cli.lint import command as lint
from salus.cli.lint.around import AROUND
from salus.model.values.permissions import Permission
from salus.ports import (
    ACCESS_REVIEWS,
    AUTOSCALERS,
    CHANGE_EVENTS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CORE_EVENTS,
    DISRUPTION_BUDGETS,
    HEALTH_POLICIES,
    INCIDENTS,
    KEPT_RELEASES,
    LIMIT_RANGES,
    NAMESPACES,
    REPLICA_SETS,
    RESOURCE_QUOTAS,
    SCALED_OBJECTS,
    SERVICE_ACCOUNTS,
    WORKLOADS,
    Resource,
    right,
)

_NONE: Set[Permission] = frozenset()


@dataclass(frozen=True, slots=True)
class Rights:
    """What a command asks for, in the namespaces that it looks at."""

    needs: Set[Permission] = _NONE
    """Without one of these it cannot be asked, and ends with 2."""
    helps: Set[Permission] = _NONE
    """Without one of these it leaves something out, and names it."""
    sometimes: Set[Permission] = _NONE
    """Of `helps`, where there is such a thing: an older kind of workload, KEDA."""
    role: str = "view"
    """The role that has all of it; empty: none is needed."""
    prometheus: str = "none"


def _rights(verb: str, *resources: Resource) -> frozenset[Permission]:
    return frozenset(right(verb, resource) for resource in resources)


def _together(*sets: Iterable[Permission]) -> frozenset[Permission]:
    return frozenset(one for each in sets for one in each)


_LIST_POLICIES = _rights("list", HEALTH_POLICIES)
_RECORDS = _rights("list", INCIDENTS, CHANGE_EVENTS)
_DEPLOYMENT, *_OTHER_WORKLOADS = WORKLOADS.values()
_WORKLOAD = _rights("get", _DEPLOYMENT)
_OTHERS = _rights("get", *_OTHER_WORKLOADS)
_PAST = _together(_rights("list", REPLICA_SETS, AUTOSCALERS, CONFIG_MAPS, CORE_EVENTS, KEPT_RELEASES), _WORKLOAD)
"""What a past is told from, beside the records."""
_PAST_OTHERS = _together(_OTHERS, _rights("list", CONTROLLER_REVISIONS, SCALED_OBJECTS))
_SEVERAL = _rights("list", *WORKLOADS.values())
"""Where several workloads of a kind, or those of a selector, are looked at."""
_REPLAY = _together(_WORKLOAD, _rights("list", REPLICA_SETS, AUTOSCALERS, KEPT_RELEASES, CORE_EVENTS))
"""What workloads were is told from, beside kube-state-metrics."""
_REPLAY_OTHERS = _together(_OTHERS, _rights("list", CONTROLLER_REVISIONS, *WORKLOADS.values()))
_ANSWER = _together(_rights("get", CHANGE_EVENTS), _rights("patch", CHANGE_EVENTS), _rights("approve", CHANGE_EVENTS))
_ASKED_ABOUT = _together(
    _rights("get", HEALTH_POLICIES, INCIDENTS), _rights("list", CHANGE_EVENTS, KEPT_RELEASES), _WORKLOAD
)
"""What helps to decide."""

RIGHTS: Mapping[str, Rights] = {
    "status": Rights(_LIST_POLICIES, _together(_RECORDS, _WORKLOAD), _OTHERS, prometheus="range, if it answers in 2s"),
    "get policies": Rights(_LIST_POLICIES),
    "get incidents": Rights(_rights("list", INCIDENTS)),
    "get changes": Rights(_rights("list", CHANGE_EVENTS)),
    "get releases": Rights(
        _WORKLOAD,
        _rights("list", REPLICA_SETS, KEPT_RELEASES),
        _together(_OTHERS, _rights("list", CONTROLLER_REVISIONS)),
    ),
    "get presets --check": Rights(role="", prometheus="labels"),
    "explain NAME": Rights(_LIST_POLICIES, _RECORDS),
    "explain NAME --now": Rights(
        _together(_LIST_POLICIES, _RECORDS, _WORKLOAD, _rights("list", REPLICA_SETS, KEPT_RELEASES)),
        _together(
            _rights(
                "list", AUTOSCALERS, DISRUPTION_BUDGETS, RESOURCE_QUOTAS, LIMIT_RANGES, CONFIG_MAPS, *WORKLOADS.values()
            ),
            _rights("get", NAMESPACES),
        ),
        _together(_OTHERS, _rights("list", CONTROLLER_REVISIONS, SCALED_OBJECTS)),
        prometheus="instant, range and series",
    ),
    "explain inc/NAME": Rights(_rights("get", INCIDENTS)),
    "explain chev/NAME": Rights(_rights("get", CHANGE_EVENTS)),
    "history TYPE/NAME": Rights(_NONE, _together(_LIST_POLICIES, _RECORDS, _PAST), _PAST_OTHERS),
    "history NAME": Rights(_LIST_POLICIES, _together(_RECORDS, _PAST), _together(_PAST_OTHERS, _SEVERAL)),
    "report inc/NAME": Rights(
        _rights("get", INCIDENTS),
        _together(_LIST_POLICIES, _RECORDS, _PAST),
        _PAST_OTHERS,
        prometheus="range, for --html and -o json",
    ),
    "init": Rights(_WORKLOAD, init.AROUND, _OTHERS, prometheus="names, labels, instant and range"),
    "report period": Rights(_NONE, _together(_LIST_POLICIES, _RECORDS, _PAST), _together(_PAST_OTHERS, _SEVERAL)),
    "approve, deny NAME": Rights(_ANSWER, _ASKED_ABOUT, _OTHERS, "salus-approver, and view for what helps to decide"),
    "approve, deny": Rights(_rights("list", CHANGE_EVENTS)),
    "withdraw": Rights(
        _together(*(_rights(verb, KEPT_RELEASES) for verb in ("get", "patch", "withdraw"))),
        role="salus-withdrawer",
    ),
    "version": Rights(helps=_rights("list", _DEPLOYMENT), role="view, in the operator's namespace"),
    "test --from-incident": Rights(
        _together(_rights("get", INCIDENTS, HEALTH_POLICIES), _rights("list", CHANGE_EVENTS), _WORKLOAD),
        _rights("list", REPLICA_SETS, KEPT_RELEASES),
        _together(_OTHERS, _rights("list", CONTROLLER_REVISIONS)),
        prometheus="instant and range",
    ),
    "lint": Rights(
        lint.RIGHTS,
        _together(AROUND, _rights("list", SERVICE_ACCOUNTS, CONFIG_MAPS), _rights("create", ACCESS_REVIEWS)),
        role="view, and admin for what accounts may",
        prometheus="instant, range and series",
    ),
    "replay NAME": Rights(_rights("get", HEALTH_POLICIES), _REPLAY, _REPLAY_OTHERS, prometheus="instant and range"),
    "replay, replay TYPE/NAME": Rights(_LIST_POLICIES, _REPLAY, _REPLAY_OTHERS, prometheus="instant and range"),
    "version --client": Rights(role=""),
    "explain REASON, get presets, get reasons, validate, lint --offline, test, demo, completion": Rights(role=""),
}
"""By the command and what it is asked about; `approve` and `deny` without a name take these to show the questions."""
