"""What may stand in which place: words that are known here, or where the names of the rest are to be had. Pure.

A parameter is told by the command that it is of, else by its own name, else by how its value is called in `--help`; so
that a new command mostly needs nothing here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from salus.cli.complete.line import Place


class Source(StrEnum):
    """Where names are to be had."""

    NAMESPACES = "namespaces"
    CONTEXTS = "contexts"
    POLICIES = "policies"
    SUBJECTS = "subjects"
    """Policies, and as `deploy/checkout` the workloads that they name."""
    WORKLOADS = "workloads"
    """All of the namespace, likewise."""
    INCIDENTS = "incidents"
    CHANGES = "changes"
    QUESTIONS = "questions"
    """Changes that wait for an answer."""
    KEPT = "kept"
    """Releases that can be put back."""
    PRESETS = "presets"
    REASONS = "reasons"


OFFLINE = frozenset({Source.CONTEXTS, Source.PRESETS, Source.REASONS})
"""Those that no cluster is asked for."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names from a source, with a type before them as in `inc/NAME`."""

    source: Source
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Takes:
    """What a parameter takes."""

    words: tuple[str, ...] = ()
    names: tuple[Names, ...] = ()
    is_file: bool = False
    is_list: bool = False
    """Several with commas between them."""


NOTHING = Takes()
FILE = Takes(is_file=True)
_SUBJECTS = Names(Source.SUBJECTS)
_INCIDENTS, _CHANGES = Names(Source.INCIDENTS, "inc/"), Names(Source.CHANGES, "chev/")
_WORKLOADS = Takes(names=(Names(Source.WORKLOADS),))
_WHAT = (
    *("release", "config", "restart", "scale", "edit", "incident", "asks", "answer", "act", "undo", "rehearse"),
    *("advise", "refuse", "tell", "withdraw", "event"),
)
_OUTCOMES = (
    *("Recovered", "NotRecovered", "Inconclusive", "Worse", "Failed", "Contested", "Undone", "UndoSkipped"),
    *("Abandoned", "Expired"),
)
_FORMS = ("text", "wide", "json", "yaml")
_KINDS: Mapping[str, Takes] = {
    "policies": Takes(names=(Names(Source.POLICIES),)),
    "incidents": Takes(names=(Names(Source.INCIDENTS),)),
    "changes": Takes(names=(Names(Source.CHANGES),)),
    "releases": Takes(names=(Names(Source.WORKLOADS),)),
    "presets": Takes(names=(Names(Source.PRESETS),)),
    "reasons": Takes(names=(Names(Source.REASONS),)),
}


def _of_kind(place: Place) -> Takes:
    return _KINDS.get(place.before[0] if place.before else "", NOTHING)


_OF_COMMAND: Mapping[tuple[str, str], Takes | Callable[[Place], Takes]] = {
    ("get", "kind"): Takes(tuple(_KINDS)),
    ("get", "names"): _of_kind,
    ("get", "reason"): Takes(names=(Names(Source.REASONS),)),
    ("get", "form"): Takes((*_FORMS, "name", "csv")),
    ("history", "form"): Takes((*_FORMS, "csv", "md")),
    ("report", "form"): Takes((*_FORMS, "md")),
    ("replay", "form"): Takes((*_FORMS, "csv", "md")),
    ("test", "form"): Takes((*_FORMS, "junit")),
    ("lint", "form"): Takes((*_FORMS, "sarif", "github", "junit")),
    ("explain", "name"): Takes(names=(_SUBJECTS, _INCIDENTS, _CHANGES, Names(Source.REASONS))),
    ("report", "about"): Takes(("period",), (_INCIDENTS,)),
    ("approve", "name"): Takes(names=(Names(Source.QUESTIONS),)),
    ("deny", "name"): Takes(names=(Names(Source.QUESTIONS),)),
    ("withdraw", "name"): Takes(names=(Names(Source.KEPT),)),
    ("status", "wait_for"): Takes(("healthy", "resolved", "idle")),
    ("status", "fail_on"): Takes(("unhealthy",)),
    ("replay", "fail_on"): Takes(("acts", "false-alarms")),
    ("history", "only"): Takes(_WHAT, is_list=True),
    ("validate", "sources"): NOTHING,
    ("completion", "shell"): Takes(("bash", "zsh", "fish", "powershell", "kubectl")),
}
_OF_NAME: Mapping[str, Takes] = {
    "namespace": Takes(names=(Names(Source.NAMESPACES),)),
    "namespaces": Takes(names=(Names(Source.NAMESPACES),)),
    "context": Takes(names=(Names(Source.CONTEXTS),)),
    "form": Takes(_FORMS),
    "color": Takes(("auto", "always", "never")),
    "decision": Takes(("Act", "DryRun", "AwaitApproval", "Advise", "Refuse")),
    "outcome": Takes(_OUTCOMES),
    "mode": Takes(("Observe", "Approve", "Enforce")),
    "preset": Takes(names=(Names(Source.PRESETS),)),
    "source": NOTHING,
}
_OF_METAVAR: Mapping[str, Takes] = {
    "FILE": FILE,
    "DIR": FILE,
    "FILE|DIR|-": FILE,
    "TYPE/NAME": _WORKLOADS,
    "KIND/NAME": _WORKLOADS,
}
_ARGUMENT_CALLED_NAME = Takes(names=(_SUBJECTS,))


def takes(place: Place) -> Takes:
    """What the parameter takes whose value is being typed."""
    parameter = place.parameter
    if parameter is None:
        return NOTHING
    if parameter.choices:
        return Takes(parameter.choices)
    found = _OF_COMMAND.get((place.command, parameter.name)) or _OF_NAME.get(parameter.name)
    found = found or _OF_METAVAR.get(parameter.metavar)
    if found is None:
        return _ARGUMENT_CALLED_NAME if not parameter.flags and parameter.metavar == "NAME" else NOTHING
    return found(place) if callable(found) else found


def sources(wanted: Takes, begun: str) -> Sequence[Names]:
    """Those that may have something that begins so: names of objects are never capital, reasons are always.

    So nobody has to wait for a cluster while a reason is typed, nor is shown all reasons before a letter is.
    """
    if len(wanted.names) == 1:
        return wanted.names
    near = [one for one in wanted.names if begun.startswith(one.prefix) or one.prefix.startswith(begun)]
    return [one for one in near if (one.source is Source.REASONS) == begun[:1].isupper()]
