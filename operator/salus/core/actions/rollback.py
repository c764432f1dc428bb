"""Rollback: put back the pod template of the newest release that was known healthy.

Never merely the one before, never by revision number: an undo renumbers, and a restart makes a revision of its own.
Only `/spec/template` is replaced. The record names the template by its release; `patch.resolved` puts it in at the
last moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from salus.core.actions.kind import InGit, Kind, Need, PlanRequest, Written
from salus.core.actions.patch import KEEPS_OLD_PODS, RELEASE_PREFIX, guarded, keeps_old_pods, template_of
from salus.core.cause.ruled_out import CLOCK_SKEW, newest_configuration, ruled_out
from salus.core.cause.ruled_out import REASONS as RULED_OUT
from salus.core.objects.admission import kept_out
from salus.core.objects.privileges import gains
from salus.core.objects.references import gone, listed, not_looked_at
from salus.core.objects.stamps import differing
from salus.core.objects.workloads import images_of, same_release, short
from salus.model.change import ActionKind, Facts, ManagedBy, Outcome
from salus.model.meta import WorkloadKind
from salus.model.scalars import first_few, format_duration
from salus.model.values.changes import Action, Infeasible
from salus.model.values.objects import Admission, Autoscaler, Release, Workload
from salus.model.values.observation import Observation
from salus.model.values.permissions import Permission

_NONE = timedelta(0)
REFERENCES_GONE = "ReferencesGone"
_SHOWN = 5
"""Images that an advice names; one more is counted."""


def plan(asked: PlanRequest) -> Action | Infeasible:
    """Go back to the newest good release, if the present one is young enough to be to blame."""
    seen, wish = asked.seen, asked.remedy.rollback
    assert wish is not None  # noqa: S101 — the registry chose this planner by this field
    workload = seen.workload
    useless = keeps_old_pods(workload) or _has_no_pods(workload) or _hopeless(asked)
    if objection := useless or _reconfigured(asked):
        return objection
    good = _within_the_loan(asked)
    if isinstance(good, Infeasible):
        return good
    if not workload.paused and (blameless := _blameless(asked, _breach_began(asked), wish.within)):
        return blameless  # of a paused Deployment nothing tells yet when its release began; the guard speaks instead
    return Action(
        kind=ActionKind.ROLLBACK,
        remedy=asked.remedy.name,
        target=workload.key,
        target_uid=workload.uid,
        message=_message(seen, good),
        before=workload.facts(),
        intended=workload.facts(release=good.named, images=images_of(good.template)),
        patch=guarded(asked.body, [_replace_template(good.template_hash or good.hash)]),
        inverse=(_replace_template(workload.template_hash or workload.release),),
        release=good.name,
    )


def _has_no_pods(workload: Workload) -> Infeasible | None:
    """A DaemonSet that finds no node may well owe that to its template; nothing else is without pods because of it."""
    if workload.replicas > 0 or workload.key.kind is WorkloadKind.DAEMON_SET:
        return None
    return Infeasible("ScaledToZero", f"{workload.key} was scaled to 0, which is no fault of its release")


def _hopeless(asked: PlanRequest) -> Infeasible | None:
    """Why no release at all is looked for."""
    workload = asked.seen.workload
    if before := _rolled_back_before(asked):
        return Infeasible("RolledBackBefore", f"{before} rolled {workload.key} back in this incident already")
    if workload.history_limit == 0:
        text = f"{workload.key} has revisionHistoryLimit 0, so nobody can tell when its release began"
        return Infeasible("NoRevisionHistory", text)
    return None


def _message(seen: Observation, good: Release) -> str:
    workload = seen.workload
    text = f"roll {workload.key} back from release {short(workload.named)} to {short(good.named)}, known healthy"
    live = next((known.checksums for known in reversed(seen.history) if known.release == workload.release), ())
    changed = differing(live, good.checksums)
    if changed:
        text = f"{text}; what it is configured with has changed too ({_listed(changed)}), and stays"
    if passed := list(takewhile(lambda kept: kept is not good, _goods(seen))):
        text = f"{text}; not to {short(passed[0].named)}, {_useless(seen, passed[0])}"
    if unseen := not_looked_at(good.template, seen.existing):
        text = f"{text}; whether these are there was not looked at, for lack of a right: {listed(unseen)}"
    return text


def _reconfigured(asked: PlanRequest) -> Infeasible | None:
    """Whether only the configuration of a release has changed since that was last known healthy.

    No template brings that back: it refers to the same ConfigMaps and Secrets, whatever checksum stands beside.
    """
    seen, breach = asked.seen, _breach_began(asked)
    live = next((kept for kept in seen.releases if kept.hash == seen.workload.release and kept.good), None)
    found = newest_configuration(seen.history, seen.workload.release)
    if live is None or live.healthy_at is None or found is None:
        return None
    before, after = found
    if after.made_at <= live.healthy_at or after.made_at > breach + CLOCK_SKEW:
        return None
    what = _listed(differing(before.checksums, after.checksums))
    ago = format_duration(max(breach - after.made_at, _NONE))
    text = f"release {short(live.named)} was known healthy before only its configuration changed ({what}, revision"
    text = f"{text} {after.number}), {ago} before the breach; no template brings back what that was"
    return Infeasible("ConfigurationChanged", text)


def newest_good(seen: Observation) -> Release | None:
    """The release to go back to: the first good one of which all is there that it refers to, and whose pods come.

    Where none of them is let in, the first, of which a guard then says so.
    """
    there = [release for release in _goods(seen) if not gone(release.template, seen.existing)]
    return next((release for release in there if not _kept_out(seen, release)), next(iter(there), None))


def _kept_out(seen: Observation, release: Release) -> str:
    """Why the namespace does not let the pods of a release in, as far as that is known."""
    return kept_out(seen.comebacks.get(release.name, Admission()))


def _useless(seen: Observation, release: Release) -> str:
    """Why a good release is passed over; empty: it is not."""
    if missing := gone(release.template, seen.existing):
        return f"which refers to {listed(missing)}, and that is not there any more"
    why = _kept_out(seen, release)
    return f"whose pods would not come: {why}" if why else ""


def _goods(seen: Observation) -> list[Release]:
    """Known healthy, not quarantined, not the live one, and the only one of its name."""
    return [
        release
        for release in seen.releases
        if release.good
        and release.hash != seen.workload.release
        and sum(same_release(release.hash, other.hash) for other in seen.releases) == 1
    ]


def usable(seen: Observation, named: str) -> Mapping[str, Any]:
    """The template that a patch means by this release. KeyError, with the reason, where it is of no use any more."""
    template = template_of(seen.releases, named)
    if missing := gone(template, seen.existing):
        raise KeyError(f"{REFERENCES_GONE}: release {short(named)} refers to {listed(missing)}, which is not there")
    return template


def _within_the_loan(asked: PlanRequest) -> Release | Infeasible:
    """The release to go back to, if there is one and it widens nothing."""
    seen, target, good = asked.seen, asked.seen.workload.key, newest_good(asked.seen)
    if good is None:
        missing = [(release, gone(release.template, seen.existing)) for release in _goods(seen)]
        if not missing:
            return Infeasible("NoKnownGoodRelease", _nothing_to_go_back_to(seen))
        told = "; ".join(f"release {short(kept.named)} to {listed(what)}" for kept, what in missing)
        return Infeasible(REFERENCES_GONE, f"the good releases of {target} refer to what is not there any more: {told}")
    if gained := gains(asked.body["spec"]["template"], good.template):
        text = f"release {short(good.named)} has what the live one of {target} has not: {', '.join(gained)}"
        return Infeasible("MoreThanLent", f"{text}; no loan covers that, a person has to put it back")
    return good


def _nothing_to_go_back_to(seen: Observation) -> str:
    others = [release for release in seen.releases if release.hash != seen.workload.release]
    withdrawn = [release.name for release in others if release.healthy and release.withdrawn_by]
    if not withdrawn:
        return f"no release of {seen.workload.key} other than the live one was ever known healthy"
    gone = f"{len(withdrawn)} that were healthy were withdrawn by people ({', '.join(withdrawn[:3])})"
    return f"there is no release of {seen.workload.key} to go back to: {gone}"


def _rolled_back_before(asked: PlanRequest) -> str | None:
    """The rollback that this incident had already: one is all it gets, lest it walk back through every release."""
    return next(
        (
            change.name
            for change in asked.seen.changes
            if change.acted
            and change.action is ActionKind.ROLLBACK
            and change.incident == asked.incident != ""
            and not change.undoes
            and change.outcome is not Outcome.ABANDONED
        ),
        None,
    )


def _replace_template(release: str) -> dict[str, str]:
    return {"op": "replace", "path": "/spec/template", "value": f"{RELEASE_PREFIX}{release}"}


def _breach_began(asked: PlanRequest) -> datetime:
    return min((f.since for f in asked.because if f.since), default=asked.seen.now)


def _blameless(asked: PlanRequest, breach: datetime, within: timedelta) -> Infeasible | None:
    """Why the live release is not to blame, if it is not."""
    started = asked.seen.release_started_at
    if started is None:
        return Infeasible("ReleaseTooOld", "when the live release began is not known")
    if not_to_blame := ruled_out(asked.seen, breach, started, {finding.check for finding in asked.because}):
        return not_to_blame
    if breach - started > within:
        age = format_duration(breach - started)
        return Infeasible(
            "ReleaseTooOld", f"the release began {age} before the breach, within is {format_duration(within)}"
        )
    return None


def _rights(plural: str, targets: Sequence[Workload], _: Sequence[Autoscaler]) -> Iterator[Need]:
    """A StatefulSet may have a pod that never gets ready in the way of the template that is put back."""
    yield Permission("rollback", "apps", plural), tuple(sorted(target.key.name for target in targets))
    if any(target.ordered for target in targets):
        yield Permission("delete", "", "pods"), ()


def _differs(live: Facts, intended: Facts) -> str | None:
    if same_release(live.release, intended.release):
        return None
    return f"release {short(live.release)} was put there since, the change had put {short(intended.release)}"


def _restored(workload: Workload, before: Facts) -> Facts:
    return workload.facts(release=before.release, images=before.images)


def _git_holds(_: Observation) -> bool:
    return True


def _advice(action: Action, seen: Observation, _: ManagedBy) -> str:
    good, bad = action.intended.release, action.before.release
    release = next((kept for kept in seen.releases if kept.named == good), None)
    same = (known for known in reversed(seen.history) if same_release(known.named, good))
    revision = next((f", revision {known.number}" for known in same), "")
    back = f"revert the pod template to release {short(good)}{revision}, known healthy (live is {short(bad)})"
    if release is None:
        return back
    where = f"the whole template is kept in KeptRelease/{release.name}"
    return f"{back}: {_images(release.template, seen.workload.images)}; {where}"


def _images(template: Mapping[str, Any], live: Sequence[str]) -> str:
    """The images that differ; a release may also differ in its settings only."""
    spec = template.get("spec") or {}
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    good = [container.get("image", "") for container in containers]
    wanted = [image for image in dict.fromkeys(good) if image not in live]
    unwanted = [image for image in dict.fromkeys(live) if image not in good]
    if not wanted and not unwanted:
        return f"its images are the live ones ({_listed(good)}), the change is elsewhere in the template"
    if not wanted:
        return f"take image {_listed(unwanted)} out"
    return f"image {_listed(wanted)}" + (f" instead of {_listed(unwanted)}" if unwanted else "")


def _listed(texts: Sequence[str]) -> str:
    return first_few([text[:128] for text in texts], _SHOWN)


KIND = Kind(
    name=ActionKind.ROLLBACK,
    field="rollback",
    plan=plan,
    infeasible=KEEPS_OLD_PODS
    | RULED_OUT
    | {
        "RolledBackBefore",
        "NoRevisionHistory",
        "ConfigurationChanged",
        "NoKnownGoodRelease",
        REFERENCES_GONE,
        "MoreThanLent",
        "ReleaseTooOld",
        "ScaledToZero",
    },
    written=Written(("f:spec", "f:template"), _differs, _restored),
    permissions=_rights,
    in_git=InGit("spec.template", _git_holds, _advice),
    replaces_release=True,
    undone_after=frozenset({Outcome.WORSE}),  # what did not help stays: the suspect release does not come back
)
