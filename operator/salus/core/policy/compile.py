"""From a HealthPolicy as it was written to a policy that can be asked: once a generation, errors with their path."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import ValidationError

from salus.core.policy import counting, promql, signals, windows
from salus.core.policy.exporters import Trusted
from salus.core.policy.minimums import effective
from salus.core.policy.pod_names import pods
from salus.core.policy.signals import Signal
from salus.core.policy.value_form import advice
from salus.model.policy import Alert, Check, HealthPolicySpec, Ratio, Threshold, Verdict
from salus.model.problems import Problem, problems
from salus.model.scalars import Body, format_duration
from salus.model.values.configuration import Binding, Minimums, Sink
from salus.model.values.keys import PolicyKey
from salus.model.values.metrics import NoData
from salus.model.values.policies import CompiledCheck, Policy


class SpecError(Exception):
    """The policy cannot be used until its author changes it; never retried. `problems`: (path, message)."""

    def __init__(self, problems: tuple[Problem, ...], reason: str = "InvalidSpec") -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = problems
        self.reason = reason
        """Of the condition Stalled."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a policy may refer to by name."""

    signals: Mapping[str, Signal]
    sources: Collection[str]
    bound: Mapping[str, Binding] = field(default_factory=dict)
    """By source, what it binds every query to."""
    sinks: Mapping[str, Sink] | None = None
    """None: nobody told which there are, and any will do."""
    exporters: Mapping[str, Trusted] = field(default_factory=dict)
    """By source, how the series of exporters are known that presets may believe."""
    minimums: Minimums = field(default_factory=Minimums)
    """What no window of a policy goes below."""
    rules: Mapping[str, windows.Rules] = field(default_factory=dict)
    """By source, the rules that are known."""


def parse_spec(body: Body) -> HealthPolicySpec:
    """The spec as a model. Raises SpecError."""
    try:
        return HealthPolicySpec.parse(body.get("spec") or {})
    except ValidationError as error:
        raise SpecError(problems(error, "spec")) from error


def compile_policy(body: Body, catalog: Catalog) -> Policy:
    """Parse, resolve references, check the PromQL. Raises SpecError with every problem found."""
    spec = parse_spec(body)
    metadata = body["metadata"]
    uid, generation = identity(body)
    found = tuple(_problems_of(spec, catalog)) or tuple(_out_of_reach(spec, catalog, metadata["namespace"]))
    if found:
        raise SpecError(found)
    spec, raised = effective(spec, catalog.minimums)
    checks = tuple(_compiled(check, spec, catalog) for check in spec.checks)
    return Policy(
        key=PolicyKey(metadata["namespace"], metadata["name"]),
        uid=uid,
        generation=generation,
        spec=spec,
        checks=checks,
        raised=raised,
        warnings=tuple(_warnings(spec, checks)),
        created=str(metadata.get("creationTimestamp") or ""),
    )


def identity(body: Body) -> tuple[str, int]:
    """Uid and generation: which object this is, and which wording of it."""
    metadata = body["metadata"]
    uid, generation = metadata.get("uid"), metadata.get("generation")
    return (uid if isinstance(uid, str) else "", generation if isinstance(generation, int) else 0)


def unknown_names(spec: HealthPolicySpec, catalog: Catalog) -> Iterator[Problem]:
    """Its source and its sinks, as far as there are none of these names."""
    if spec.source not in catalog.sources:
        yield Problem("spec.source", f'unknown source "{spec.source}"; known: {_menu(catalog.sources)}')
    for index, sink in enumerate(spec.sinks):
        if catalog.sinks is not None and sink not in catalog.sinks:
            yield Problem(f"spec.sinks[{index}]", f'unknown sink "{sink}"; known: {_menu(catalog.sinks)}')


def _problems_of(spec: HealthPolicySpec, catalog: Catalog) -> Iterator[Problem]:
    yield from unknown_names(spec, catalog)
    for index, check in enumerate(spec.checks):
        yield from _problems_in_check(f"spec.checks[{index}]", check, spec, catalog)


def _out_of_reach(spec: HealthPolicySpec, catalog: Catalog, namespace: str) -> Iterator[Problem]:
    """What exists and is not for policies of this namespace; a file may leave open which that is."""
    if not namespace:
        return
    yield from _foreign(spec, catalog, namespace)
    yield from closed_sinks(spec, catalog, namespace)


def closed_sinks(spec: HealthPolicySpec, catalog: Catalog, namespace: str) -> Iterator[Problem]:
    """Its sinks that are not for this namespace."""
    for index, name in enumerate(spec.sinks):
        if catalog.sinks is not None and name in catalog.sinks and not catalog.sinks[name].serves(namespace):
            yield Problem(f"spec.sinks[{index}]", f'sink "{name}" takes no records of namespace {namespace}')


