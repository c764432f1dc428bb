"""Who decides how many replicas a target has, where it is not the target's own `spec.replicas`.

Under an autoscaler a number written there would be put back, so a scaling raises the autoscaler's minimum instead.
Which autoscaler that is, and when it cannot be had, is said here; planning and judging are left to others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from salus.core.objects.ownership import git_holds
from salus.core.objects.workloads import autoscaler_from, managed_by
from salus.model.scalars import Body
from salus.model.values.keys import ScalerKey, TargetKey
from salus.model.values.objects import Autoscaler


def autoscalers_of(target: TargetKey, bodies: Iterable[Body]) -> tuple[Autoscaler, ...]:
    """The HPAs and ScaledObjects that scale this target. Raises ValueError with object and path."""
    found = ((autoscaler_from(body), body) for body in bodies)
    return tuple(_with_owners(pair[1], body) for pair, body in found if pair is not None and pair[0] == target)


def read_alone(body: Body) -> Autoscaler | None:
    """One autoscaler, whatever it scales; None for what scales nothing that Salus heals. Raises ValueError."""
    found = autoscaler_from(body)
    return _with_owners(found[1], body) if found else None


def in_charge(scalers: Sequence[Autoscaler]) -> tuple[Autoscaler, ...]:
    """Those that decide. The HPA that KEDA makes of a ScaledObject does as it is told, and is put back when edited."""
    names = {str(scaler.key) for scaler in scalers}
    return tuple(scaler for scaler in scalers if scaler.owner not in names)


def named(scalers: Sequence[Autoscaler], key: ScalerKey | None) -> Autoscaler | None:
    """The autoscaler with this name and uid; None if there is none any more."""
    return next((scaler for scaler in scalers if scaler.key == key), None)


def objection(patched: ScalerKey | None, target: TargetKey, scalers: Sequence[Autoscaler]) -> str | None:
    """Why a scaling that patches this object (None: the target itself) would be put back, if it would."""
    deciding = in_charge(scalers)
    others = ", ".join(str(scaler.key) for scaler in deciding if scaler.key != patched)
    if others:
        return f"{others} owns the replicas of {target}"
    if patched is None:
        return None
    scaler = named(deciding, patched)
    if scaler is None:
        return f"{patched} does not scale {target} any more"
    if scaler.owner:
        return f"{scaler.owner} controls {scaler.key}, and would put its minimum back"
    return f"{scaler.key} is paused by {scaler.paused}" if scaler.paused else None


def _with_owners(scaler: Autoscaler, body: Body) -> Autoscaler:
    return replace(scaler, managed_by=managed_by(body), git_holds_minimum=git_holds(body, scaler.key.min_field))
