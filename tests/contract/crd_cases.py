"""Objects that must be refused, and objects that must pass: one table for the API server and for the offline models.

Each row spoils one thing in a valid object of `data/`. `tests/unit/test_model.py` asks the models, `test_crds.py` the
API server; the path must be the same, and for a rule the message too.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jsonpointer import set_pointer

from salus.model.scalars import Resource, Rule
from tools.crds import KINDS, Kind

Object = dict[str, Any]
Edits = Mapping[str, object]

DATA = Path(__file__).with_name("data")
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}

RATIO = {"of": 'sum(errors{app="$target"})', "in": 'sum(requests{app="$target"})'}

POLICY, INCIDENT, CHANGE, RELEASE = "HealthPolicy", "Incident", "ChangeEvent", "KeptRelease"


@cache
def _read(kind: str) -> Object:
    body: Object = yaml.safe_load((DATA / f"{kind.lower()}.yaml").read_text(encoding="utf-8"))
    return body


def valid(kind: str, edits: Edits | None = None) -> Object:
    """The valid object of `kind` with `edits` below its spec: JSON pointer → value, and None leaves the field out."""
    body = copy.deepcopy(_read(kind))
    for pointer, value in (edits or {}).items():
        set_pointer(body["spec"], pointer, value)
    return body


@dataclass(frozen=True)
class Refused:
    """A new object that is refused at `path`; `message` is the model's."""

    kind: str
    path: str
    message: str
    edits: Edits

    def body(self) -> Object:
        """The spoiled object."""
        return valid(self.kind, self.edits)


@dataclass(frozen=True)
class RefusedUpdate:
    """A change of an object, valid by itself, that the record forbids."""

    kind: str
    path: str
    message: str
    edits: Edits
    before: Edits = field(default_factory=dict)


def rules(model: object) -> Iterator[Rule]:
    """Every rule of a model and of the models in its fields."""
    if isinstance(model, type) and issubclass(model, Resource):
        yield from model.RULES
        for info in model.model_fields.values():
            yield from rules(info.annotation)
    for argument in get_args(model):
        yield from rules(argument)


def is_transition(rule: Rule) -> bool:
    """Whether the rule speaks of an update."""
    return "oldSelf" in rule.cel


def _refused(kind: str, table: Mapping[tuple[str, str], Mapping[str, Edits]]) -> Iterator[Any]:
    """Rows of (path, message): {sentence: edits}."""
    for (path, message), cases in table.items():
        for sentence, edits in cases.items():
            yield pytest.param(Refused(kind, path, message, edits), id=sentence)


def _selector(labels: Mapping[str, object], **more: object) -> Mapping[str, object]:
    return {"kind": "Deployment", "selector": {"matchLabels": labels}, **more}


def _presets(count: int) -> list[Object]:
    return [{"name": f"check-{index}", "preset": "PodsCrashLooping"} for index in range(count)]


