"""A policy as it is carried out: windows below the operator's minimums are raised to them, and said.

They are raised and not refused, since a policy may have been accepted before the minimum was set, and a longer window
only makes Salus slower. This is done once, when the policy is compiled, so that decisions, records and a replay see the
same windows.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

from salus.model.policy import Check, HealthPolicySpec
from salus.model.scalars import Resource, format_duration
from salus.model.values.configuration import Minimums

Part = TypeVar("Part", bound=Resource)


def effective(spec: HealthPolicySpec, least: Minimums) -> tuple[HealthPolicySpec, tuple[str, ...]]:
    """The spec with its windows raised, and a sentence for each that was."""
    said: list[str] = []
    limits = _raised(spec.limits, "limits.", {"cooldown": least.cooldown, "per": least.per}, said)
    verify = _raised(spec.verify, "verify.", {"settle": least.settle, "stable": least.stable}, said)
    verify = _raised(verify, "verify.", {"timeout": verify.settle + verify.stable}, said)
    checks = tuple(_held(check, index, least.hold, said) for index, check in enumerate(spec.checks))
    whole = _raised(spec, "", {"interval": least.interval, "bake": least.bake}, said)
    return _with(whole, {"limits": limits, "verify": verify, "checks": checks}), tuple(said)


def _raised(part: Part, path: str, least: Mapping[str, timedelta], said: list[str]) -> Part:
    low = {name: bound for name, bound in least.items() if getattr(part, name) < bound}
    said += [_sentence(path + name, getattr(part, name), bound) for name, bound in low.items()]
    return _with(part, low)


def _held(check: Check, index: int, least: timedelta, said: list[str]) -> Check:
    """A preset that says nothing of `for` brings its own, which is no shorter when the check is compiled."""
    written = check.for_ or timedelta(0)
    if written >= least or (check.for_ is None and check.preset is not None):
        return check
    said.append(_sentence(f"checks[{index}].for", written, least))
    return _with(check, {"for_": least})


def _sentence(path: str, written: timedelta, bound: timedelta) -> str:
    return f"{path} {format_duration(written)} is raised to {format_duration(bound)}"


def _with(part: Part, changed: Mapping[str, Any]) -> Part:
    return part.model_copy(update=changed) if changed else part
