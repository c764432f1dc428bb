"""Reads tests and the policies that they are of.

What is wrong with them is said by file and line, with the names that there are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from salus.bounded_yaml import UnreadableError
from salus.cli.documents import Document, read_documents
from salus.cli.findings import findings_in, is_ours
from salus.cli.trial.including import Included, include
from salus.cli.trial.model import KIND, Case, PolicyTest
from salus.cli.validate import Unreadable, catalog_of, files, read
from salus.core.policy.compile import Catalog
from salus.model.problems import Problem, problems
from salus.model.scalars import Body, first_few
from salus.settings import Settings

_MANY = 12
"""Names that a message lists."""
_RAW = ("values", "volumes")


@dataclass(frozen=True, slots=True)
class Written:
    """A policy as it stands in a file."""

    file: str
    body: Body

    @property
    def name(self) -> str:
        """That of its metadata."""
        return str(self.body["metadata"]["name"])

    @property
    def checks(self) -> Sequence[str]:
        """Their names."""
        return [str(one["name"]) for one in self.body["spec"]["checks"]]

    @property
    def remedies(self) -> Sequence[str]:
        """Their names."""
        return [str(one["name"]) for one in self.body["spec"].get("remedies") or ()]


@dataclass(frozen=True, slots=True)
class TestFile:
    """A document with tests; one file may hold several."""

    __test__ = False  # pytest: this is none of yours
    file: str
    document: Document
    spec: PolicyTest
    policies: Sequence[Written]
    included: Included

    @property
    def rules(self) -> Sequence[str]:
        """Files of recording and alerting rules."""
        return self.included.rules

    def line(self, path: str) -> int:
        """Of the file, from 1."""
        return self.document.line(path)

    def series_of(self, case: Case) -> Sequence[tuple[str, str]]:
        """What Prometheus has in a test; empty: it has values, or nothing at all."""
        own = [(one.series, one.values) for one in case.series]
        return () if case.values else (*own, *self.included.series)

    def step(self, otherwise: timedelta) -> timedelta:
        """From one value to the next."""
        return self.spec.interval or self.included.step or otherwise


@dataclass(slots=True)
class Read:
    """What was read."""

    tests: list[TestFile] = field(default_factory=list)
    policies: dict[tuple[str, str], Written] = field(default_factory=dict)
    """By file and name, all that coverage is of."""
    wrong: list[Unreadable] = field(default_factory=list)


def read_tests(inputs: Sequence[str], *, unfinished: bool = False) -> Read:
    """All tests of these files and folders. `unfinished`: one may lack what it expects."""
    found = Read()
    for file in files(inputs, found.wrong):
        try:
            for document in read_documents(read(file)):
                _take(document, file, found, unfinished=unfinished)
        except UnreadableError as error:
            if _is_named_so(file) or file in inputs:  # else it is somebody's template
                found.wrong.append(Unreadable(file, error.line, str(error)))
    return found


def _is_named_so(file: str) -> bool:
    return Path(file).stem.endswith(".test")


def _take(document: Document, file: str, found: Read, *, unfinished: bool) -> None:
    body = document.body
    if isinstance(body, Mapping) and (body.get("kind") == KIND or (_is_named_so(file) and "policies" in body)):
        _take_tests(document, file, found, unfinished=unfinished)
    elif is_ours(document) and not list(findings_in(document, file, catalog_of(None))):
        _note(found, Written(file, body))


def _note(found: Read, policy: Written) -> None:
    found.policies.setdefault((str(Path(policy.file).resolve()), policy.name), policy)


def _take_tests(document: Document, file: str, found: Read, *, unfinished: bool) -> None:
    twice = [Problem(key.path, "this key stands here twice") for key in document.repeated]
    try:
        spec = PolicyTest.parse(_as_written(document))
    except ValidationError as error:
        found.wrong += _said(file, document, (*twice, *problems(error, "")))
        return
    policies, wrong = _policies(spec, file, document)
    included, odd = include(spec.promtool, Path(file).parent, spec.interval)
    for one in policies:
        _note(found, one)
    asked = [*twice, *odd, *_unknown_names(spec, policies), *_configurations(spec), *_objects(spec)]
    if not unfinished:
        lacking = enumerate(spec.tests)
        asked += [
            Problem(f"tests[{index}]", f'"{one.name}" has no expect: write what is to be on record, or none')
            for index, one in lacking
            if one.expect is None
        ]
    found.wrong += [*wrong, *_said(file, document, asked)]
    if not wrong and not asked:
        found.tests.append(TestFile(file, document, spec, policies, included))


def _said(file: str, document: Document, wrong: Iterable[Problem]) -> Iterator[Unreadable]:
    for one in wrong:
        yield Unreadable(file, document.line(one.path), f"{one.path}: {one.message}".removeprefix(": "))


def _as_written(document: Document) -> Any:  # noqa: ANN401 — whatever is written there
    """The values as text: for YAML 0x60 is 96."""
    tests = document.body.get("tests")
    for index, case in enumerate(tests if isinstance(tests, list) else ()):
        for name in _RAW:
            told = (case.get(name) if isinstance(case, dict) else None) or {}
            for check in told if isinstance(told, dict) else ():
                told[check] = _raw(document, f"tests[{index}].{name}.{check}", told[check])
        rows = case.get("series") if isinstance(case, dict) else None
        for row, one in enumerate(rows if isinstance(rows, list) else ()):
            if isinstance(one, dict) and "values" in one:
                one["values"] = _raw(document, f"tests[{index}].series[{row}].values", one["values"])
    return document.body


def _raw(document: Document, path: str, read_as: Any) -> Any:  # noqa: ANN401 — whatever is written there
    return document.text(path) if isinstance(read_as, int | float | str) else read_as


def _policies(spec: PolicyTest, file: str, document: Document) -> tuple[list[Written], list[Unreadable]]:
    found: list[Written] = []
    wrong: list[Unreadable] = []
    for index, name in enumerate(spec.policies):
        line, path = document.line(f"policies[{index}]"), str(Path(file).parent / name)
        try:
            mine = list(_in_file(path))
        except (UnreadableError, ValueError) as error:
            wrong.append(Unreadable(file, line, f"policies[{index}]: {name}: {error}"))
            continue
        if not mine:
            wrong.append(Unreadable(file, line, f"policies[{index}]: {name}: holds no HealthPolicy"))
        found += mine
    return found, wrong


def _in_file(path: str) -> Iterator[Written]:
    """Raises UnreadableError, and ValueError for a policy that cannot be used."""
    for document in read_documents(read(path)):
        if is_ours(document):
            if (first := next(findings_in(document, path, catalog_of(None)), None)) is not None:
                raise ValueError(f"cannot be used: {first.path}: {first.message}")
            yield Written(path, document.body)


# --- names that are not there


def _unknown_names(spec: PolicyTest, policies: Sequence[Written]) -> Iterator[Problem]:
    checks = [*(check for one in policies for check in one.checks)]
    known = {*checks, *(f"{one.name}/{check}" for one in policies for check in one.checks)}
    for index, case in enumerate(spec.tests):
        path = f"tests[{index}]"
        told = [(f"{path}.{name}", getattr(case, name)) for name in _RAW]
        told += [(f"{path}.after.{action}", replies) for action, replies in case.after.items()]
        for where, names in told:
            for name in names:
                if name not in known:
                    yield Problem(f"{where}.{name}", _no_such("check", name, checks))
        yield from _in_expectations(path, case, spec, policies)


def _in_expectations(path: str, case: Case, spec: PolicyTest, policies: Sequence[Written]) -> Iterator[Problem]:
    releases = [one.name for one in case.workload.releases or spec.workload.releases or ()] or ["v1"]
    menus = {
        "remedy": [name for one in policies for name in one.remedies],
        "policy": [one.name for one in policies],
    }
    for index, one in enumerate(case.expect or ()):
        for name, there in menus.items():
            wanted = getattr(one, name)
            if wanted and wanted not in there:
                yield Problem(f"{path}.expect[{index}].{name}", _no_such(name, wanted, there))
        if isinstance(one.to, str) and not one.to.isdigit() and one.to not in releases:
            yield Problem(f"{path}.expect[{index}].to", _no_such("release", one.to, releases))


def _no_such(kind: str, name: str, there: Sequence[str]) -> str:
    return f'there is no {kind} "{name}"; there are: {first_few(list(dict.fromkeys(there)), _MANY) or "none"}'


def _objects(spec: PolicyTest) -> Iterator[Problem]:
    given = [
        ("objects", spec.objects),
        *((f"tests[{i}].objects", one.objects or ()) for i, one in enumerate(spec.tests)),
    ]
    for path, bodies in given:
        for index, body in enumerate(bodies):
            metadata = body.get("metadata")
            named = isinstance(metadata, Mapping) and isinstance(metadata.get("name"), str)
            if not (named and isinstance(body.get("apiVersion"), str) and isinstance(body.get("kind"), str)):
                yield Problem(f"{path}[{index}]", "expected an object with apiVersion, kind and metadata.name")


# --- the operator's configuration


def _configurations(spec: PolicyTest) -> Iterator[Problem]:
    yield from _in_configuration(spec.config, "config")
    for index, case in enumerate(spec.tests):
        if case.config is not None:
            yield from _in_configuration(case.config, f"tests[{index}].config")


def _in_configuration(written: Mapping[str, Any], path: str) -> Iterator[Problem]:
    try:
        Settings.parse(written)
    except ValidationError as error:
        yield from problems(error, path)


def settings_of(spec: PolicyTest, case: Case) -> Settings:
    """The operator's configuration, as far as a test says."""
    return Settings.parse({**spec.config, **(case.config or {})})


def catalog_for(settings: Settings) -> Catalog:
    """What policies may refer to, where the test names no sources: any."""
    if settings.sources:
        return catalog_of(settings)
    free = catalog_of(None)
    return Catalog(free.signals, free.sources, minimums=settings.minimums.value())