RULES = [
    *_refused(
        POLICY,
        {
            ("spec.target", "set exactly one of name and selector"): {
                "a target has a name or a selector, not both": {"/target": _selector({"app": "shop"}, name="checkout")},
                "a target without name and selector is nobody": {
                    "/target": {"kind": "Deployment"},
                    "/checks/2/alert/matchLabels": {"deployment": "$target"},
                },
            },
            (
                "spec.target.selector.matchLabels",
                "matchLabels must be keyed by names of labels, such as app.kubernetes.io/name",
            ): {
                "a selector takes names of labels": {
                    "/target": _selector({"not a label": "x"}),
                    "/remedies": None,
                    "/checks/2/alert/matchLabels": {"deployment": "$target"},
                },
            },
            (
                "spec.checks[2].alert.matchLabels",
                "matchLabels must be keyed by names of Prometheus labels, such as severity",
            ): {
                "PromQL cannot be smuggled into an alert by the name of a label": {
                    "/checks/2/alert/matchLabels": {'x="",namespace': "other"}
                },
            },
            (
                "spec.checks[2].alert.matchLabels",
                "matchLabels cannot set alertname or alertstate: Salus does",
            ): {
                "an alert that is pending does not fire": {"/checks/2/alert/matchLabels": {"alertstate": "pending"}},
            },
            (
                "spec.checks[2].alert.matchLabels",
                'matchLabels.namespace can be "" only, for an alert that has no such label: else it is the policy\'s',
            ): {
                "an alert of another namespace is out of reach": {
                    "/checks/2/alert/matchLabels": {"namespace": "other"}
                },
            },
            ("spec.checks[0].unhealthy", "set exactly one of above and below"): {
                "a threshold has one side": {
                    "/checks/0/unhealthy": {"above": "2", "below": "1"},
                    "/checks/0/healthy": None,
                },
            },
            ("spec.checks[1]", "set exactly one of query, ratio, preset and alert"): {
                "a check asks something": {"/checks/1/preset": None},
                "a check asks one thing": {"/checks/1/alert": {"name": "CheckoutDown"}},
                "a check asks one thing, a ratio too": {
                    "/checks/1/ratio": RATIO,
                    "/checks/1/unhealthy": {"above": "1"},
                },
            },
            ("spec.checks[0].unhealthy", "a query or a ratio needs unhealthy.above or unhealthy.below"): {
                "a query without a threshold says nothing": {"/checks/0/unhealthy": None, "/checks/0/healthy": None},
                "a ratio without a threshold says nothing": {
                    "/checks/0": {"name": "error-ratio", "ratio": RATIO},
                },
            },
            ("spec.checks[0].volume", "volume needs query and atLeast; a ratio brings its own"): {
                "a volume without a bound": {"/checks/0/volume": {"query": "sum(requests)"}},
                "a volume without a query": {"/checks/0/volume": {"atLeast": "60"}},
            },
            ("spec.checks[0]", "variant and with are of a preset"): {
                "a vocabulary for a query": {"/checks/0/variant": "istio"},
                "parameters of a query": {"/checks/0/with": {"slowerThan": "0.5"}},
            },
            ("spec.checks[0].onNoData", "onNoData must be Unknown, Healthy or Unhealthy"): {
                "nobody declares how much there is": {"/checks/0/onNoData": "Quiet"},
            },
            (
                "spec.checks",
                "with target.selector volume.query needs $target or $pods, or the check needs targetLabel",
            ): {
                "the traffic of many targets must be told apart": {
                    "/target": _selector({"app": "shop"}),
                    "/checks/0/volume": {"query": "sum(requests)", "atLeast": "60"},
                    "/checks/2/alert/matchLabels": {"deployment": "$target"},
                },
            },
            (
                "spec.checks",
                "with target.selector both parts of a ratio need $target or $pods, or the check needs targetLabel",
            ): {
                "a whole for many targets must be told apart": {
                    "/target": _selector({"app": "shop"}),
                    "/checks/0/query": None,
                    "/checks/0/ratio": {**RATIO, "in": "sum(requests)"},
                    "/checks/2/alert/matchLabels": {"deployment": "$target"},
                },
            },
            ("spec.checks[2]", "an alert brings its own threshold: leave out unhealthy, healthy and onNoData"): {
                "an alert takes no threshold": {"/checks/2/unhealthy": {"above": "1"}},
                "an alert takes no onNoData": {"/checks/2/onNoData": "Healthy"},
            },
            (
                "spec.checks[0].healthy",
                "healthy must lie on the other side of unhealthy: below it where unhealthy is above, and the reverse",
            ): {
                "the bounds of hysteresis do not overlap": {"/checks/0/healthy": {"below": "0.06"}},
                "the bounds of hysteresis do not overlap downwards either": {
                    "/checks/0/unhealthy": {"below": "1"},
                    "/checks/0/healthy": {"above": "0.9"},
                },
                "nor do bounds without quotes": {
                    "/checks/0/unhealthy": {"above": 5},
                    "/checks/0/healthy": {"below": "5.5"},
                },
                "healthy and unhealthy are not on the same side": {"/checks/0/healthy": {"above": "0.02"}},
            },
            ("spec.remedies[2].scale", "set exactly one of to, by and perReplica"): {
                "scale goes one way": {"/remedies/2/scale/to": 4},
            },
            ("spec.remedies[2].scale.to", "to must not exceed max"): {
                "max below to": {"/remedies/2/scale": {"to": 5, "max": 4}},
            },
            (
                "spec.remedies[2].scale.revertAfter",
                "what is back at its last healthy size stays there: leave out revertAfter",
            ): {
                "a way back that is lent": {
                    "/remedies/2/scale": {"to": "LastHealthy", "max": 12, "revertAfter": "30m"},
                },
            },
            ("spec.remedies[2].scale.min", "min must not exceed max"): {
                "min above max": {"/remedies/2/scale/min": 13},
            },
            ("spec.remedies[2].scale.perReplica", "perReplica must be greater than 0"): {
                "nothing is divided by zero": {"/remedies/2/scale": {"perReplica": "0", "max": 4}},
                "nor by one without quotes": {"/remedies/2/scale": {"perReplica": 0, "max": 4}},
            },
            ("spec.remedies[1]", "set exactly one of rollback, restart, scale and notify"): {
                "a remedy does one thing": {"/remedies/1/notify": {}},
                "a restart without a value is none": {"/remedies/1/restart": None},
            },
            ("spec.limits.per", "per must be at least 1m, or maxActions would limit nothing"): {
                "a window that is over at once": {"/limits": {"per": "0s"}},
            },
            ("spec.verify.timeout", "settle and stable together must fit into timeout"): {
                "verification cannot end before it can succeed": {"/verify/timeout": "89s"},
            },
            ("spec.limits.per", "per must be at most 168h"): {
                "a window that keeps every record for eleven years": {"/limits": {"per": "99999h"}},
                "a window of a second more than a week": {"/limits": {"per": "168h1s"}},
            },
            ("spec.limits.cooldown", "cooldown must be at most 24h"): {
                "a cooldown of more than a day": {"/limits": {"cooldown": "24h1s"}},
            },
            ("spec.verify.settle", "settle must be at most 1h"): {
                "samples that count after hours": {"/verify": {"settle": "2h", "stable": "1m", "timeout": "6h"}},
            },
            ("spec.verify.stable", "stable must be at most 1h"): {
                "a proof that takes hours": {"/verify": {"settle": "1m", "stable": "2h", "timeout": "6h"}},
            },
            ("spec.verify.timeout", "timeout must be at most 6h"): {
                "a verification that ends tomorrow": {"/verify/timeout": "24h"},
            },
            ("spec.escalateAfter", "escalateAfter must be at most 24h"): {
                "nobody told for more than a day": {"/escalateAfter": "24h1s"},
            },
            ("spec.bake", "bake must be at most 168h"): {
                "a release that bakes for more than a week": {"/bake": "168h1s"},
            },
            ("spec.checks[0].for", "for must be at most 24h"): {
                "a breach that counts after more than a day": {"/checks/0/for": "24h1s"},
            },
            ("spec.checks[0].window", "window must be at most 720h"): {
                "an action that is judged after more than a month": {"/checks/0/window": "720h1s"},
            },
            ("spec.remedies[0].rollback.within", "within must be at most 168h"): {
                "a release of last month": {"/remedies/0/rollback/within": "720h"},
            },
            ("spec.remedies[2].scale.revertAfter", "revertAfter must be at most 168h"): {
                "replicas that are lent for a month": {"/remedies/2/scale/revertAfter": "720h"},
            },
            ("spec.interval", "interval must be between 5s and 1h"): {
                "interval too short": {"/interval": "4s"},
                "interval too long": {"/interval": "1h1s"},
            },
            ("spec.remedies", "remedies[].checks must name checks of this policy"): {
                "a remedy for a check that is not there": {"/remedies/0/checks": ["error-ratio", "latency"]},
            },
            ("spec.remedies", "remedies[].mode must not be bolder than mode (Observe, Approve, Enforce)"): {
                "a remedy does not outdo an approving policy": {"/remedies/0/mode": "Enforce"},
                "a remedy does not outdo an observing policy": {"/mode": "Observe", "/remedies/0/mode": "Approve"},
            },
            ("spec.checks", "with target.selector a query needs $target, $pods or targetLabel"): {
                "an answer for many targets must be told apart": {
                    "/target": _selector({"app": "shop"}),
                    "/checks/0/query": "sum(errors)",
                    "/checks/2/alert/matchLabels": {"deployment": "$target"},
                },
            },
            (
                "spec.checks",
                "with target.selector an alert needs $target or $pods in matchLabels, such as deployment: $target",
            ): {
                "an alert of nobody in particular is not that of each": {"/target": _selector({"app": "shop"})},
            },
        },
    ),
    *_refused(
        CHANGE,
        {
            ("spec.approval", "only a change that awaits approval can be approved"): {
                "what was not asked cannot be approved": {
                    "/decision": "Act",
                    "/approval": {"decision": "Approved", "by": "ada", "digest": "a5e1"},
                },
            },
            (
                "spec.approval",
                "approval.digest must repeat spec.digest: it binds the approval to this target and this patch",
            ): {
                "an approval of something else": {"/approval": {"decision": "Approved", "by": "ada", "digest": "0b77"}},
            },
        },
    ),
]