def _foreign(spec: HealthPolicySpec, catalog: Catalog, namespace: str) -> Iterator[Problem]:
    """Queries that contradict what their source binds all queries to."""
    binding = catalog.bound.get(spec.source, Binding())
    for index, check in enumerate(spec.checks):
        for name, template in _templates(check, spec, catalog):
            may_lack = binding.labels if check.alert and name != "volume.query" else ()
            query = promql.render(template, namespace, "any", pods(spec.target.kind, "any"))
            try:
                promql.bound_to(query, binding.matchers(namespace), or_missing=may_lack)
            except ValueError as error:
                yield Problem(f"spec.checks[{index}].{name}", f'source "{spec.source}": {error}')


def _templates(check: Check, spec: HealthPolicySpec, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """The queries of a check, by the fields that they come from."""
    meant = _meant(check, spec, catalog)
    yield _asked_by(check), _template(meant, spec, catalog)
    if meant.volume is not None and meant.volume.query is not None:
        own = check.volume is not None and check.volume.query is not None
        yield "volume.query" if own else _asked_by(check), meant.volume.query


def _asked_by(check: Check) -> str:
    """The field that what is asked comes from."""
    fields = {"query": check.query, "ratio": check.ratio, "preset": check.preset, "alert.matchLabels": check.alert}
    return next(name for name, value in fields.items() if value is not None)


def _problems_in_check(path: str, check: Check, spec: HealthPolicySpec, catalog: Catalog) -> Iterator[Problem]:
    found = tuple(_problems_in_queries(path, check))
    if check.preset is not None:
        signal = catalog.signals.get(check.preset)
        if signal is None:
            found += (Problem(f"{path}.preset", f'unknown preset "{check.preset}"; known: {_menu(catalog.signals)}'),)
        else:
            found += tuple(signals.problems(path, check, spec.target.kind, signal))
            found = found or tuple(_problems_in_values(path, _meant(check, spec, catalog)))
    yield from found


def _problems_in_values(path: str, meant: Check) -> Iterator[Problem]:
    """Of a preset whose parameters make of it what cannot be asked."""
    for problem in _problems_in_queries(path, meant):
        yield Problem(f"{path}.with", f"with these values the preset cannot be asked: {problem.message}")


def _problems_in_queries(path: str, check: Check) -> Iterator[Problem]:
    """The parts of a ratio are looked at one by one first, since the whole is nothing that its author wrote."""
    if check.query is not None:
        texts = {"query": check.query}
    elif check.ratio is not None:
        texts = {"ratio.of": check.ratio.of, "ratio.in": check.ratio.in_}
    else:
        texts = {"alert": _alert_query(check.alert, {})} if check.alert is not None else {}
    if check.volume is not None and check.volume.query is not None:
        texts["volume.query"] = check.volume.query
    found = [Problem(f"{path}.{at}", wrong) for at, text in texts.items() if (wrong := promql.problems_in(text))]
    if check.ratio is not None and not found and (wrong := promql.problems_in(_ratio_query(check.ratio, check))):
        found = [Problem(f"{path}.ratio", f"of and in cannot be divided: {wrong}")]
    yield from found


def _menu(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _meant(check: Check, spec: HealthPolicySpec, catalog: Catalog) -> Check:
    """The check as it would be without a preset."""
    if check.preset is None:
        return check
    trusted = catalog.exporters.get(spec.source, {})
    return signals.written(check, spec.target.kind, catalog.signals[check.preset], trusted)


def _template(check: Check, spec: HealthPolicySpec, catalog: Catalog) -> str:
    """Of a check that names no preset."""
    if check.query is not None:
        return check.query
    if check.ratio is not None:
        return _ratio_query(check.ratio, check)
    assert check.alert is not None  # noqa: S101 — the model holds "exactly one of query, ratio, preset and alert"
    return _alert_query(check.alert, _sent_with(spec, catalog))


def _sent_with(spec: HealthPolicySpec, catalog: Catalog) -> Mapping[str, str]:
    """The labels that the policy's source puts into every selector, but for the namespace."""
    return catalog.bound.get(spec.source, Binding()).labels


def _ratio_query(ratio: Ratio, check: Check) -> str:
    """0 where the whole has data and the part has none at all; no number, which is infinite, where 0 would be a breach.

    A part with labels that the whole has not finds nothing to be divided by; it must not be taken for none.
    """
    of_none = "Inf" if of_successes(check) else "0"
    none = f"{of_none} * ((\n{ratio.in_}\n) unless on ({check.target_label or ''}) (\n{ratio.of}\n))"
    return f"((\n{ratio.of}\n) or {none}) / (\n{ratio.in_}\n)"


def _alert_query(alert: Alert, sent_with: Mapping[str, str]) -> str:
    """Firing alerts as a number: no series means that none fires, which is 0 and not a lack of data.

    One that fires and lacks a label that is asked for, by the policy or its source, may be this one or not, which is no
    number: infinite.
    """
    its_own, labels = {"alertname": alert.name, "alertstate": "firing"}, _labels_of(alert, sent_with)
    asked = f"ALERTS{{{promql.matching({**its_own, **labels, **its_own})}}}"
    similar = f"ALERTS{{{promql.matching(its_own)},{promql.matching(labels, or_missing=True)}}}"
    in_doubt = f"Inf * count({similar}) or " if any(labels.values()) else ""
    return f"count({asked}) or {in_doubt}vector(0)"


def of_successes(check: Check) -> str:
    """What its author is told of a ratio of which the less is the worse; nothing for any other check."""
    bound = check.unhealthy.below if check.ratio is not None and check.unhealthy is not None else None
    if bound is None:
        return ""
    above = f'unhealthy: {{above: "{1 - bound:.6g}"}}' if 0 < bound <= 1 else "unhealthy.above"
    none = "where unhealthy is below, a part without series is no data, and never 0, which would be acted upon"
    return f"{none}; better ask for failures, with {above}"


def _labels_of(alert: Alert, sent_with: Mapping[str, str]) -> Mapping[str, str]:
    return {"namespace": "$namespace", **sent_with, **alert.match_labels}


def _no_number(check: Check, sent_with: Mapping[str, str]) -> NoData | None:
    """What an infinite answer means where it is meant, and what the author can do."""
    if check.alert is not None:
        return _in_doubt(check.alert, sent_with)
    if said := of_successes(check):
        return NoData("PartWithoutSeries", f"ratio.of has no series, though ratio.in has (is it mistyped?): {said}")
    return None


def _in_doubt(alert: Alert, sent_with: Mapping[str, str]) -> NoData:
    labels = [label for label, value in _labels_of(alert, sent_with).items() if value]
    one = f"the label {labels[0]}" if len(labels) == 1 else f"one of the labels {', '.join(labels)}"
    advice = "; ".join(_ways_out([label for label in labels if label in sent_with], labels))
    return NoData("AlertWithoutLabel", f"{alert.name} fires without {one}: {advice}"[:1024])


def _ways_out(of_source: Sequence[str], of_all: Sequence[str]) -> Iterator[str]:
    """What to do about labels that an alert lacks; no policy can leave out those of its source."""
    if len(of_source) < len(of_all):
        yield "say in alert.matchLabels which labels it has, and an empty text for one that it has not"
    if of_source:
        yield f"have the alert's rule keep {', '.join(of_source)}, which this source is always asked for"


def _window(check: Check, template: str, spec: HealthPolicySpec, catalog: Catalog) -> windows.Window:
    alert = check.alert.name if check.alert is not None else ""
    believed = max(spec.verify.timeout, windows.BELIEVED)
    return windows.window(template, catalog.rules.get(spec.source), alert, believed)


def _warnings(spec: HealthPolicySpec, checks: Sequence[CompiledCheck]) -> Iterator[Problem]:
    for index, (written, check) in enumerate(zip(spec.checks, checks, strict=True)):
        path = f"spec.checks[{index}]"
        if check.volume is None and (said := counting.uncounted(written)):
            yield Problem(f"{path}.volume", said)
        declared = written.query is None or written.on_no_data is not None
        if not declared and (found := advice(check.template, check.unhealthy)):
            yield Problem(f"{path}.query", str(found))
        if check.hidden:
            names, instead = ", ".join(check.hidden), format_duration(check.window)
            unknown = f"how far back {names} looks is not known, since a rule makes it: say it here"
            counts = (
                f"{instead} after an action, by for" if check.window else "from an action on, though they see before it"
            )
            yield Problem(f"{path}.window", f"{unknown}, or samples count {counts}")


_FIRING = Threshold.model_validate({"above": "0"})


def _compiled(check: Check, spec: HealthPolicySpec, catalog: Catalog) -> CompiledCheck:
    check = _meant(check, spec, catalog)
    template = _template(check, spec, catalog)
    hold = max(check.for_ or timedelta(0), catalog.minimums.hold)
    found = windows.Window(check.window) if check.window is not None else _window(check, template, spec, catalog)
    return CompiledCheck(
        name=check.name,
        template=template,
        unhealthy=check.unhealthy or _FIRING,
        healthy=check.healthy,
        hold=hold,
        on_no_data=check.on_no_data or Verdict.UNKNOWN,
        target_label=check.target_label,
        window=max(found.known, hold) if found.hidden else found.known,
        hidden=found.hidden,
        infinite=_no_number(check, _sent_with(spec, catalog)),
        volume=counting.volume_of(check),
        or_missing=check.alert is not None,
    )
