"""What was found out about a workload, as the document of which text and file are made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import yaml

from salus.cli.init.candidates import metrics_of, range_of
from salus.cli.init.discovery import Known
from salus.cli.init.ladder import ladder
from salus.cli.init.policy_file import file_of
from salus.cli.init.proposing import Outcome
from salus.cli.init.surroundings import Surroundings
from salus.cli.init.vocabularies import VOCABULARIES
from salus.cli.lint.rule import Around, Linted
from salus.cli.lint.workloads import targets
from salus.cli.metrics.opening import Found
from salus.cli.reports.proposal import (
    Explained,
    ExplainedHalfHour,
    InitProposal,
    LeftOutCheck,
    PastIncident,
    ProposedCheck,
    ProposedFor,
    Returning,
    Seen,
)
from salus.core.learn import proposal as learn
from salus.core.learn.proposal import Learned, LeftOut
from salus.core.policy.compile import Catalog, compile_policy
from salus.model.meta import WorkloadKind
from salus.model.policy import Verify
from salus.model.scalars import parse_duration
from salus.model.values.policies import Policy
from salus.version import __version__

_TOOLS = {"ArgoCD": "Argo CD", "Operator": "An operator"}
_MINUTE, _ROUND = timedelta(minutes=1), timedelta(minutes=5)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Basis:
    """What a proposal is made from."""

    at: datetime
    name: str
    person: str
    cluster: str
    found: Found
    around: Surroundings
    known: Known
    outcomes: Sequence[Outcome]
    window: timedelta
    step: timedelta
    requests: int
    mode: str
    source: str
    alerts: Sequence[str] = ()
    explain: str = ""
    """A check whose past is drawn."""


def proposal(basis: Basis, catalog: Catalog) -> InitProposal:
    """The document, with its file in it."""
    checks = [_check(one, one.found, basis.around.key.kind) for one in basis.outcomes if isinstance(one.found, Learned)]
    told = basis.known.vocabularies
    report = InitProposal(
        at=basis.at,
        cluster=basis.cluster,
        name=basis.name,
        made_by=f"salus init {__version__}",
        person=basis.person,
        prometheus=basis.found.report(),
        workload=_workload(basis.around),
        series=basis.known.series,
        metrics=tuple(basis.known.own),
        by_address=tuple(basis.known.by_address),
        vocabularies=tuple(one.title for one in told),
        none_of=tuple(one.title for one in VOCABULARIES if one not in told),
        window=basis.window,
        learned=_learned(basis),
        step=basis.step,
        requests=basis.requests,
        mode=basis.mode,
        source=basis.source,
        checks=tuple(checks),
        left_out=tuple(_left_out(one, one.found) for one in basis.outcomes if isinstance(one.found, LeftOut)),
        incidents=tuple(_incidents(basis.outcomes)),
        remedies=tuple(ladder(checks, basis.around)) if checks else (),
        alerts=tuple(basis.alerts),
        explained=next(iter(_explained(basis)), None),
    )
    if not checks:
        return report.model_copy(update={"warnings": tuple(_of_series(basis))})
    policy = compile_policy(yaml.safe_load(file_of(report)), catalog)
    warnings = [*_of_series(basis), *_of_workload(basis.around, policy), *_of_checks(checks)]
    known = {"verify_timeout": _verify_timeout(policy), "warnings": tuple(warnings)}
    whole = report.model_copy(update=known)
    return whole.model_copy(update={"policy": file_of(whole)})


def _workload(around: Surroundings) -> ProposedFor:
    owner, scalers = around.owner, around.autoscalers
    held = owner is not None and owner.tool in {"ArgoCD", "Flux", "Operator"}
    ref = f" ({owner.ref})" if owner is not None and owner.ref else ""
    return ProposedFor(
        kind=around.key.kind.value,
        name=around.key.name,
        namespace=around.key.namespace,
        replicas=around.workload.replicas,
        autoscaler="; ".join(f"{one.key}, {one.min_replicas} to {one.max_replicas}" for one in scalers),
        holder=f"{_TOOLS.get(owner.tool, owner.tool)}{ref}" if owner is not None and held else "",
    )


def _check(outcome: Outcome, found: Learned, kind: WorkloadKind) -> ProposedCheck:
    candidate, preset = outcome.candidate, outcome.candidate.preset
    name = range_of(candidate)
    said = candidate.given.get(name, candidate.words.parameters[name].default or "") if name else ""
    return ProposedCheck(
        name=candidate.name,
        preset=preset.name,
        variant=candidate.variant if len(preset.variants) > 1 else "",
        parameters=dict(candidate.given),
        told_by=preset.told_by[candidate.variant],
        metric=next((one for one in metrics_of(candidate, kind) if one in candidate.names), ""),
        tied_by=candidate.anchor.name,
        unit=preset.unit,
        kind=preset.learn.kind,
        unhealthy=str(found.unhealthy),
        healthy=str(found.healthy or ""),
        hold=found.hold,
        own_bound=str(preset.unhealthy or ""),
        own_hold=preset.hold,
        range=parse_duration(said) if said else found.window or None,
        volume=found.volume,
        sure=found.sure.value,
        why=tuple(found.why),
        usual=found.usual,
        recurring=_seen(found.recurring),
        once=_seen(found.once),
        longest=found.longest,
        quiet=found.quiet,
        since=found.step,
        beyond_since=found.beyond_since,
        returning=tuple(_returning(one) for one in found.returning),
        also=tuple(outcome.others),
        doubts=tuple(candidate.doubts),
        helps=preset.helps,
    )


def _learned(basis: Basis) -> timedelta:
    """From the first sample that anything was learned from."""
    since = [one.found.since for one in basis.outcomes if isinstance(one.found, Learned)]
    known = max(basis.at - min(since), timedelta(0)) if since else timedelta(0)
    return known // _MINUTE * _MINUTE


def _seen(worst: learn.Worst | None) -> Seen | None:
    return Seen(value=worst.value, at=worst.at) if worst is not None else None


def _returning(one: learn.Returning) -> Returning:
    return Returning(worst=one.worst, bound=one.bound, weekday=one.weekday, at=one.spans[0].start, times=len(one.spans))


def _left_out(outcome: Outcome, found: LeftOut) -> LeftOutCheck:
    return LeftOutCheck(
        name=outcome.name,
        preset=outcome.candidate.preset.name,
        variant=outcome.candidate.variant,
        reason=found.reason,
        message=found.message,
    )


def _incidents(outcomes: Iterable[Outcome]) -> list[PastIncident]:
    """What was cut out of any check, joined where it was at one time."""
    cuts = [(one.name, cut) for one in outcomes if isinstance(one.found, Learned) for cut in one.found.cut]
    joined: list[PastIncident] = []
    for name, cut in sorted(cuts, key=lambda one: one[1].beyond.start):
        start, end = cut.beyond.start, cut.beyond.end
        if joined and start <= joined[-1].end:
            last = joined[-1]
            checks = tuple(dict.fromkeys((*last.checks, name)))
            update = {"end": max(last.end, end), "checks": checks, "is_named": last.is_named or cut.named}
            joined[-1] = last.model_copy(update=update)
        else:
            joined.append(PastIncident(start=start, end=end, checks=(name,), worst=cut.worst, is_named=cut.named))
    return joined


def _explained(basis: Basis) -> Iterable[Explained]:
    for one in basis.outcomes:
        if one.name == basis.explain and isinstance(one.found, Learned):
            yield Explained(
                check=one.name,
                bound=one.found.unhealthy.above or one.found.unhealthy.below or 0,
                half_hours=tuple(
                    ExplainedHalfHour(start=each.start, worth=each.worth, fate=each.fate.value)
                    for each in one.found.half_hours
                ),
            )


# --- the policy


def _verify_timeout(policy: Policy) -> timedelta | None:
    """So long that an act can be proven by the check that looks farthest back."""
    verify = Verify()
    needed = max(*(check.window for check in policy.checks), verify.settle) + verify.stable
    if needed < verify.timeout:
        return None
    return -(-(needed + _MINUTE) // _ROUND) * _ROUND


# --- warnings


def _of_series(basis: Basis) -> Iterable[str]:
    if basis.known.is_badly_scraped:
        yield (
            "kube-state-metrics is scraped without honor_labels: pods are in the label exported_pod, and no preset "
            "over it can answer"
        )
    if len(basis.known.clusters) > 1:
        yield f"series of several clusters answer: {', '.join(basis.known.clusters)}; --match says which is meant"


def _of_workload(around: Surroundings, policy: Policy) -> Iterable[str]:
    there = Around(
        target=around.key,
        workload=around.workload,
        body=around.body,
        autoscalers=tuple(around.autoscalers),
        budgets=tuple(around.budgets),
    )
    yield from dict.fromkeys(one.message for one in targets(Linted(policy, around=(there,))))


def _of_checks(checks: Sequence[ProposedCheck]) -> Iterable[str]:
    for one in checks:
        if one.beyond_since is not None:
            yield f"{one.name} is {one.unhealthy} since {one.beyond_since:%d %b %H:%M} UTC: it would act at once"
        for back in one.returning:
            when = f"every {_WEEKDAYS[back.weekday]}" if back.weekday is not None else "again and again"
            yield (
                f"{one.name} comes to {back.worst:.2g} {when} about {back.at:%H:%M} UTC: is that all right? "
                f"Without it {back.bound:.2g} would hold: --incident FROM/TO says that it is not"
            )