_DURATION = "expected a duration such as 30s, 5m or 1h30m, got "
_DECIMAL = 'expected a whole number, or a decimal in a string such as "0.05", got '
_LABEL = 'expected lowercase letters, digits and "-", a letter or digit at both ends, got '
_NAME = 'expected lowercase letters, digits, "-" and ".", a letter or digit at both ends, got '

BOUNDS = [
    *_refused(
        POLICY,
        {
            ("spec.checks", "expected at most 16 items, got 17"): {
                "a 17th check": {"/checks": _presets(17), "/remedies": None},
            },
            ("spec.checks", "expected at least 1 item, got 0"): {
                "no check at all": {"/checks": [], "/remedies": None},
            },
            ("spec.checks", "is required"): {
                "checks left out": {"/checks": None},
            },
            ("spec.remedies", "expected at most 8 items, got 9"): {
                "a ninth remedy": {"/remedies": [{"name": f"page-{index}", "notify": {}} for index in range(9)]},
            },
            ("spec.checks[1]", 'name "error-ratio" is taken'): {
                "a name used twice": {"/checks/1/name": "error-ratio"},
            },
            ("spec.verify.timeout", _DURATION + '"5 minutes"'): {
                "a wordy duration": {"/verify/timeout": "5 minutes"},
            },
            ("spec.bake", _DURATION + '"1.5h"'): {
                "a duration with a fraction": {"/bake": "1.5h"},
            },
            ("spec.checks[0].for", _DURATION + '""'): {
                "an empty duration": {"/checks/0/for": ""},
            },
            ("spec.bake", _DURATION + '"5m\\n"'): {
                "a duration that ends in a line break": {"/bake": "5m\n"},
            },
            ("spec.bake", _DURATION + '"\u0665m"'): {
                "a duration in other digits": {"/bake": "\u0665m"},
            },
            ("spec.bake", _DURATION + "300"): {
                "a duration without a unit": {"/bake": 300},
            },
            ("spec.checks[0].unhealthy.above", _DECIMAL + '0.05; quote it: "0.05"'): {
                "a fraction without quotes": {"/checks/0/unhealthy": {"above": 0.05}, "/checks/0/healthy": None},
            },
            ("spec.checks[0].unhealthy.above", _DECIMAL + '"5%"'): {
                "a threshold in percent": {"/checks/0/unhealthy": {"above": "5%"}, "/checks/0/healthy": None},
            },
            ("spec.checks[0].unhealthy.above", _DECIMAL + '"NaN"'): {
                "a threshold that is not a number": {
                    "/checks/0/unhealthy": {"above": "NaN"},
                    "/checks/0/healthy": None,
                },
            },
            ("spec.checks[0].unhealthy.above", _DECIMAL + "true"): {
                "a threshold that is a switch": {"/checks/0/unhealthy": {"above": True}, "/checks/0/healthy": None},
            },
            ("spec.checks[0].unhealthy.above", "expected a number of 15 digits at most"): {
                "a threshold beyond what a float has": {
                    "/checks/0/unhealthy": {"above": 10**15},
                    "/checks/0/healthy": None,
                },
            },
            ("spec.mode", 'expected Observe, Approve or Enforce, got "Bold"'): {
                "unknown mode": {"/mode": "Bold"},
            },
            ("spec.target.kind", 'expected Deployment, StatefulSet or DaemonSet, got "Job"'): {
                "a kind of workload that Salus does not heal": {"/target/kind": "Job"},
            },
            ("spec.target.name", _NAME + '"Checkout"'): {
                "a name with capital letters": {"/target/name": "Checkout"},
            },
            ("spec.target.name", 'expected text, got 5; quote it: "5"'): {
                "a name that YAML read as a number": {"/target/name": 5},
            },
            ("spec.target.name", "expected at most 253 characters, got 254"): {
                "a name too long for Kubernetes": {"/target/name": "x" * 254},
            },
            ("spec.target.selector.matchLabels", "expected at least 1 item, got 0"): {
                "a selector that would take everything": {
                    "/target": _selector({}),
                    "/remedies": None,
                    "/checks/2/alert/matchLabels": {"deployment": "$target"},
                },
            },
            (
                "spec.target.selector.matchLabels.app",
                'expected letters, digits, "-", "_" and ".", a letter or digit at both ends, got "a b"',
            ): {
                "a label's value with a space": {
                    "/target": _selector({"app": "a b"}),
                    "/checks/2/alert/matchLabels": {"deployment": "$target"},
                },
            },
            ("spec.checks[0].name", _LABEL + '"Error ratio"'): {
                "a check's name with a space": {"/checks/0/name": "Error ratio", "/remedies": None},
            },
            (
                "spec.checks[0].targetLabel",
                'expected the name of a Prometheus label: letters, digits and "_", no digit first, got "a-b"',
            ): {
                "a label that Prometheus cannot have": {"/checks/0/targetLabel": "a-b"},
            },
            ("spec.checks[1].with", "expected at most 8 items, got 9"): {
                "parameters without end": {"/checks/1/with": {f"p{n}": "x" for n in range(9)}},
            },
            ("spec.checks[1].with.topic", "expected at most 256 characters, got 257"): {
                "a parameter without end": {"/checks/1/with": {"topic": "x" * 257}},
            },
            ("spec.checks[1].with.slowerThan", 'expected text or a whole number, got 0.5; quote it: "0.5"'): {
                "a parameter that is a float": {"/checks/1/with": {"slowerThan": 0.5}},
            },
            ("spec.checks[1].with.fast", "expected text or a whole number, got true"): {
                "a parameter that is a truth": {"/checks/1/with": {"fast": True}},
            },
            ("spec.checks[1].variant", "expected at least 1 character, got 0"): {
                "a vocabulary without a name": {"/checks/1/variant": ""},
            },
            ("spec.checks[0].query", "expected at most 4096 characters, got 4097"): {
                "an endless query": {"/checks/0/query": "x" * 4097},
            },
            ("spec.suspend", 'expected true or false, got "yes"'): {
                "yes in quotes for true": {"/suspend": "yes"},
            },
            ("spec.remedies[2].scale.max", "is required"): {
                "scaling without a ceiling": {"/remedies/2/scale": {"to": 5}},
            },
            ("spec.remedies[2].scale.max", 'expected a whole number, got "12"'): {
                "a number in quotes": {"/remedies/2/scale/max": "12"},
            },
            ("spec.remedies[2].scale.to", "expected at least 1, got 0"): {
                "scaling to nothing": {"/remedies/2/scale": {"to": 0, "max": 4}},
            },
            ("spec.remedies[2].scale.to", "expected at most 10000, got 10001"): {
                "scaling to beyond reason": {"/remedies/2/scale": {"to": 10001, "max": 12}},
            },
            ("spec.remedies[2].scale.to", 'expected a whole number or LastHealthy, got "6"'): {
                "a size in quotes": {"/remedies/2/scale": {"to": "6", "max": 12}},
            },
            ("spec.remedies[2].scale.to", 'expected a whole number or LastHealthy, got "lastHealthy"'): {
                "a size that has another name": {"/remedies/2/scale": {"to": "lastHealthy", "max": 12}},
            },
            ("spec.remedies[2].scale.to", "expected a whole number or LastHealthy, got 2.5"): {
                "half a replica": {"/remedies/2/scale": {"to": 2.5, "max": 12}},
            },
            ("spec.remedies[2].scale.to", "expected a whole number or LastHealthy, got true"): {
                "a size that is a yes": {"/remedies/2/scale": {"to": True, "max": 12}},
            },
            ("spec.remedies[2].scale.max", "expected at most 10000, got 10001"): {
                "scaling beyond reason": {"/remedies/2/scale/max": 10001},
            },
            ("spec.remedies[2].scale.by", 'expected a number such as "2" or a share such as "50%", got "-1"'): {
                "scaling backwards": {"/remedies/2/scale/by": "-1"},
            },
            ("spec.target", "expected an object, got a list"): {
                "a list for an object": {"/target": []},
            },
            ("spec.remedies", "expected a list, got an object"): {
                "an object for a list": {"/remedies": {}},
            },
            ("spec.checks[0]", 'expected an object, got "up"'): {
                "text for a check": {"/checks/0": "up"},
            },
            ("spec.taget", "unknown field"): {
                "a misspelt field": {"/taget": {}},
            },
            ("spec.remedies[2].scale.per_replica", "unknown field"): {
                "a field in snake case": {"/remedies/2/scale/per_replica": "5"},
            },
        },
    ),
    *_refused(
        INCIDENT,
        {
            ("spec.severity", 'expected info, warning or critical, got "page"'): {
                "unknown severity": {"/severity": "page"},
            },
            ("spec.policyRef.name", "is required"): {
                "an incident of no policy": {"/policyRef/name": None},
            },
            ("spec.openedAt", 'expected a time such as 2026-11-22T03:04:05Z, got "2026-11-22T03:04:05"'): {
                "a time without its zone": {"/openedAt": "2026-11-22T03:04:05"},
            },
            ("spec.openedAt", 'expected a time such as 2026-11-22T03:04:05Z, got "2026-13-22T03:04:05Z"'): {
                "a month that does not exist": {"/openedAt": "2026-13-22T03:04:05Z"},
            },
        },
    ),
    *_refused(
        CHANGE,
        {
            ("spec.sequence", "expected at least 1, got 0"): {
                "records count from one": {"/sequence": 0},
            },
            ("spec.reason", 'expected one CamelCase word, got "too slow"'): {
                "a reason in prose": {"/reason": "too slow"},
            },
            ("spec.patch[0].op", 'expected test, add, replace or remove, got "move"'): {
                "an operation that Salus does not use": {"/patch/0/op": "move"},
            },
            ("spec.policyRef.generation", "expected at least 0, got -1"): {
                "a generation that cannot be": {"/policyRef/generation": -1},
            },
            ("spec.approval.by", "expected at least 1 character, got 0"): {
                "an approval by nobody": {"/approval": {"decision": "Approved", "by": "", "digest": "a5e1"}},
            },
        },
    ),
]


def _accepted(kind: str, cases: Mapping[str, Edits]) -> Iterator[Any]:
    for sentence, edits in cases.items():
        yield pytest.param(kind, edits, id=sentence)


ACCEPTED = [
    *_accepted(
        POLICY,
        {
            "the policy as it is": {},
            "sixteen checks and no remedy": {"/checks": _presets(16), "/remedies": None},
            "a volume": {"/checks/0/volume": {"query": "sum(requests)", "atLeast": "60"}},
            "whole numbers without quotes": {
                "/checks/0/unhealthy": {"above": 5},
                "/checks/0/healthy": {"below": -5},
                "/checks/1/volume": {"query": "sum(requests)", "atLeast": 60},
                "/remedies/2/scale": {"perReplica": 100, "max": 4},
            },
            "hysteresis between a whole number and a decimal": {
                "/checks/0/unhealthy": {"below": "5.5"},
                "/checks/0/healthy": {"above": 6},
            },
            "the largest whole number": {
                "/checks/0/unhealthy": {"above": 10**15 - 1},
                "/checks/0/healthy": {"below": 1 - 10**15},
            },
            "a volume beside a preset": {"/checks/1/volume": {"query": "sum(requests)", "atLeast": "0.5"}},
            "a ratio that is never quiet": {
                "/checks/0/query": None,
                "/checks/0/ratio": RATIO,
                "/checks/0/volume": {"atLeast": "0"},
            },
            "a ratio": {"/checks/0/query": None, "/checks/0/ratio": RATIO},
            "a ratio of many targets, told apart by a label": {
                "/target": _selector({"app": "shop"}),
                "/checks/0/query": None,
                "/checks/0/ratio": {"of": "sum by (app) (errors)", "in": "sum by (app) (requests)"},
                "/checks/0/targetLabel": "app",
                "/checks/2/alert/matchLabels": {"deployment": "$target"},
            },
            "hysteresis without a gap": {"/checks/0/healthy": {"below": "0.05"}},
            "hysteresis around a negative number": {
                "/checks/0/unhealthy": {"below": "-1.5"},
                "/checks/0/healthy": {"above": "-1.5"},
            },
            "healthy beside a preset": {"/checks/1/healthy": {"below": "1"}},
            "a query for which nothing is good news": {"/checks/0/onNoData": "Healthy"},
            "to, min and max in one point": {"/remedies/2/scale": {"to": 4, "max": 4, "min": 4}},
            "back to the last healthy size": {"/remedies/2/scale": {"to": "LastHealthy", "max": 4, "min": 2}},
            "half a unit per replica": {"/remedies/2/scale": {"perReplica": "0.5", "max": 4}},
            "the shortest interval": {"/interval": "5s"},
            "the longest interval": {"/interval": "60m"},
            "a null is a field left out": {"/interval": None, "/verify": None},
            "verification without slack": {"/verify/timeout": "90s"},
            "a remedy as bold as its policy": {"/remedies/0/mode": "Approve"},
            "a remedy less bold than its policy": {"/mode": "Enforce", "/remedies/0/mode": "Approve"},
            "an alert without a namespace": {"/checks/2/alert/matchLabels": {"namespace": "", "service": "checkout"}},
            "a preset with parameters, whole numbers among them": {
                "/checks/1/variant": "istio",
                "/checks/1/with": {"slowerThan": "0.5", "partitions": 5, "topic": ""},
            },
            "a bound for the traffic that a preset counts": {"/checks/1/volume": {"atLeast": 100}},
            "many targets, asked by $target": {
                "/target": _selector({"app.kubernetes.io/part-of": "shop"}),
                "/checks/2/alert/matchLabels": {"deployment": "$target"},
            },
            "many targets, asked by their pods": {
                "/target": _selector({"app.kubernetes.io/part-of": "shop"}),
                "/checks/0/query": 'sum(errors{pod=~"$pods"})',
                "/checks/0/volume": {"query": 'sum(requests{pod=~"$pods"})', "atLeast": "60"},
                "/checks/2/alert/matchLabels": {"pod": "$pods"},
            },
            "a ratio of many targets, asked by their pods": {
                "/target": _selector({"app": "shop"}),
                "/checks/0/query": None,
                "/checks/0/ratio": {"of": 'sum(errors{pod=~"$pods"})', "in": 'sum(requests{pod=~"$pods"})'},
                "/checks/2/alert/matchLabels": {"pod": "$pods"},
            },
            "many targets, told apart by a label": {
                "/target": _selector({"app": ""}),
                "/checks/2/alert/name": "Down-$target",
                "/checks/0/query": "sum(e)",
                "/checks/0/targetLabel": "deployment",
            },
        },
    ),
    *_accepted(INCIDENT, {"the incident as it is": {}}),
    *_accepted(
        CHANGE,
        {
            "the change event as it is": {},
            "a change that was denied": {
                "/approval": {"decision": "Denied", "by": "ada", "digest": "a5e1", "ticket": "CHG-1"}
            },
            "any JSON as a patch's value": {"/patch/0/value": {"a": ["b", 1, True]}},
        },
    ),
    *_accepted(
        RELEASE,
        {
            "the kept release as it is": {},
            "one that an older Salus kept": {"/takenOver": "salus-checkout-f7524989-a227548916"},
            "any JSON in the workload": {"/workload/spec/template/spec/containers/0/x": {"a": ["b", 1, True]}},
        },
    ),
]


def _unchanging(name: str, value: object) -> Any:  # noqa: ANN401 — the type of a pytest parameter is private
    row = RefusedUpdate(CHANGE, f"spec.{name}", f"{name} is part of the record and never changes", {f"/{name}": value})
    return pytest.param(row, id=f"{name} {'is taken away' if value is None else 'is rewritten'}")


_APPROVED = {"/approval": {"decision": "Approved", "by": "ada", "digest": "a5e1"}}
_OTHER = {"name": "another"}
_TIME = "2026-11-22T04:00:00Z"

UPDATES = [
    _unchanging("format", 0),
    _unchanging("format", None),
    _unchanging("decision", "Refuse"),
    _unchanging("action", "Restart"),
    _unchanging("reason", "Other"),
    _unchanging("message", "something else"),
    _unchanging("policyRef", _OTHER),
    _unchanging("incidentRef", _OTHER),
    _unchanging("incidentRef", None),
    _unchanging("targetRef", {"kind": "StatefulSet", "name": "checkout"}),
    _unchanging("patchedRef", {"kind": "HorizontalPodAutoscaler", "name": "checkout"}),
    _unchanging("remedy", "restart"),
    _unchanging("sequence", 8),
    _unchanging("evidence", []),
    _unchanging("before", {"replicas": 5}),
    _unchanging("intended", None),
    _unchanging("patch", [{"op": "replace", "path": "/spec/replicas", "value": 6}]),
    _unchanging("inverse", []),
    _unchanging("undoes", "checkout-5f3a91c2-5"),
    _unchanging("undoes", None),
    _unchanging("takeBack", {"onFailure": "Undo", "revertAfter": "1s"}),
    _unchanging("proof", None),
    _unchanging("sinks", ["elsewhere"]),
    _unchanging("managedBy", {"tool": "Flux"}),
    _unchanging("actor", {"operator": "mallory"}),
    _unchanging("change", {"type": "Emergency"}),
    _unchanging("decidedAt", _TIME),
    _unchanging("expiresAt", _TIME),
    _unchanging("digest", "0b77"),
    pytest.param(
        RefusedUpdate(CHANGE, "spec.patch", "patch is part of the record and never changes", {"/patch/1/value": 60}),
        id="the value within a patch is rewritten",
    ),
    pytest.param(
        RefusedUpdate(
            CHANGE, "spec.patch", "patch is part of the record and never changes", {"/patch/1/value": {"sixty": [6, 0]}}
        ),
        id="the value within a patch gets another type",
    ),
    pytest.param(
        RefusedUpdate(
            CHANGE,
            "spec.approval",
            "approval is given once and never changes",
            {"/approval": {"decision": "Denied", "by": "ada", "digest": "a5e1"}},
            before=_APPROVED,
        ),
        id="an approval is turned into a denial",
    ),
    pytest.param(
        RefusedUpdate(
            CHANGE, "spec.approval", "approval is given once and never changes", {"/approval": None}, before=_APPROVED
        ),
        id="an approval is taken back",
    ),
    pytest.param(
        RefusedUpdate(INCIDENT, "spec", "an incident's spec never changes", {"/format": 0}),
        id="an incident is given another format",
    ),
    pytest.param(
        RefusedUpdate(INCIDENT, "spec", "an incident's spec never changes", {"/openedAt": _TIME}),
        id="an incident is dated back",
    ),
    pytest.param(
        RefusedUpdate(INCIDENT, "spec", "an incident's spec never changes", {"/targetRef/uid": "other"}),
        id="an incident is moved to another workload",
    ),
    *(
        pytest.param(
            RefusedUpdate(
                RELEASE,
                f"spec.{name}",
                f"{name} is part of what was kept and never changes",
                {f"/{name}{below}": value},
            ),
            id=f"of a kept release {what}",
        )
        for name, below, value, what in (
            ("format", "", 2, "the format is rewritten"),
            ("targetRef", "/name", "payments", "the target is rewritten"),
            ("release", "", "0" * 64, "the hash is rewritten"),
            ("workload", "/spec/template/spec/containers/0/image", "evil:latest", "the image is rewritten"),
            ("workload", "/spec", {"template": {}}, "the whole spec is rewritten"),
            ("workload", "/spec", ["evil"], "the spec gets another type"),
            ("workload", "/spec/replicas", None, "a field is taken out"),
            ("keptAt", "", _TIME, "the time is rewritten"),
            ("takenOver", "", "another", "its origin is made up"),
        )
    ),
    pytest.param(
        RefusedUpdate(
            RELEASE,
            "spec.workload",
            "workload is part of what was kept and never changes",
            {"/workload/spec": {"replicas": 3, "selector": {"matchLabels": {"app": "checkout"}}, "other": {}}},
        ),
        id="of a kept release the template gets another name",
    ),
    *(
        pytest.param(
            RefusedUpdate(
                RELEASE,
                "spec.withdrawal",
                "a withdrawal is made once and never changes",
                {"/withdrawal": changed},
                before={"/withdrawal": {"by": "ada", "reason": "CVE-2026-1"}},
            ),
            id=f"a withdrawal is {what}",
        )
        for what, changed in (("taken back", None), ("reworded", {"by": "ada", "reason": "a mistake"}))
    ),
]
